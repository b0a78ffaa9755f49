"""How close samples of aligned objects are to the images that they were learned from.

A model of ten images can fail in two ways: its samples may be their average, which is near to all
of them and as sharp as none, or copies of them.
"""

import numpy as np

from genconv_tf import evaluation
from genconv_tf.evaluation import figure

WINDOW = 64  # of the spectrum


def evaluate(observed, samples, vgg=None):
    """Figures of `samples` against `observed`.

    Args:
        observed: `(count, height, width, 3)` in [0, 255], at least two images of at least 64x64.
        samples: list of images of that size.
        vgg: as `evaluation.evaluate` takes it.

    Returns:
        dict of measure to dict of `value`, `self` (the same of each observed image against the
        others) and `ratio`. `nearest`: relative distance of the features, position by position,
        from those of the nearest observed image, with one for `each` sample; a ratio near 0 is a
        copy, far above 1 another object. `spectrum`: mean absolute difference from the mean log
        spectrum, in nepers: large for blurred samples. `copy_ncc`: normalised correlation with the
        most similar observed image. `diversity`: distance between samples over that between
        observed images.
    """
    observed, samples = (np.asarray(batch, np.float32) for batch in (observed, samples))
    if observed.ndim != 4 or len(observed) < 2 or min(observed.shape[1:3]) < WINDOW:
        raise ValueError(f"Expected at least two images of at least {WINDOW}x{WINDOW}. "
                         f"Received: {observed.shape}")  # fmt: skip
    if samples.shape[1:] != observed.shape[1:]:
        raise ValueError(f"Expected samples of {observed.shape[1:]}. Received: {samples.shape[1:]}")
    filters = evaluation.vgg_filters(vgg)
    of_observed = [evaluation.responses(image, filters) for image in observed]
    of_samples = [evaluation.responses(image, filters) for image in samples]
    spectra = [evaluation.log_spectrum(image, WINDOW) for image in observed]
    result = {}

    far = _pairs(of_observed, of_observed, feature_distance)
    each = _pairs(of_samples, of_observed, feature_distance).min(1)
    result["nearest"] = figure(each.mean(), _others(far).min(1).mean())
    result["nearest"]["each"] = [float(value) for value in each]
    own = [np.abs(one - np.mean(spectra[:i] + spectra[i + 1 :], 0)).mean()
           for i, one in enumerate(spectra)]  # fmt: skip
    mean = np.mean(spectra, 0)
    blur = [np.abs(evaluation.log_spectrum(x, WINDOW) - mean).mean() for x in samples]
    result["spectrum"] = figure(np.mean(blur), np.mean(own))
    alike = -_others(_pairs(observed, observed, lambda a, b: -correlation(a, b)))
    result["copy_ncc"] = figure(
        _pairs(samples, observed, correlation).max(1).mean(), alike.max(1).mean()
    )
    if len(samples) > 1:
        apart = _others(_pairs(of_samples, of_samples, feature_distance))
        spread = _others(far)
        own = spread[np.isfinite(spread)].mean()
        value = apart[np.isfinite(apart)].mean() / max(own, 1e-12)
        result["diversity"] = {"value": float(value)}
    return result


def feature_distance(a, b):
    """‖A - B‖ over the mean of their norms, mean over layers."""
    return np.mean([2 * np.linalg.norm(x - y) / (np.linalg.norm(x) + np.linalg.norm(y))
                    for x, y in zip(a, b, strict=True)])  # fmt: skip


def correlation(a, b):
    """Of two images, all channels together, in [-1, 1]; 0 where one of them is flat."""
    a, b = (x.ravel() - x.mean() for x in (a, b))
    return a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12)


def _pairs(rows, columns, measure):
    return np.array([[measure(a, b) for b in columns] for a in rows])


def _others(square):
    """A matrix of distances without those of things to themselves, which become infinite."""
    square = square.astype(np.float64)
    np.fill_diagonal(square, np.inf)
    return square
