"""A convolution and its gradients, where those that TensorFlow has are slow.

A Langevin step is a convolution up and one down each layer. Where TensorFlow has its convolutions
from oneDNN, both take the same time. Elsewhere (processors with AVX2 alone, Macs) those of Eigen go
up at the speed of a matrix product and down at a third of it. So there they go down as they go up.
Over three axes the gradient of a kernel takes Eigen over twenty times as long as the convolution; a
matrix product for each tap does not. And Eigen gathers what a filter sees channels by channels,
which is slow where these are few: 5x5x5 filters over 3 of them take 1.7 times as long, up and down,
as 5x5x1 over the 15 that are the same signal shifted by the place of each tap.
"""

import functools
import itertools

import tensorflow as tf

FORMATS = ("NWC", "NHWC", "NDHWC")  # TensorFlow's names of one to three spatial axes

# A convolution to fewer channels, by the rank of its kernel, is no matrix product worth the name.
_FEW = {3: 32, 4: 32, 5: 9}


def convolve_valid(x, kernel, strides=None):
    """A valid convolution, with the faster gradient that this machine has for it.

    Args:
        x: `(batch, *spatial, channels)`.
        kernel: `(*size, channels, filters)`, of the dtype of `x`.
        strides: one int per spatial axis; 1 by default.
    """
    if max(strides or [1]) > 1 or has_fast_gradient():
        return plain(x, kernel, strides)
    if kernel.shape.rank == 5 and not _goes_down_as_up(kernel):
        *size, taps, channels, filters = kernel.shape
        x, kernel = _shifted(x, taps), tf.reshape(kernel, [*size, 1, taps * channels, filters])
    # Run eagerly, a gradient of our own would take that of the weights where none is asked for.
    if tf.executing_eagerly() or not (_goes_down_as_up(kernel) or _is_by_taps(kernel)):
        return plain(x, kernel)
    return with_gradient(x, kernel)


def plain(x, kernel, strides=None):
    """A valid convolution with the gradient that TensorFlow has for it; arguments as of
    `convolve_valid`."""
    # Without the name of its format the eager gradient of a 3-D convolution fails (TF 2.21).
    form = FORMATS[kernel.shape.rank - 3]
    return tf.nn.convolution(x, kernel, strides, "VALID", data_format=form)


@tf.custom_gradient
def with_gradient(x, kernel):
    """A valid convolution of stride 1 with gradients of its own, as far as they are faster."""

    def gradient(upstream):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = plain(x, kernel)
        of_x, of_kernel = tape.gradient(y, [x, kernel], upstream)
        if _goes_down_as_up(kernel):
            of_x = _gradient_of_x(kernel, upstream)
        if _is_by_taps(kernel):
            of_kernel = _gradient_of_kernel(x, upstream, kernel.shape)
        return of_x, of_kernel

    return plain(x, kernel), gradient


def _goes_down_as_up(kernel):
    return kernel.shape[-2] >= _FEW[kernel.shape.rank]


def _is_by_taps(kernel):
    return kernel.shape.rank == 5


@functools.cache
def has_fast_gradient():
    """Whether TensorFlow's own gradient of a convolution is as fast as the convolution."""
    if tf.config.list_physical_devices("GPU"):
        return True
    try:  # There is no public way to ask whether it has oneDNN.
        from tensorflow.python.util import _pywrap_util_port

        return _pywrap_util_port.IsMklEnabled()
    except (ImportError, AttributeError):
        return True


def _gradient_of_x(kernel, upstream):
    """Every position hands its gradient down through the filters: turned around, they convolve."""
    size, axes = kernel.shape[:-2], range(kernel.shape.rank - 2)
    around = tf.pad(upstream, [(0, 0), *((k - 1, k - 1) for k in size), (0, 0)])
    turned = tf.transpose(tf.reverse(kernel, axes), [*axes, len(axes) + 1, len(axes)])
    return convolve_valid(around, turned)


@tf.function(autograph=False)  # A Langevin loop has it and asks for it never: there it is one op.
def _gradient_of_kernel(x, upstream, shape):
    """Every tap sees the signal shifted by its place: a matrix product of that and `upstream`, for
    all taps of the last axis at once."""
    *size, channels, filters = shape
    lengths = tf.unstack(tf.shape(upstream)[1:-1])
    shifted, upstream = _shifted(x, size[-1]), tf.reshape(upstream, [-1, filters])

    def product(taps):
        seen = (slice(tap, tap + n) for tap, n in zip(taps, lengths))
        seen = shifted[(slice(None), *seen)]
        return tf.matmul(tf.reshape(seen, [-1, size[-1] * channels]), upstream, transpose_a=True)

    products = [product(taps) for taps in itertools.product(*map(range, size[:-1]))]
    return tf.reshape(tf.stack(products), shape)


def _shifted(x, taps):
    """`x` shifted along its last axis by the place of each of so many taps: the channels of all,
    `(batch, ..., positions, taps * channels)`."""
    length = (tf.shape(x)[-2] if x.shape[-2] is None else x.shape[-2]) - taps + 1
    return tf.concat([x[..., tap : tap + length, :] for tap in range(taps)], -1)
