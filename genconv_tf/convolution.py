"""One convolution for signals with one, two or three spatial axes: sounds, images, videos.

Tensors are channels-last, ``(batch, *spatial, channels)``; the number of spatial axes is the rank.
Boundaries are a matter of padding, strides a matter of folding; what remains is always a plain
``valid`` convolution.
"""

import math

import tensorflow as tf

from genconv_tf.convolution_gradient import FORMATS, convolve_valid, plain

BOUNDARIES = ("valid", "same", "torus")

# A strided convolution of a few channels (the pixels of an image) keeps the matrix units of a CPU
# mostly idle. Above this many input channels it is efficient as it stands.
_FOLD_BELOW_CHANNELS = 16


def convolve(x, kernel, strides, boundary="valid", padding=0, covering=False):
    """Convolve `x` with `kernel` (in the ConvNet sense: a correlation).

    Args:
        x: `(batch, *spatial, channels)`.
        kernel: `(*size, channels, filters)`, of the dtype of `x`.
        strides: one int per spatial axis.
        boundary: `"valid"` keeps the positions where the kernel fits, `"same"` pads with zeros and
            `"torus"` with the opposite side, both so that every axis of length n gives
            ceil(n / stride) positions: `1234` under a kernel of 3 is `012340` or `412341`. One
            word for all axes, or one for each.
        padding: zeros added to both ends of every `"valid"` axis.
        covering: whether the kernel is as long as some axis.

    Returns:
        `(batch, *positions, filters)`.
    """
    size = tuple(kernel.shape[:-2])
    x = extended(x, size, strides, boundary, padding)
    if tuple(x.shape[2:-1]) == size[1:] and len(size) > 1:
        return _convolve_whole(x, kernel, strides[0])
    if max(strides) > 1 and x.shape[-1] < _FOLD_BELOW_CHANNELS:
        x, kernel = fold(x, kernel, strides)
        strides = (1,) * len(size)
    return plain(x, kernel, strides) if covering else convolve_valid(x, kernel, strides)


def operate(x, layer, boundary="valid"):
    """What a `Layer` of an operation gives, at every position of `x` `(batch, *spatial, channels)`:
    `(batch, *positions, channels)`, or `bins` times as many channels, those of one map together."""
    if layer.operation == "absolute":
        return tf.abs(x)
    if layer.operation == "bins":
        width = 2 * layer.span / layer.bins
        centres = [-layer.span + width * (b + 0.5) for b in range(layer.bins)]
        # The outermost bins hold all that lies beyond them.
        inside = tf.clip_by_value(x, *(tf.cast(c, x.dtype) for c in (centres[0], centres[-1])))
        share = 1 - tf.abs(inside[..., None] - tf.constant(centres, x.dtype)) / width
        maps = x.shape[-1] * layer.bins
        return tf.reshape(tf.nn.relu(share), tf.concat([tf.shape(x)[:-1], [maps]], 0))
    rank = x.shape.rank - 2
    kernels, strides = layer.kernels(rank), layer.strides(rank)
    whole = [axis for axis, k in enumerate(kernels, start=1) if k == "full"]
    if whole:  # of any length, which pooling has to know
        reduce = {"max": tf.reduce_max, "average": tf.reduce_mean}[layer.operation]
        x = reduce(x, whole, keepdims=True)
    size = [1 if k == "full" else k for k in kernels]
    if max(size) == max(strides) == 1:
        return x
    x = extended(x, size, strides, boundary, layer.padding)
    kind = {"max": "MAX", "average": "AVG"}[layer.operation]
    return tf.nn.pool(x, size, kind, strides, "VALID", FORMATS[rank - 1])


def extended(x, size, strides, boundary, padding):
    """`x` with what its `boundary` puts beyond the ends of every axis."""
    if isinstance(boundary, str):
        boundary = (boundary,) * len(size)
    widths = [
        (padding, padding) if b == "valid" else _widths(n, k, s)
        for n, k, s, b in zip(_spatial(x), size, strides, boundary, strict=True)
    ]
    torus = [b == "torus" for b in boundary]
    x = _zeros(x, [(0, 0) if t else w for w, t in zip(widths, torus)])
    return wrap(x, [w if t else (0, 0) for w, t in zip(widths, torus)])


def _convolve_whole(x, kernel, stride):
    """A valid convolution whose kernel covers every axis but perhaps the first: as one of a single
    axis many times faster than with one position along each of the others."""
    taps, filters, rank = kernel.shape[0], kernel.shape[-1], len(kernel.shape) - 2
    batch, length = tf.shape(x)[0], _spatial(x)[0]
    size = math.prod(kernel.shape[1:-1])
    x, kernel = tf.reshape(x, [batch, length, size]), tf.reshape(kernel, [taps, size, filters])
    h = plain(x, kernel, [stride])
    return tf.reshape(h, [batch, tf.shape(h)[1], *[1] * (rank - 1), filters])


def fold(x, kernel, strides):
    """Trade the strides of a valid convolution for channels.

    A block of `stride` neighbours becomes the channels of one position, of the signal and of the
    kernel alike. The result of a convolution of stride 1 is then the same, at a fraction of the
    time: the paper's 15x15 filters with stride 3 become 5x5 filters over 27 channels.
    """
    size, channels = tuple(kernel.shape[:-2]), kernel.shape[-2]
    blocks = [-(-k // s) for k, s in zip(size, strides, strict=True)]
    counts = [(n - k) // s + b for n, k, s, b in zip(_spatial(x), size, strides, blocks)]
    lengths = [c * s for c, s in zip(counts, strides)]
    x = _zeros(x, [(0, s - 1) for s in strides])
    x = tf.slice(x, [0] * (len(size) + 2), [-1, *lengths, -1])
    grown = [(0, b * s - k) for b, s, k in zip(blocks, strides, size)]
    kernel = tf.pad(kernel, [*grown, (0, 0), (0, 0)])
    folded = channels
    for s in strides:
        folded *= s
    x = tf.reshape(_fold_axes(x, counts, strides, lead=1), [tf.shape(x)[0], *counts, folded])
    kernel = tf.reshape(_fold_axes(kernel, blocks, strides, lead=0), [*blocks, folded, -1])
    return x, kernel


def positions(length, size, stride, boundary, padding=0):
    """Number of positions of a kernel of `size` along an axis of `length`."""
    if boundary == "valid":
        return (length + 2 * padding - size) // stride + 1
    return -(-length // stride)


def wrapped_before(size, stride):
    """Samples that a torus of a multiple of `stride` puts before its first one."""
    return _widths(stride, size, stride)[0]


def _fold_axes(x, counts, strides, lead):
    """Split every spatial axis into (count, stride) and move the strides behind the counts."""
    rank = len(counts)
    split = [n for pair in zip(counts, strides) for n in pair]
    shape = tf.shape(x)
    x = tf.reshape(x, [*tf.unstack(shape)[:lead], *split, *tf.unstack(shape)[lead + rank :]])
    outer = [lead + 2 * i for i in range(rank)]
    inner = [lead + 2 * i + 1 for i in range(rank)]
    rest = range(lead + 2 * rank, x.shape.rank)
    return tf.transpose(x, [*range(lead), *outer, *inner, *rest])


def _spatial(x):
    """Lengths of the spatial axes: ints where they are known, scalar tensors elsewhere."""
    dynamic = tf.shape(x)
    return [n if n is not None else dynamic[i] for i, n in enumerate(x.shape)][1:-1]


def _widths(length, size, stride):
    total = (-(-length // stride) - 1) * stride + size - length
    total = max(total, 0) if isinstance(total, int) else tf.maximum(total, 0)
    return total // 2, total - total // 2


def _zeros(x, widths):
    if all(isinstance(w, int) and w == 0 for pair in widths for w in pair):
        return x
    return tf.pad(x, [(0, 0), *widths, (0, 0)])


def wrap(x, widths):
    """`x` continued beyond both ends of its spatial axes by (before, after) of the other side."""
    for axis, (before, after) in enumerate(widths, start=1):
        if isinstance(after, int) and before == after == 0:
            continue
        length = x.shape[axis] or tf.shape(x)[axis]
        head, tail = [0] * x.shape.rank, [-1] * x.shape.rank
        head[axis], tail[axis] = length - before, before
        left = tf.slice(x, head, tail)
        head[axis], tail[axis] = 0, after
        x = tf.concat([left, x, tf.slice(x, head, tail)], axis)
    return x
