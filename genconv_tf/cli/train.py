"""`genconv train`: a file in, a model out."""

import inspect
import os
import shlex
import sys

from genconv_tf import recipes, training
from genconv_tf.data.media import LOADERS
from genconv_tf.data.sources import tfds_name
from genconv_tf.kinds import KINDS


def run(options, dataset=None):
    """Learn; `dataset` is what `load` gives, where it has been read already."""
    changes = recipes.parse_settings(options.set)
    if dataset is None:
        dataset = load(recipes.load(options.recipe, changes), options)
    exemplar = dataset.preprocessing.decode(next(iter(dataset))[0]).numpy()
    training.train(
        options.recipe,
        dataset,
        options.output,
        options.updates,
        options.seed,
        changes,
        options.resume,
        options.quiet,
        options.sheets,
        facts(options),
        exemplar,
    )
    if not options.quiet:
        preset = os.path.join(options.output, "preset")
        print(f"Learned {preset}; samples of it in {preset}/samples.png")


def facts(options):
    """What a model card says of where the model comes from."""
    return {
        "summary": f"Learned from {_name(options)} with the recipe {content_name(options)}.",
        "recipe": content_name(options),
        "source": options.source or _name(options),
        "licence": options.licence or "unknown",
        "command": "genconv " + shlex.join(a for a in sys.argv[1:] if a != "--resume"),
    }


def load(content, options):
    """The dataset of a recipe's kind and the options of the command."""
    how = dict(content["data"])
    kind = how.pop("kind", KINDS.get(content["model"].get("rank", 2)))
    if not isinstance(kind, str) or kind not in LOADERS:
        raise ValueError(f"Expected a kind of data of {sorted(LOADERS)}. Received: {kind!r}")
    size = options.size or how.pop("size", None)
    if size is not None:
        how["size"] = tuple(size) if isinstance(size, list) else size
    for name in ("split", "feature"):
        asked = getattr(options, name)
        if asked and not any(map(tfds_name, options.input)):
            raise ValueError(f"Expected --{name} of an input tfds:NAME. "
                             f"Received: {', '.join(options.input)}")  # fmt: skip
        how |= {name: asked} if asked else {}
    if kind == "image":
        how["seed"] = options.seed or 0
    known = inspect.signature(LOADERS[kind]).parameters
    unknown = sorted(set(how) - set(known))
    if unknown:
        raise ValueError(f"Expected settings of data for a {kind}, {', '.join(known)}. "
                         f"Received: {', '.join(unknown)}")  # fmt: skip
    return LOADERS[kind](source(options), **how)


def source(options):
    """The input of the command as loaders take it: one by itself."""
    return options.input[0] if len(options.input) == 1 else options.input


def content_name(options):
    return os.path.basename(options.recipe).removesuffix(".toml")


def _name(options):
    return ", ".join(os.path.basename(os.path.normpath(path)) for path in options.input)
