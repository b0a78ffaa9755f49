"""What a FRAME model matches as it learns: mean responses of the filters that it stands on."""

import dataclasses

import numpy as np
import tensorflow as tf

from genconv_tf import colouring, pyramid, sizes
from genconv_tf.convolution import extended

# Of a filter that is dead on the data any response is infinitely many standard deviations; it
# counts by this share of the root mean square of the deviations in its layer.
LEAST_DEVIATION = 0.1


@dataclasses.dataclass(frozen=True)
class Observed:
    """What is to be matched at one level.

    Attributes:
        means: of each statistic, as `of_level` gives them, without the axis of the batch.
        deviations: standard deviation of what is averaged, of each channel: `(channels,)`.
        size: lengths of the data at this level.
        spread: root mean square of the data.
        covariance: `colouring.covariance` of the data.
        detail: that of what the level below lacks; `None` at the coarsest.
    """

    means: list
    deviations: list
    size: tuple
    spread: float
    covariance: np.ndarray
    detail: np.ndarray | None = None


def statistics(network, x, boundary=None):
    """What the top weighs: the derivatives of f, per position, by the kernels of its filters.

    Args:
        network: a `ScoringNetwork` on a bank, whose top layers are linear in their weights.
        x: `(batch, *spatial, channels)`.
        boundary: overrides the network's own, as for a call of it.

    Returns:
        For each top layer `(batch, *kernel, channels)` float32, the mean over positions of the
        responses that a filter sees (FRAME eq. 31); along an axis of which the kernel is `"full"`
        those responses themselves (eq. 30). All filters of a layer see the same.

    Raises:
        ValueError: no bank, or a top that is not linear in its weights.
    """
    check(network)
    return [_seen(network, top, r, boundary)
            for top, r in zip(network.tops, weighed(network, x, boundary))]  # fmt: skip


def of_level(level, x, boundary=None):
    """The `statistics` of a level; of a Gaussian reference also ‖x‖² per position, `(batch, 1)`."""
    square = _square(level, x)
    axes = range(1, x.shape.rank - 1)
    return statistics(level.network, x, boundary) + [tf.reduce_mean(s, axes) for s in square]


def observe(model, data):
    """Statistics of data at every level: a list of `Observed`, coarse to fine.

    Args:
        model: a `GenerativeConvNet` on a bank.
        data: `(batch, *spatial, channels)` as the model sees it, or an iterable of such batches of
            one size, such as a `tf.data.Dataset` that ends.

    Raises:
        ValueError: as of `statistics`, or data smaller than a receptive field.
    """
    for level in model.levels:
        check(level.network)
    sums, count, shapes = None, 0, None
    # Image by image: the responses of all of them together may not fit the memory.
    for batch in [data] if hasattr(data, "shape") else data:
        for i in range(len(batch)):
            row = tf.convert_to_tensor(batch[i : i + 1], tf.float32)
            sizes.check_data(model.levels, model.channels, row.shape, model.size)
            levels = pyramid.levels_of(row, model.levels)
            here = [_moments(*each) for each in zip(model.levels, levels, [None, *levels])]
            sums = here if sums is None else tf.nest.map_structure(tf.add, sums, here)
            shapes, count = [tuple(x.shape[1:-1]) for x in levels], count + 1
    if not count:
        raise ValueError("Expected data to observe. Received none")
    return [_observed(*tf.nest.map_structure(lambda s: s / count, each), size)
            for each, size in zip(sums, shapes)]  # fmt: skip


def relative_errors(level, observed, x):
    """How far the statistics of samples are from those observed, filter by filter (FRAME eq. 28).

    Args:
        level: a `Level` of a FRAME model.
        observed: its `Observed`.
        x: samples at this level, `(num, *size, channels)`; their mean is compared.

    Returns:
        Two lists with an array `(filters,)` for each top layer, of the filters that it sees.
        Errors: length, over positions if each has a weight, of the difference, over that of what
        is observed; a filter that responds less than a tenth as strongly as its layer counts as one
        that does. And how large they would be by chance if all were matched, in the root mean
        square, by how the samples differ from one another; of a single one nothing is known, 0.
    """
    rows = [statistics(level.network, x[i : i + 1]) for i in range(len(x))]
    errors, chance = [], []
    for made, expected in zip(zip(*rows), observed.means):
        made = np.concatenate(made)
        made = made.reshape(len(made), -1, made.shape[-1])
        whole = np.linalg.norm(np.reshape(expected, made.shape[1:]), axis=0)
        least = LEAST_DEVIATION * np.sqrt(np.mean(whole**2))
        whole = np.maximum(np.maximum(whole, least), 1e-12)
        off = made.mean(0) - np.reshape(expected, made.shape[1:])
        errors.append(np.linalg.norm(off, axis=0) / whole)
        deviation = made.std(0, ddof=1) if len(made) > 1 else np.zeros_like(off)
        chance.append(np.linalg.norm(deviation, axis=0) / np.sqrt(len(made)) / whole)
    return errors, chance


def check(network):
    """Raise a `ValueError` if there is nothing to match, or f is not linear in what is learned."""
    if getattr(network, "bank", None) is None:
        raise ValueError("Expected a FRAME model, with a bank of given filters. Received: a model "
                         "without one, which has no statistics to match")  # fmt: skip
    if not linear(network):
        relu = [layer.relu for layer in network.own]
        raise ValueError("Expected one layer of filters on the bank, of relu=false, so that f is "
                         f"linear in its weights. Received: relu of {relu}")  # fmt: skip


def linear(network):
    """Whether f is linear in what is learned: an exponential family, which matches statistics."""
    learned = [i for i, *_ in network.learned()]
    return learned == network.tops and not any(network.specs[i].relu for i in learned)


def weighed(network, x, boundary):
    """The responses that each top layer takes, `(batch, *positions, channels)`."""
    return network.responses_of([network.after[top] for top in network.tops], x, boundary)


def _square(level, x):
    """Of a Gaussian reference ‖x‖² at every position, `[(batch, *spatial, 1)]`."""
    gaussian = level.reference.kind == "gaussian"
    return [tf.reduce_sum(tf.square(x), -1, keepdims=True)] if gaussian else []


def _seen(network, top, r, boundary):
    """Mean over the positions of a top layer of what it sees: `(batch, *kernel, channels)`."""
    spec, edges = network.specs[top], network.boundaries_of(network.specs[top], boundary)
    strides = spec.strides(network.rank)
    size = [n if k == "full" else k for n, k in zip(r.shape[1:-1], spec.kernels(network.rank))]
    r = extended(r, size, strides, edges, spec.padding)
    for axis, (k, stride) in enumerate(zip(size, strides), start=1):
        places = r.shape[axis] - k + 1
        if places > 1:
            at = [(slice(None),) * axis + (slice(o, o + places, stride),) for o in range(k)]
            r = tf.stack([tf.reduce_mean(r[each], axis) for each in at], axis)
    return r


def _moments(level, x, below):
    """Statistics of one image; mean and mean square of each response; mean square of x; covariances
    of x and, where there is a level below, of what that lacks."""
    network, edge = level.network, level.network.data_boundary
    averaged = weighed(network, x, edge) + _square(level, x)
    means, squares = (
        [tf.reduce_mean(power(r), range(r.shape.rank - 1)) for r in averaged]
        for power in (tf.identity, tf.square)
    )
    signals = [x] if below is None else [x, colouring.lacking(x, below)]
    spread, covariances = tf.reduce_mean(tf.square(x)), list(map(colouring.covariance, signals))
    return of_level(level, x, edge), means, squares, spread, covariances


def _observed(statistics, means, squares, spread, covariances, size):
    deviations = []
    for mean, square in zip(means, squares):
        variance = tf.maximum(square - tf.square(mean), 0.0)
        least = LEAST_DEVIATION**2 * tf.reduce_mean(variance)
        # Constant data have no deviation at all, and any unit will do.
        deviations.append(tf.sqrt(tf.maximum(variance, least)) if least > 0 else tf.ones_like(mean))
    first = [s[0] for s in statistics]
    return Observed(first, deviations, size, float(spread) ** 0.5, *map(np.asarray, covariances))
