"""Model cards: what a preset is, how it was learned, how it is sampled, and how it looks."""

import numpy as np

from genconv_tf.data.decode import write_image
from genconv_tf.data.media import KINDS, picture, write_moving

EXEMPLAR, SAMPLES = "exemplar.png", "samples.png"


def metadata(model, name, facts, hashes):
    """The machine-readable part of a card."""
    config = model.get_config()
    return {
        "name": name,
        "rank": model.rank,
        "channels": model.channels,
        "size": model.media_size,
        "receptive_field": model.finest.network.receptive_field(),
        "least_size": model.least_size,
        "weights": model.count_params(),
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


def render(model, meta, media):
    """The card itself, Markdown with front matter, of the files that `write_media` wrote."""
    lines = ["---", "library_name: genconv_tf", f"license: {meta.get('licence', 'unknown')}"]
    lines += [
        f"tags: [energy-based-model, {KINDS[model.rank]}-synthesis, keras]",
        "---",
        "",
        f"# {meta['name']}",
    ]
    if meta.get("summary"):
        lines += ["", meta["summary"]]
    if media:
        marks = [
            (f"{'!' * name.endswith('.png')}[{name.partition('.')[0]}]({name})") for name in media
        ]
        lines += ["", *marks]
    lines += ["", "```python", "import genconv_tf as gct", ""]
    lines += [f'model = gct.GenerativeConvNet.from_preset("{meta["name"]}")']
    lines += ["samples = model.sample(4, seed=7)", "```", ""]
    facts = [(k.replace("_", " "), meta[k]) for k in ("source", "licence", "recipe", "command")
             if meta.get(k)]  # fmt: skip
    lines += [f"- {key}: {value}" for key, value in facts]
    lines += [f"- weights: {meta['weights']}, of {len(model.levels)} levels"]
    lines += [f"- receptive field of the finest level: {tuple(meta['receptive_field'])}"]
    sampler = {k: v for k, v in meta["sampler"].items() if v is not None}
    lines += [f"- sampling: {', '.join(f'{k} {v}' for k, v in sampler.items())}"]
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
