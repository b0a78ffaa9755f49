"""The natural gradient of a FRAME model, whose f is linear in its weights.

The Hessian of such a log-likelihood is minus the covariance of what the weights weigh (FRAME
appendix A). Filters of a ConvNet respond together, to contrast above all: plain ascent, or ascent
by variances alone (eq. 13), swings along what they share and hardly moves along what tells one from
another. The inverse of the covariance makes the way as long in all directions: S. Amari, "Natural
gradient works efficiently in learning" (Neural Computation, 1998). The data's covariance stands
here for the model's, which is the same at the maximum of the likelihood.
"""

import tensorflow as tf

from genconv_tf import statistics
from genconv_tf.resample import downsample

# What is added to the variance of each response, as a share of it: cells of a few images do not
# tell hundreds of dimensions apart. One that hardly varies counts by this share of the mean.
RIDGE, LEAST = 0.1, 0.01


def check(level):
    """Raise a `ValueError` unless all that a level learns is one weight for each of its bank's
    responses, beside a Gaussian reference."""
    network = level.network
    statistics.check(network)
    for _, spec, *_ in network.learned():
        if spec.filters != 1 or set(spec.kernels(network.rank)) != {1}:
            raise ValueError("Expected layers of one filter of one sample for a natural gradient. "
                             f"Received: {spec.filters}, kernel = {spec.kernel}")  # fmt: skip
    if level.reference.kind != "gaussian":
        raise ValueError("Expected a Gaussian reference for a natural gradient. "
                         f"Received: {level.reference.kind}")  # fmt: skip


def natural_gradient(level, data, gradients):
    """Gradients of a level's weights times the inverse covariance of what they weigh.

    They are scaled to one length, whatever the contrast of the data and however far chains are from
    them, at first a hundred standard deviations: a step changes f of a cell, in its standard
    deviation over the data, by the learning rate times the mean of -log q at a position of the
    data, which f has to make up for. For a learning rate that falls.

    Args:
        level: a `Level` that passes `check`.
        data: `(batch, *spatial, channels)`.
        gradients: one for each trainable weight of the level's network.

    Returns:
        The same, those of kernels changed.
    """
    network = level.network
    kernels = [kernel.path for _, _, kernel, _ in network.learned()]
    of = {w.path: g for g, w in zip(gradients, network.trainable_variables)}
    flat = tf.concat([tf.reshape(of[path], [-1]) for path in kernels], 0)
    root = tf.linalg.cholesky(ridged(covariance(responses_in_cells(network, data))))
    step = tf.linalg.cholesky_solve(root, flat[:, None])[:, 0]
    distance = tf.sqrt(tf.tensordot(flat, step, 1))  # of means, in standard deviations
    positions = tf.cast(tf.reduce_prod(tf.shape(data)[1:-1]), tf.float32)
    energy = tf.reduce_mean(level.reference.energy(data)) / positions
    step *= energy / tf.maximum(distance, 1e-12)
    parts = tf.split(step, [of[path].shape.num_elements() for path in kernels])
    of |= {path: tf.reshape(part, of[path].shape) for path, part in zip(kernels, parts)}
    return [of[w.path] for w in network.trainable_variables]


def responses_in_cells(network, data):
    """What the weights weigh at each place: `(cells, weights)`.

    A cell is a position of the layer that has fewest; of the others it is the mean of those within
    it, the data's edges aside, which they see to different widths.
    """
    maps = statistics.weighed(network, data, network.data_boundary)
    least = [min(lengths) for lengths in zip(*(h.shape[1:-1] for h in maps))]
    cells = []
    for h in maps:
        factor = [n // m for n, m in zip(h.shape[1:-1], least)]
        for axis, (n, m, f) in enumerate(zip(h.shape[1:-1], least, factor), start=1):
            first = (n - m * f) // 2
            h = tf.gather(h, tf.range(first, first + m * f), axis=axis)
        cells.append(tf.reshape(downsample(h, factor), [-1, h.shape[-1]]))
    return tf.concat(cells, 1)


def covariance(cells):
    """Of `(cells, weights)`: `(weights, weights)`."""
    cells -= tf.reduce_mean(cells, 0)
    return tf.matmul(cells, cells, transpose_a=True) / tf.cast(tf.shape(cells)[0], tf.float32)


def ridged(covariance):
    """A covariance that can be inverted, see `RIDGE`."""
    variance = tf.linalg.diag_part(covariance)
    variance += tf.maximum(LEAST * tf.reduce_mean(variance), 1e-12)
    return covariance + RIDGE * tf.linalg.diag(variance)
