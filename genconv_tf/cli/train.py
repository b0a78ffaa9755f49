"""`genconv train`: a file in, a model out."""

import os
import shlex
import sys

from genconv_tf import data, recipes, training


def run(options):
    changes = dict(recipes.parse_setting(text) for text in options.set)
    content = recipes.load(options.recipe, changes)
    how = {key: content["data"][key] for key in ("crop", "mean", "batch") if key in content["data"]}
    source = options.input[0] if len(options.input) == 1 else options.input
    size = options.size or content["data"].get("size")
    size = tuple(size) if isinstance(size, list) else size
    dataset = data.images(
        source, size, split=options.split, feature=options.feature, seed=options.seed or 0, **how
    )
    facts = {
        "summary": f"Learned from {_name(options)} with the recipe {content_name(options)}.",
        "recipe": content_name(options),
        "source": options.source or _name(options),
        "licence": options.licence or "unknown",
        "command": "genconv " + shlex.join(a for a in sys.argv[1:] if a != "--resume"),
    }
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
        facts,
        exemplar,
    )
    if not options.quiet:
        preset = os.path.join(options.output, "preset")
        print(f"Learned {preset}; samples of it in {preset}/samples.png")


def content_name(options):
    return os.path.basename(options.recipe).removesuffix(".toml")


def _name(options):
    return ", ".join(os.path.basename(os.path.normpath(path)) for path in options.input)
