"""Aligned images of an object that need no file: `"generated:flower"`.

As `generated`, a random process written down in a few lines, so that a model of it can be judged
against as many fresh examples as one likes, and published.
"""

import numpy as np
from PIL import Image, ImageDraw

COUNT, SMOOTH = 10, 4  # of images; and how many times larger one is drawn, against jagged edges
PETALS = ((208, 62, 96), (232, 168, 44), (146, 88, 190), (226, 222, 214))


def flower(count=COUNT, size=(128, 128), seed=0):
    """Flowers in the middle of leaves: seven petals of one of four colours around a dark eye, each
    flower a little larger, turned and shaded otherwise.

    Returns:
        `(count, height, width, 3)` uint8.
    """
    rng = np.random.default_rng(seed)
    return np.stack([_flower(rng, size, PETALS[i % len(PETALS)]) for i in range(count)])


def _flower(rng, size, colour):
    height, width = (SMOOTH * n for n in size)
    canvas = Image.new("RGB", (width, height), (38, 62, 30))
    draw = ImageDraw.Draw(canvas)
    for _ in range(60):
        green = (rng.uniform(0.6, 1.5) * np.array([44, 82, 34])).astype(int).tolist()
        base, angle = rng.uniform(0, (width, height)), rng.uniform(0, 2 * np.pi)
        _leaf(draw, base, angle, width * rng.uniform(0.1, 0.25), 0.3, green)
    turn, radius = rng.uniform(-0.2, 0.2), min(width, height) * rng.uniform(0.36, 0.44)
    middle = np.array([width, height]) / 2
    for petal in range(7):
        angle = turn + 2 * np.pi * petal / 7
        shade = np.clip(np.array(colour) * rng.uniform(0.8, 1.1), 0, 255).astype(int)
        _leaf(draw, middle, angle, radius, 0.5, shade.tolist())
        _leaf(draw, middle, angle, 0.6 * radius, 0.25, (0.8 * shade).astype(int).tolist())
    eye = 0.28 * radius
    draw.ellipse([*(middle - eye), *(middle + eye)], fill=(72, 46, 20))
    for angle in np.arange(0, 2 * np.pi, np.pi / 8) + turn:
        at = middle + 0.7 * eye * np.array([np.cos(angle), np.sin(angle)])
        draw.ellipse([*(at - 0.13 * eye), *(at + 0.13 * eye)], fill=(214, 170, 60))
    return np.asarray(canvas.resize((size[1], size[0]), Image.Resampling.BOX))


def _leaf(draw, base, angle, length, breadth, colour):
    """A lens from `base` towards `angle`, its greatest width that fraction of its length."""
    t = np.linspace(0, 1, 20)
    along, across = length * t, 0.5 * breadth * length * np.sin(np.pi * t)
    edge = np.concatenate([np.stack([along, across], 1), np.stack([along, -across], 1)[::-1]])
    turned = edge @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    draw.polygon([tuple(point) for point in turned + base], fill=tuple(colour))


IMAGES = {"flower": flower}
