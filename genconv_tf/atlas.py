"""An atlas of a layer: the texture that each of its filters extracts, on one page."""

import html

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from genconv_tf import files
from genconv_tf.card import sheet
from genconv_tf.data.decode import write_image
from genconv_tf.inversion import invert, noise_image, one_filter

FIGURES = "figures.json"
COLUMNS, LABEL = 16, 12  # of the sheet: tiles in a row, pixels of the number above each
CELLS, WIDEST = 17, 272  # of each chroma axis, for counting colours; grey is the middle cell


def textures(features, image, filters=None, steps=150, batch=16, seed=0, progress=None):
    """Invert the code of an image with all its energy in one filter, for each filter.

    Args:
        features: a `Features`.
        image: `(height, width, 3)` in [0, 255].
        filters: which; all by default.
        steps: of each inversion, at most.
        batch: inversions at a time.
        seed: of the noise that they start from.
        progress: called with the number of filters that are done.

    Returns:
        dict of filter to `(height, width, 3)` uint8. A filter that is dead on the image is missing.
    """
    code = features(tf.constant(image[None], tf.float32))[0].numpy()
    filters = range(code.shape[-1]) if filters is None else filters
    living = [k for k in filters if code[..., k].any()]
    made = {}
    for first in range(0, len(living), batch):
        some = living[first : first + batch]
        moved = np.stack([one_filter(code, k, features.layer) for k in some])
        # All filters start from the same noise, so that a texture does not depend on its batch.
        start = tf.repeat(noise_image(1, image.shape[:2], seed), len(some), 0)
        images, _ = invert(features, moved, image.shape[:2], steps, start=start)
        made.update(zip(some, images))
        if progress:
            progress(len(made))
    return made


def write(folder, layer, made, count):
    """Write a layer's page: every texture as a PNG, a sheet of them, `index.html`, figures.

    Args:
        folder: where to.
        layer: its name.
        made: dict of filter to image, as `textures` gives.
        count: number of filters of the layer, dead ones included.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / FIGURES).is_file():  # another atlas was here, of other filters
        for old in folder.glob("[0-9][0-9][0-9][0-9].png"):
            old.unlink()
    for k, image in made.items():
        write_image(folder / f"{k:04d}.png", image)
    tiles = [labelled(k, image) for k, image in made.items()]
    write_image(folder / "sheet.png", sheet(tiles, min(COLUMNS, len(tiles))))
    figures = {"layer": layer, "filters": count, "shown": len(made), **summary(made.values())}
    files.write_json(folder / FIGURES, figures)
    title = html.escape(f"{layer}: what each filter extracts")
    cells = "".join(
        f'<figure><img src="{k:04d}.png" alt="texture of filter {k}" loading="lazy">'
        f"<figcaption>{k}</figcaption></figure>"
        for k in made
    )
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><style>body{font:14px sans-serif;'
        "margin:1em}main{display:grid;gap:6px;grid-template-columns:repeat(auto-fill,minmax(96px,"
        "1fr))}figure{margin:0}img{width:100%}figcaption{text-align:center}</style>"
        f"<h1>{title}</h1><p>{len(made)} of {count} filters respond to the image. Median number of "
        f"colours {figures['colours']:.1f}, median size of structures {figures['structure']:.1f} "
        f"pixels.</p><main>{cells}</main></html>"
    )
    files.write_text(folder / "index.html", page)


def labelled(k, image):
    """The texture of filter `k` under its number: `(height, width, 3)` uint8."""
    height, width = image.shape[:2]
    tile = Image.new("RGB", (width, height + LABEL), "white")
    ImageDraw.Draw(tile).text((0, 0), str(k), fill="black")
    tile.paste(Image.fromarray(image), (0, LABEL))
    return np.asarray(tile)


def summary(images):
    """Medians over textures of how many colours they have and how large their structures are."""
    images = list(images)
    return {
        "colours": float(np.median([colours(image) for image in images])),
        "structure": float(np.median([structure(image) for image in images])),
    }


def colours(image):
    """Number of colours: the exponential of the entropy of the two chroma axes in cells of 32 grey
    levels. A grey image has one."""
    rgb = image.reshape(-1, 3).astype(np.float64)
    chroma = np.stack([rgb[:, 0] - rgb[:, 1], (rgb[:, 0] + rgb[:, 1]) / 2 - rgb[:, 2]])
    cells = np.histogram2d(*chroma, bins=CELLS, range=[(-WIDEST, WIDEST)] * 2)[0]
    share = cells[cells > 0] / cells.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def structure(image):
    """Size of structures in pixels: the wavelength at the mean frequency of the power spectrum of
    its luminance."""
    grey = image.mean(-1)
    window = np.outer(np.hanning(grey.shape[0]), np.hanning(grey.shape[1]))
    power = np.square(np.abs(np.fft.fft2((grey - grey.mean()) * window)))
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in grey.shape), indexing="ij"))
    return float(power.sum() / max((power * frequency).sum(), 1e-12))
