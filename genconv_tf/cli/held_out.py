"""What an experiment says of images that its model has not learned from (FRAME Tables 1 and 2)."""

import numpy as np

from genconv_tf import detection, files, inpainting, recovery
from genconv_tf.card import sheet
from genconv_tf.data.decode import write_image
from genconv_tf.data.images import images

SHOWN = 8  # images of a sheet
PLACES = 5  # squares hidden in each image, one at a time


def check(options, size):
    """Raise a `ValueError` now for what would stop the comparisons after hours of learning.

    Args:
        options: `others`, `held_out` and `hide`, as of `genconv experiment`.
        size: lengths of what the model learns from.
    """
    if (options.others or options.held_out) and len(size) != 2:
        raise ValueError("Expected a model of images with --others and --held-out. "
                         f"Received: one of {len(size)} axes")  # fmt: skip
    for source in filter(None, (options.others, options.held_out)):
        if images(source, size, crop="resize").element_spec.shape[0] < 2:
            raise ValueError(f"Expected two images or more to compare with. Received: {source}")
    if options.held_out:
        for side in options.hide:
            recovery.masks(1, size, side)
        inpainting.check_installed()


def load(model, source):
    """The images of a folder as the model sees them: `(count, *size, channels)` float32."""
    data = images(source, model.size, crop="resize")
    media = np.concatenate([data.preprocessing.decode(x).numpy() for x in data])
    return model.preprocessing.encode(media)


def scores(folder, model, x, others, source=None):
    """Write scores.json, f and log p of what was learned from, of images of a `source` that was
    held out, and of others, and return its lines."""
    groups = {"learned": x} | ({"held out": load(model, source)} if source else {})
    others, tables = load(model, others), {}
    lines = ["Scores of images (FRAME Table 1): f, and log p = f + log q up to a constant. "
             "Area: that under the ROC curve which tells them from the others.", "",
             "| | mean | standard deviation | area |", "|---|---|---|---|"]  # fmt: skip
    for score, f in (("f", model.score), ("log p", lambda x: -model.energy(x))):
        tables[score] = detection.separation(f, groups, others)
        for name, each in tables[score].items():
            # Of one image there is no spread.
            spread = "" if each["std"] is None else f"{each['std']:.4g}"
            area = f"{each['auc']:.4f}" if "auc" in each else ""
            lines.append(f"| {score}, {name} | {each['mean']:.4g} | {spread} | {area} |")
    files.write_json(folder / "scores.json", tables)
    return [*lines, ""]


def recoveries(folder, model, source, sides, seed):
    """Write recovery.json and pictures of what was recovered, and return lines of a table."""
    images = model.preprocessing.decode(load(model, source)).numpy()
    media, tables = np.concatenate([images] * PLACES), {}
    for side in sides:
        errors, made, hidden = recovery.compare(model, media, side, seed)
        # An image's error is the mean over its squares: images are what was drawn independently.
        errors = {name: np.reshape(each, (PLACES, -1)).mean(0) for name, each in errors.items()}
        tables[f"M{side}"] = recovery.figures(errors)
        masked = np.where(hidden[..., None] > 0, np.uint8(255), media)
        shown = min(SHOWN, len(images))
        rows = np.concatenate([batch[:shown] for batch in (media, masked, *made.values())])
        write_image(folder / f"recovered_{side}.png", sheet(rows, shown))
    files.write_json(folder / "recovery.json", tables)
    lines = [
        f"Mean absolute error of hidden squares, {PLACES} places in each image, pixels in [0, 1], "
        "and its standard error over images (FRAME Table 2); behind: how much more than that of "
        "the mean of the model's samples, on the same squares:",
        "",
        "| | " + " | ".join(f"{name} | behind" for name in tables) + " |",
        "|---" * (2 * len(tables) + 1) + "|",
    ]
    for name in next(iter(tables.values())):
        cells = [f"{each['value']:.4f} ± {each['error']:.4f}"
                 for t in tables.values() for each in (t[name], t[name]["behind"])]  # fmt: skip
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, "", "The images, what was hidden, a sample of it, the mean of several:", "",
            *(f"![squares of {side}](recovered_{side}.png)\n" for side in sides)]  # fmt: skip
