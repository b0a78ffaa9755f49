"""Textures that need no file, such as `"generated:leaves"`: stationary random processes, in colour.

As `generated`, so that a model can be judged against as many fresh examples as one likes, and be
published. All lengths are in pixels. Each returns `(height, width, 3)` uint8, or as many images as
`count` asks for with one axis more in front.
"""

import functools

import numpy as np
from PIL import Image, ImageDraw

from genconv_tf.data.random_fields import cloud, coloured_by, frequencies, standardised

# Of a scale: radius, brightness, how far below the middle.
RINGS = ((1.0, 0.3, 0.0), (0.92, 0.75, 0.0), (0.74, 1.0, 0.06), (0.5, 1.2, 0.16), (0.26, 1.5, 0.26))
SMOOTH = 3  # how many times larger a drawing is made, against jagged edges


def _textures(make):
    """`make(rng, size)` as a generator of one image or several."""

    @functools.wraps(make)
    def several(count=None, size=(256, 256), seed=0):
        made = [make(np.random.default_rng((seed, i)), size) for i in range(count or 1)]
        return np.stack(made) if count else made[0]

    return several


@_textures
def leaves(rng, size):
    """Fallen leaves one on another: the dead-leaves model (G. Matheron, 1968), of lenses with a
    midrib in the colours of autumn."""
    palette = np.array([(172, 66, 26), (206, 120, 34), (150, 104, 48), (110, 52, 26),
                        (196, 160, 62), (92, 92, 40)])  # fmt: skip
    canvas, draw = _canvas(size, (60, 40, 24))
    count = round(18 * size[0] * size[1] / 24**2)
    for _ in range(count):
        colour = _shaded(rng, palette[rng.integers(len(palette))], 0.75, 1.2)
        base = rng.uniform(-24, np.array(size[::-1]) + 24)
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(20, 30)
        _draw_leaf(draw, base, angle, length, 0.46 * length, colour)
    return _finished(canvas, size)


def _draw_leaf(draw, base, angle, length, breadth, colour):
    """A lens with a light midrib and a dark edge, from `base` towards `angle`."""
    t = np.linspace(0, 1, 16)
    half = 0.5 * breadth * np.sin(np.pi * t) ** 0.8
    edge = np.concatenate([np.stack([length * t, half], 1), np.stack([length * t, -half], 1)[::-1]])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    place = [tuple(point) for point in SMOOTH * (edge @ turn + base)]
    draw.polygon(place, fill=tuple(colour), outline=tuple((0.45 * colour).astype(int)))
    rib = SMOOTH * (np.array([[0, 0], [0.95 * length, 0]]) @ turn + base)
    light = np.minimum(1.3 * colour + 12, 255).astype(int)
    draw.line([tuple(point) for point in rib], fill=tuple(light), width=SMOOTH)


@_textures
def pebbles(rng, size):
    """Pebbles side by side: the cells of relaxed random points, each a dome of its own colour lit
    from the upper left, dark sand between them."""
    points, gap, cell, offset = _cells(rng, size, 22)
    palette = np.array([(150, 144, 136), (112, 104, 98), (176, 164, 146), (132, 98, 78),
                        (84, 88, 94), (206, 200, 190)])  # fmt: skip
    own = palette[rng.integers(len(palette), size=len(points))]
    own = own * rng.uniform(0.85, 1.12, (len(points), 1))
    inside = np.clip((gap - 2.0) / 9.0, 0, 1)[..., None]
    height = inside**0.5
    light = 0.78 - 0.030 * (offset @ np.array([0.8, 0.6]))[..., None]
    speckle = 1 + 0.05 * cloud(rng, size, 0.3)[..., None]
    sand = np.array([58, 50, 42]) * (1 + 0.15 * rng.standard_normal((*size, 1)))
    stone = own[cell] * light * speckle * (0.55 + 0.45 * height)
    edge = np.clip(inside * 5, 0, 1)
    return _pixels(edge * stone + (1 - edge) * sand)


@_textures
def terrazzo(rng, size):
    """Terrazzo: chips of coloured stone, none over another, in light cement."""
    palette = np.array([(188, 92, 66), (52, 72, 84), (226, 178, 92), (122, 146, 132), (86, 64, 58)])
    canvas, draw = _canvas(size, (232, 226, 216))
    taken = np.zeros((0, 3))
    tries = np.array([40, 90, 160, 260]) * size[0] * size[1] // 128**2
    for radius in np.repeat([13, 8.5, 5.5, 3.2], tries):
        at = rng.uniform(0, size[::-1])
        free = np.hypot(*(taken[:, :2] - at).T) > taken[:, 2] + radius + 1
        if not free.all():
            continue
        taken = np.concatenate([taken, [[*at, radius]]])
        turns = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 8)))
        if np.diff([*turns, turns[0] + 2 * np.pi]).max() > 2.2:
            turns = rng.uniform(0, 1) + np.linspace(0, 2 * np.pi, 6)[:-1]
        reach = radius * rng.uniform(0.75, 1.05, (len(turns), 1))
        corners = at + reach * np.stack([np.cos(turns), np.sin(turns)], 1)
        colour = _shaded(rng, palette[rng.integers(len(palette))], 0.9, 1.1)
        draw.polygon([tuple(p) for p in SMOOTH * corners], fill=tuple(colour))
    return _pixels(_finished(canvas, size) + 3 * rng.standard_normal((*size, 1)))


@_textures
def weave(rng, size):
    """Wicker: flat strips over and under each other, each rounded and of its own shade."""
    pitch = 16
    rows, columns = np.mgrid[: size[0], : size[1]]
    y, x = ((axis + 1.2 * cloud(rng, size, 2.0)) / pitch for axis in (rows, columns))
    over = (np.floor(y) + np.floor(x)) % 2 == 0  # a strip that runs along the rows is on top
    across, along = np.where(over, y % 1, x % 1), np.where(over, x % 1, y % 1)
    strip = np.where(over, np.floor(y), 1000 + np.floor(x)).astype(int)
    shade = rng.uniform(0.85, 1.1, 2000)[strip]
    fibre = np.where(over, _streaks(rng, size, 1), _streaks(rng, size, 0))
    bend = (1 - (2 * across - 1) ** 4) * (0.55 + 0.45 * np.sin(np.pi * along) ** 0.7)
    light = np.clip(bend, 0.12, 1) * shade * (1 + 0.06 * fibre)
    return _pixels(np.array([206, 158, 98]) * light[..., None])


@_textures
def dunes(rng, size):
    """Ripples of sand: waves across the wind, 17 pixels long, that fork where they lose step, lit
    low from one side."""
    down, across = frequencies(size, (1, 1))
    angle, radius = np.arctan2(across, down), np.hypot(down, across)
    band = np.exp(-(((radius - 1 / 17) / 0.011) ** 2) - ((angle - 0.35) / 0.3) ** 2)
    noise = np.fft.fft2(rng.standard_normal(size) + 1j * rng.standard_normal(size))
    wave = np.fft.ifft2(noise * band)
    phase = np.angle(wave) + 0.45 * np.sin(np.angle(wave))  # a steep side and a gentle one
    height = np.cos(phase) * np.clip(np.abs(wave) / np.abs(wave).mean(), 0.45, 1.2)
    slope = standardised(np.roll(height, 1, 0) - np.roll(height, -1, 0))
    light = 0.75 * slope + 0.25 * rng.standard_normal(size)
    return coloured_by(light, (112, 74, 44), (206, 162, 110), (252, 226, 178))


@_textures
def coral(rng, size):
    """Brain coral: the winding ridges that noise settles into between a band of waves, 15 pixels
    long, and saturation (a Turing pattern), lit from the upper left."""
    band = np.exp(-(((np.hypot(*frequencies(size, (1, 1))) - 1 / 15) / 0.016) ** 2))
    ridge = rng.standard_normal(size)
    for _ in range(12):
        ridge = np.tanh(2 * standardised(np.fft.ifft2(np.fft.fft2(ridge) * band).real))
    slope = sum(ridge - np.roll(ridge, 1, axis) for axis in (0, 1))
    grain = 0.12 * rng.standard_normal(size)
    light = 0.75 * ridge + 0.8 * standardised(slope) * np.clip(1 + ridge, 0, 1) / 2 + grain
    return coloured_by(light, (92, 38, 40), (206, 112, 88), (250, 214, 178))


@_textures
def marble(rng, size):
    """Marble: dark veins where turbulence crosses zero, in cloudy white."""
    wide, fine = (np.exp(-np.abs(cloud(rng, size, 2.3)) / width) for width in (0.14, 0.06))
    milk = 0.35 * cloud(rng, size, 1.8)
    light = 0.9 + milk - 1.7 * wide - 1.2 * fine
    return coloured_by(light, (46, 58, 66), (196, 200, 198), (250, 248, 242))


@_textures
def camouflage(rng, size):
    """Camouflage: patches of four colours, from two smooth random fields."""
    palette = np.array([(74, 84, 46), (128, 118, 72), (54, 44, 34), (162, 150, 108)])
    patch = (cloud(rng, size, 2.8, least=7) > 0) + 2 * (cloud(rng, size, 2.8, least=7) > 0.3)
    return _pixels(palette[patch] + 4 * rng.standard_normal((*size, 1)))


@_textures
def scales(rng, size):
    """Scales of a fish: rows of discs, each over the row below, shading from blue-green to gold."""
    pitch = 20
    canvas, draw = _canvas(size, (20, 40, 46))
    rows = range(size[0] // (pitch // 2) + 3, -3, -1)
    for row in rows:
        for column in range(-1, size[1] // pitch + 2):
            at = np.array([(column + 0.5 * (row % 2)) * pitch, row * pitch / 2])
            at = at + rng.normal(0, 0.7, 2)
            tint = rng.uniform(0, 1)
            colour = (1 - tint) * np.array([46, 116, 120]) + tint * np.array([92, 160, 130])
            _draw_scale(draw, at, 0.56 * pitch, colour * rng.uniform(0.85, 1.1))
    return _finished(canvas, size)


def _draw_scale(draw, at, radius, colour):
    """Discs within each other: a dark rim, the colour, and a light heart below the middle."""
    for share, light, lower in RINGS:
        middle = at + np.array([0, lower * radius])
        ends = SMOOTH * np.concatenate([middle - share * radius, middle + share * radius])
        draw.ellipse(ends.tolist(), fill=tuple(np.minimum(light * colour, 255).astype(int)))


TEXTURES = {make.__name__: make for make in (leaves, pebbles, terrazzo, weave, dunes, coral,
                                             marble, camouflage, scales)}  # fmt: skip


def _canvas(size, colour):
    canvas = Image.new("RGB", (SMOOTH * size[1], SMOOTH * size[0]), colour)
    return canvas, ImageDraw.Draw(canvas)


def _finished(canvas, size):
    return np.asarray(canvas.resize((size[1], size[0]), Image.Resampling.BOX))


def _pixels(values):
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _shaded(rng, colour, least, most):
    return np.clip(colour * rng.uniform(least, most), 0, 255).astype(int)


def _streaks(rng, size, axis):
    """Gaussian noise of unit variance that is drawn out along an axis."""
    noise = rng.standard_normal(size)
    return standardised(sum(np.roll(noise, shift, axis) for shift in range(9)))


def _cells(rng, size, spacing):
    """Relaxed random points on a torus and, for every pixel, the two nearest of them.

    Returns:
        Points `(count, 2)`; how much farther the second is than the nearest, `(height, width)`; the
        nearest one's index; the offset from it, `(height, width, 2)`.
    """
    size = np.array(size)
    points = rng.uniform(0, size, (max(2, round(size.prod() / spacing**2)), 2))
    grid = np.stack(np.mgrid[: size[0], : size[1]], -1).astype(float)
    for round_ in range(4):
        apart = [_wrapped(grid - point, size) for point in points]
        distance = np.stack([np.hypot(a[..., 0], a[..., 1]) for a in apart])
        cell = distance.argmin(0)
        if round_ < 3:
            points = np.stack([
                (point + apart[i][cell == i].mean(0)) % size if (cell == i).any() else point
                for i, point in enumerate(points)
            ])  # fmt: skip
    two = np.partition(distance, 1, axis=0)
    return points, two[1] - two[0], cell, np.stack(apart)[cell, *np.indices(size)]


def _wrapped(offset, size):
    return (offset + size / 2) % size - size / 2
