"""Which model makes which part of a canvas: a picture of the regions as maps of weights."""

import numpy as np
import tensorflow as tf

STRAY = 0.002  # share of a guide's pixels up to which a colour is only the blur of a border


def weights(guide, count, size, soften=4.0):
    """Maps of the weights of `count` models.

    Args:
        guide: labels `(height, width)`, integers from 0; or an image `(height, width, 3)` uint8.
            Two models and only greys: from black, the first model, to white, the second, with what
            lies between mixing the two. Else a colour for each model, in the order in which they
            appear, row by row from the top left; other colours, of a few pixels where two regions
            meet, count as the nearest of these.
        count: of the models.
        size: height and width of the maps.
        soften: standard deviation, in pixels of `size`, of the Gaussian that borders are softened
            by. Like the canvas itself a guide goes on at its opposite side.

    Returns:
        `(count, height, width)` float64, at each place not negative and together 1.
    """
    guide = np.asarray(guide)
    if guide.ndim == 2:
        if (
            not np.issubdtype(guide.dtype, np.integer)
            or not 0 <= guide.min() <= guide.max() < count
        ):
            raise ValueError(f"Expected labels from 0 to {count - 1}. Received: {guide.dtype} from "
                             f"{guide.min()} to {guide.max()}")  # fmt: skip
        maps = np.stack([guide == i for i in range(count)]).astype(np.float64)
    elif guide.ndim == 3 and guide.shape[-1] == 3:
        if count == 2 and np.ptp(guide.astype(int), axis=-1).max() == 0:
            white = guide[..., 0] / 255.0
            maps = np.stack([1 - white, white])
        else:
            nearest = np.argmin(_distances(guide, colours(guide, count)), 0)
            maps = np.stack([nearest == i for i in range(count)]).astype(np.float64)
    else:
        raise ValueError(f"Expected a guide of (height, width, 3), or labels. "
                         f"Received: {guide.shape}")  # fmt: skip
    maps = tf.image.resize(maps[..., None], size, antialias=True)[..., 0].numpy()
    maps = np.maximum(_blurred(maps.astype(np.float64), soften), 0)
    return maps / maps.sum(0)


def colours(image, count):
    """The `count` colours of a guide, `(count, 3)`, in the order of their first appearance."""
    flat = image.reshape(-1, 3)
    each, first, number = np.unique(flat, axis=0, return_index=True, return_counts=True)
    large = number > STRAY * len(flat)
    if large.sum() != count:
        raise ValueError(f"Expected a guide of {count} colours, one for each model. "
                         f"Received: {large.sum()}")  # fmt: skip
    return each[large][np.argsort(first[large])]


def _distances(image, palette):
    """Squared distance of every pixel to every colour: `(colours, height, width)`."""
    return np.stack([np.square(image.astype(int) - c.astype(int)).sum(-1) for c in palette])


def _blurred(maps, std):
    """Convolved with a Gaussian on a torus, along the two last axes."""
    for axis in (-2, -1):
        frequency = np.fft.rfftfreq(maps.shape[axis])
        gain = np.exp(-2 * np.square(np.pi * std * frequency))
        gain = gain.reshape([-1, 1] if axis == -2 else [-1])
        spectrum = np.fft.rfft(maps, axis=axis) * gain
        maps = np.fft.irfft(spectrum, maps.shape[axis], axis=axis)
    return maps
