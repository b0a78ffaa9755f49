"""Model cards: what a preset is, how it was learned, how it is sampled, and how it looks."""

import re

import numpy as np

from genconv_tf.data.decode import write_image
from genconv_tf.data.media import picture, write_moving
from genconv_tf.integrity import CONFIG, GRAPH, VARIABLES, WEIGHTS
from genconv_tf.kinds import KINDS
from genconv_tf.metadata import given_filters
from genconv_tf.sizes import shown

EXEMPLAR, SAMPLES = "exemplar.png", "samples.png"
FACTS = ("summary", "source", "licence", "recipe", "command", "figures")  # of where it comes from
# Of a SavedModel: the weights, and what says that it is one.

# Tasks of the Hugging Face Hub, which has none for sounds and videos out of nothing.
PIPELINES = {2: "unconditional-image-generation"}
# Licences that its readers know by these names; any other has its name and a link of its own.
LICENCES = {"apache-2.0", "bsd-3-clause", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0",
            "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc0-1.0", "mit", "odbl", "pddl",
            "unknown"}  # fmt: skip
LINKS = {"public-domain": "https://creativecommons.org/publicdomain/mark/1.0/",
         "unsplash": "https://unsplash.com/license"}  # fmt: skip


def metadata(model, name, facts, hashes):
    """The machine-readable part of a card."""
    config = model.get_config()
    given = given_filters(config["bank"])
    return {
        "name": name,
        "rank": model.rank,
        "channels": model.channels,
        "size": model.media_size,
        "receptive_field": model.finest.network.receptive_field(),
        "least_size": model.least_size,
        "only_size": model.only_size,
        "levels": len(model.levels),
        "weights": model.count_params(),
        **({"filters": given} if given else {}),
        "preprocessing": config["preprocessing"],
        "reference": config["reference"],
        "sampler": config["sampler"],
        "learning": config["learning"],
        **facts,
        "sha256": hashes,
    }


def write_media(folder, exemplar=None, samples=None, rate=None):
    """Write the pictures of a card, and of a sound or a video a sample; returns the files' names.

    Args:
        folder: of the card.
        exemplar, samples: one medium and a batch.
        rate: samples or frames a second.
    """
    names = []
    if exemplar is not None:
        write_image(folder / EXEMPLAR, picture(exemplar))
        names.append(EXEMPLAR)
    if samples is not None:
        write_image(folder / SAMPLES, sheet(samples))
        names += [SAMPLES, write_moving(folder / "sample", np.asarray(samples[0]), rate)]
    return [name for name in names if name]


def sheet(media, columns=None, gap=4):
    """A sheet of pictures of equally large media: `(height, width, 3)` uint8 on white."""
    images = np.stack([picture(one) for one in media])
    columns = columns or int(np.ceil(np.sqrt(len(images) * images.shape[1] / images.shape[2])))
    rows = -(-len(images) // columns)
    height, width = images.shape[1:3]
    page = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        page[top : top + height, left : left + width] = image
    return page


def render(meta):
    """The card itself, Markdown with front matter, from a preset's or a SavedModel's metadata.

    The pictures are those of the files that the metadata has hashes of.
    """
    hashes = meta["sha256"]
    exported = GRAPH in hashes
    weights = VARIABLES if exported else WEIGHTS
    lines = [*front_matter(meta), "", f"# {meta['name']}"]
    if meta.get("summary"):
        lines += ["", meta["summary"]]
    media = [] if exported else [name for name in hashes if name not in (CONFIG, WEIGHTS)]
    if media:
        lines += [""]
        lines += [f"{'!' * name.endswith('.png')}[{name.partition('.')[0]}]({name})"
                  for name in media]  # fmt: skip
    lines += ["", "```python", *(_alone(meta) if exported else _use(meta)), "```", ""]
    if meta.get("recipe"):
        lines += [f"- recipe: {meta['recipe']}"]
    lines += [f"- {key}: {meta[key]}" for key in ("source", "licence", "command") if meta.get(key)]
    lines += [f"- learning: {_settings(meta['learning'])}"]
    lines += [f"- sampling: {_settings(meta['sampler'])}"]
    only = meta.get("only_size") or ()
    fits = f"or {shown(only)}" if any(only) else f"at least {_shown(meta['least_size'])}"
    lines += [f"- size: {_shown(meta['size'])}, {fits}"]
    lines += [f"- weights: {meta['weights']}, of {meta['levels']} levels"]
    if meta.get("filters"):
        lines += [f"- filters, not among these files: {_settings(meta['filters'])}"]
    lines += [f"- receptive field of the finest level: {_shown(meta['receptive_field'])}"]
    if weights in hashes:
        lines += [f"- SHA-256 of {weights}: `{hashes[weights]}`"]
    if meta.get("figures"):
        lines += [
            "",
            "Fresh samples against the exemplar; a ratio of 1 is as good as another part of it.",
            "",
        ]
        lines += ["| measure | value | ratio |", "|---|---|---|"]
        for name, figure in meta["figures"].items():
            ratio = f"{figure['ratio']:.2f}" if "ratio" in figure else ""
            lines.append(f"| {name} | {figure['value']:.3f} | {ratio} |")
    return "\n".join(lines) + "\n"


def front_matter(meta):
    """YAML for readers of model cards: library, licence, task and tags."""
    slug = re.sub(r"[^a-z0-9.]+", "-", str(meta.get("licence") or "unknown").lower()).strip("-")
    lines = ["---", "library_name: genconv_tf"]
    if slug in LICENCES:
        lines += [f"license: {slug}"]
    else:
        # Quoted: a name may look like a number.
        lines += ["license: other", f'license_name: "{slug}"']
        lines += [f"license_link: {LINKS[slug]}"] if slug in LINKS else []
    lines += [f"pipeline_tag: {PIPELINES.get(meta['rank'], 'other')}", "tags:"]
    tags = ("energy-based-model", "langevin-dynamics", f"{KINDS[meta['rank']]}-synthesis", "keras")
    return [*lines, *(f"- {tag}" for tag in tags), "---"]


def _use(meta):
    return ["import genconv_tf as gct", "",
            f'model = gct.GenerativeConvNet.from_preset("{meta["name"]}")',
            "samples = model.sample(4, seed=7)"]  # fmt: skip


def _alone(meta):
    """How a SavedModel is used, with TensorFlow alone."""
    return ["import tensorflow as tf", "",
            'sample = tf.saved_model.load("FOLDER").signatures["sample"]',
            f"size = tf.constant({list(meta['size'])})",
            'media = sample(seed=tf.constant([[7, 0]]), size=size, steps=tf.constant(0))["media"]',
            ]  # fmt: skip


def _settings(settings):
    """Those that are set, as words."""
    return ", ".join(f"{k} {_shown(v)}" for k, v in settings.items() if v is not None)


def _shown(value):
    if isinstance(value, dict):
        return f"({_settings(value)})"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(_shown, value))
        return f"({inside})" if len(value) > 1 else inside
    return str(value)
