"""Halving and doubling of signals of any rank, for the levels of a pyramid."""

import tensorflow as tf

from genconv_tf.graphs import shared_graph
from genconv_tf.parts import by_rows, shape_of, within
from genconv_tf.sizes import lengths


def downsample(x, factor=2):
    """Average blocks of `factor` along every spatial axis; a remainder at the end is dropped.

    Args:
        x: `(batch, *spatial, channels)`.
        factor: int, or one int per spatial axis.
    """
    rank = x.shape.rank - 2
    factor = lengths(factor, rank)
    if max(factor) == 1:
        return x
    return tf.nn.pool(x, factor, "AVG", strides=factor, padding="VALID")


def downsample_to_multiple(x, factor):
    """As `downsample`; an incomplete block at the end averages what it has."""
    missing = [-n % f for n, f in zip(shape_of(x)[1:-1], factor, strict=True)]
    if not any(tf.is_tensor(n) for n in missing) and not any(missing):
        return downsample(x, factor)
    x = downsample(tf.pad(x, [(0, 0), *((0, n) for n in missing), (0, 0)]), factor)
    for axis, (n, f) in enumerate(zip(missing, factor), start=1):
        blocks = tf.range(tf.shape(x)[axis] - 1, -1, -1)
        share = tf.where(blocks == 0, 1 - n / f, 1.0)
        x /= tf.cast(tf.reshape(share, [-1] + [1] * (x.shape.rank - 1 - axis)), x.dtype)
    return x


@shared_graph
def upsample(x, size, torus=True, onto=None):
    """Interpolate `x` cubically (Keys, a = -1/2) to `size` samples per spatial axis.

    Args:
        x: `(batch, *spatial, channels)`.
        size: the new lengths, ints or an int32 tensor of shape `(rank,)`.
        torus: whether the signal goes on at the opposite side, one bool or one for each axis; else
            its edge is repeated.
        onto: signal of the new lengths that the result is added to.
    """
    rank = x.shape.rank - 2
    torus = (torus,) * rank if isinstance(torus, bool) else torus

    def part(begin, end):
        made = _stretch(x, size[0], 1, torus[0], tf.range(begin, end))
        for axis in range(1, rank):
            made = _stretch(made, size[axis], axis + 1, torus[axis], tf.range(size[axis]))
        return made if onto is None else made + onto[:, begin:end]

    batch, channels = shape_of(x)[0], x.shape[-1]
    shape = [batch, *(size[axis] for axis in range(rank)), channels]
    return by_rows(part, shape)


def _stretch(x, new, axis, torus, which):
    """Samples `which` of the `new` ones along an axis."""
    old = tf.shape(x)[axis]
    scale = tf.cast(old, tf.float32) / tf.cast(new, tf.float32)
    # Sample i covers [i, i + 1): its centre lies at (i + 1/2) * scale of the old samples.
    place = (tf.cast(which, tf.float32) + 0.5) * scale - 0.5
    left = tf.floor(place)
    taps = tf.range(-1, 3)
    weights = _keys(tf.abs((place - left)[:, None] - tf.cast(taps, tf.float32)))
    index = within(tf.cast(left, tf.int32)[:, None] + taps, old, torus)
    weight_shape = [-1] + [1] * (x.shape.rank - 1 - axis)
    result = 0.0
    for tap in range(4):
        weight = tf.reshape(weights[:, tap], weight_shape)
        result += weight * tf.gather(x, index[:, tap], axis=axis)
    return result


def _keys(d):
    """Weight of a sample at distance `d` (R. Keys, 1981, with a = -1/2)."""
    near = (1.5 * d - 2.5) * d * d + 1.0
    far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return tf.where(d <= 1.0, near, tf.where(d < 2.0, far, 0.0))
