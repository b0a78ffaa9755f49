"""How well a model recovers hidden squares of images, beside methods that know no images (FRAME
Table 2)."""

import numpy as np

from genconv_tf import inpainting
from genconv_tf.evaluation import figure

OURS, MEAN = "model", "model-mean"
DRAWS = 16  # samples of a mean


def masks(count, size, side, seed=0):
    """One square of `side` at a random place of each image: `(count, *size)` float32, 1 inside."""
    if not 1 <= side < min(size):
        raise ValueError(f"Expected a square of less than {min(size)} pixels. Received: {side}")
    rng, result = np.random.default_rng(seed), np.zeros((count, *size), np.float32)
    for mask in result:
        top, left = (rng.integers(n - side + 1) for n in size)
        mask[top : top + side, left : left + side] = 1
    return result


def expected(model, media, mask, draws=DRAWS, seed=0, steps=0, first=0):
    """The mean of several samples of the hidden part, an estimate of its expectation given the
    rest: of all answers that with the least squared error, where one sample has twice as much.

    Args:
        model, media, mask, seed, steps: as `model.recover`.
        draws: number of samples.
        first: number of the first of these means among those of the seed.

    Returns:
        NumPy array like `media`.
    """
    if draws < 1:
        raise ValueError(f"Expected one sample at least. Received: draws={draws}")
    media, mask = (np.repeat(each, draws, 0) for each in (media, mask))
    each = model.recover(media, mask, seed, steps, first * draws)
    mean = each.reshape(-1, draws, *media.shape[1:]).mean(1)
    return (np.round(mean) if each.dtype == np.uint8 else mean).astype(each.dtype)


def compare(model, images, side, seed=0, methods=None, draws=DRAWS):
    """Errors of the model and of every baseline on the same squares.

    Args:
        model: a `GenerativeConvNet` or a SavedModel of one: what has `recover`.
        images: `(count, height, width, channels)` uint8 that the model has not learned from.
        side: of the square hidden in each.
        seed: of its place, and of the model's samples.
        methods: as `inpainting.METHODS`, all of them by default.
        draws: samples of the model's mean.

    Returns:
        (errors, recovered, masks): dict of method to its errors, mean absolute differences of the
        hidden pixels in [0, 1], one an image, the model by one sample and by the mean of several;
        the images of these two; the masks.
    """
    hidden = masks(len(images), images.shape[1:3], side, seed)
    # What is under a mask is not the model's to see.
    given = np.where(hidden[..., None] > 0, 0, images).astype(images.dtype)
    made = {
        OURS: model.recover(given, hidden, seed=seed),
        MEAN: expected(model, given, hidden, draws, seed),
    }
    errors = {name: [inpainting.recovery_error(*three) for three in zip(images, each, hidden)]
              for name, each in made.items()}  # fmt: skip
    errors |= inpainting.compare(images, hidden, methods or inpainting.METHODS)
    return errors, made, hidden


def figures(errors):
    """The mean error of every method, how many times it is that of the model's mean, and how much
    larger (`behind`), of the same squares; each with its standard error, `None` of one image."""
    ours = np.asarray(errors[MEAN])
    return {
        name: {
            **figure(np.mean(each), ours.mean()),
            "error": _standard_error(each),
            "behind": {"value": float(np.mean(each - ours)), "error": _standard_error(each - ours)},
        }
        for name, each in errors.items()
    }


def _standard_error(values):
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
