"""How close videos are to their exemplar: frames, change over time, motion, and copies.

Motion is measured without optical flow, which textures such as fire do not have: a pattern that
moves has its power on a plane of the space-time spectrum whose slope is the velocity (E. Adelson
and J. Bergen, "Spatiotemporal energy models for the perception of motion", JOSA A, 1985).
"""

import numpy as np

from genconv_tf import evaluation
from genconv_tf.evaluation import figure

LEAST_FRAMES, LEAST_SIDE = 16, 32
PAIRS = 6  # of frames whose pixels are compared
BLOCK = (8, 24, 24)  # frames, height and width of what is looked for in the exemplar
BLOCKS = 16


def evaluate(exemplar, samples, vgg=None):
    """Figures of `samples` against `exemplar`.

    Args:
        exemplar: `(frames, height, width, 3)` in [0, 255], at least 16x32x32: its two halves in
            time are compared with each other too.
        samples: list of such videos, of 8 frames or more, of any size of at least 32x32.
        vgg: as `evaluation.evaluate` takes it.

    Returns:
        dict of measure to dict of `value`, and of `self` and `ratio` where the halves of the
        exemplar have the measure too. Of the frames: `vgg_gram` (or `random_gram`), `patch_swd` and
        `spectrum`, as of images. Of time: `temporal`, the log power of the pixels by temporal
        frequency, and `motion`, that of the space-time spectrum: mean absolute differences, in
        nepers, smaller is closer. `change`: the difference between successive frames over that of
        the exemplar, and `self`, that of its halves; about 1 is right, about 0 a still, more
        flickers. `copy_ncc`: 1 is verbatim copying; `moving_ncc`: the same of what each video
        differs from its mean frame by, for ground that stands still is the same in every sample.
    """
    exemplar, *samples = (np.asarray(video, np.float32) for video in (exemplar, *samples))
    for what, video in (("exemplar", exemplar), *(("sample", s) for s in samples)):
        least = LEAST_FRAMES if what == "exemplar" else LEAST_FRAMES // 2
        bad = video.ndim != 4 or video.shape[-1] != 3
        if bad or len(video) < least or min(video.shape[1:3]) < LEAST_SIDE:
            raise ValueError(f"Expected an RGB {what} of at least {least} frames of {LEAST_SIDE}x"
                             f"{LEAST_SIDE}. Received: {video.shape}")  # fmt: skip
    half = len(exemplar) // 2
    halves = exemplar[:half], exemplar[half:]
    length = min(half, *(len(sample) for sample in samples))
    length = 2 ** int(np.log2(min(length, 32)))
    side = min(min(video.shape[1:3]) for video in (exemplar, *samples))
    side = 2 ** int(np.log2(min(side, evaluation.LEAST)))
    filters = evaluation.vgg_filters(vgg)
    measures = {
        "random_gram" if vgg is None else "vgg_gram": lambda a, b: evaluation.gram_distance(
            mean_grams(a, filters), mean_grams(b, filters)
        ),
        "patch_swd": frame_distance,
        "spectrum": lambda a, b: np.abs(mean_spectrum(a, side) - mean_spectrum(b, side)).mean(),
        "temporal": lambda a, b: np.abs(
            log_temporal_spectrum(a, length) - log_temporal_spectrum(b, length)
        ).mean(),
        "motion": lambda a, b: np.abs(
            log_motion_spectrum(a, length) - log_motion_spectrum(b, length)
        ).mean(),
    }
    result = {
        name: figure(np.mean([measure(exemplar, s) for s in samples]), measure(*halves))
        for name, measure in measures.items()
    }
    whole = max(change(exemplar), 1e-6)
    result["change"] = {name: float(np.mean([change(video) for video in videos]) / whole)
                        for name, videos in (("value", samples), ("self", halves))}  # fmt: skip
    for name, seen in (("copy_ncc", np.asarray), ("moving_ncc", moving)):
        target, *parts = (seen(video) for video in (exemplar, *halves))
        copied = [evaluation.copy_correlation(seen(s), target, BLOCK, BLOCKS) for s in samples]
        own = evaluation.copy_correlation(*parts, BLOCK, BLOCKS)
        result[name] = figure(np.mean(copied), own)
    return result


def moving(video):
    """What the frames differ from their mean by."""
    return video - video.mean(0)


def mean_grams(video, filters):
    """Gram matrices of every layer, mean over frames; see `evaluation.gram_matrices`."""
    frames = _spread(video, PAIRS)
    each = [evaluation.gram_matrices(frame, filters) for frame in frames]
    return [np.mean(layer, axis=0) for layer in zip(*each, strict=True)]


def mean_spectrum(video, side):
    """Log spectrum in windows of `side` pixels, mean over frames; see `evaluation.log_spectrum`."""
    return np.mean([evaluation.log_spectrum(frame, side) for frame in _spread(video, PAIRS)], 0)


def frame_distance(a, b):
    """Distance of the patches of frames of `a` from those of frames of `b`, mean over pairs."""
    pairs = zip(_spread(a, PAIRS), _spread(b, PAIRS), strict=True)
    return np.mean([evaluation.patch_distance(one, other) for one, other in pairs])


def change(video):
    """Root mean square of the difference between successive frames, in grey levels."""
    return np.sqrt(np.square(np.diff(video, axis=0)).mean(dtype=np.float64))


def log_temporal_spectrum(video, length):
    """Half the log of the power of the pixels at `length // 2` temporal frequencies above zero."""
    power = _power(video.mean(-1), (length,), axes=(0,))
    return 0.5 * np.log1p(power.mean((1, 2)))[1 : length // 2 + 1]


def log_motion_spectrum(video, length):
    """Half the log of the power of windows of `length` frames of 32x32, mean over windows, without
    what does not change: `(length // 2, 32, 32)`."""
    power = _power(video.mean(-1), (length, LEAST_SIDE, LEAST_SIDE), axes=(0, 1, 2))
    smooth = np.mean([np.roll(power, (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)], 0)
    return 0.5 * np.log1p(smooth)[1 : length // 2 + 1]


def _power(grey, lengths, axes):
    """Power spectrum along `axes` of Hann windows of `lengths` that overlap by half, their mean."""
    taper = np.ones([1] * grey.ndim)
    for axis, length in zip(axes, lengths):
        shape = [1] * grey.ndim
        shape[axis] = length
        taper = taper * np.hanning(length + 2)[1:-1].reshape(shape)
    starts = [
        range(0, grey.shape[axis] - length + 1, length // 2) for axis, length in zip(axes, lengths)
    ]
    total, count = 0.0, 0
    for corner in np.stack(np.meshgrid(*starts, indexing="ij"), -1).reshape(-1, len(axes)):
        window = [slice(None)] * grey.ndim
        for axis, start, length in zip(axes, corner, lengths):
            window[axis] = slice(start, start + length)
        part = grey[tuple(window)]
        part = (part - part.mean(axes, keepdims=True)) * taper
        total = total + np.square(np.abs(np.fft.fftn(part, axes=axes)))
        count += 1
    return total / count


def _spread(video, count):
    """`count` frames, from the first to the last."""
    return video[np.linspace(0, len(video) - 1, count).round().astype(int)]
