"""Chains of a large canvas moved block by block: the memory is that of a block, the result the
same."""

import tensorflow as tf

from genconv_tf.energy import score_gradient
from genconv_tf.network import ScoringNetwork
from genconv_tf.parts import by_rows, shape_of


def sweep(network, x, update, largest=None):
    """`x` made anew of ∂f/∂x, in blocks along the first spatial axis.

    Each block is surrounded by all that some top response sees together with it, so that its part
    of the gradient is exact. Canvases up to `largest`, and those that cannot be cut (no torus, or
    a length that is no multiple of the strides), are taken whole.

    Args:
        network: a `ScoringNetwork`; of any other f the canvas is taken whole.
        x: `(batch, *spatial, channels)`.
        update: callable, `(x, gradient, rows) ->` what takes the place of x, of its shape. It is
            given the block's part of x and of ∂f/∂x, and which rows these are: a pair (begin, end),
            `None` of the whole.
        largest: entries of batch and spatial axes that one block may have; see `by_rows`.
    """

    def whole():
        return update(x, score_gradient(network, x), None)

    if not isinstance(network, ScoringNetwork) or not network.torus[0] or network.covered[0]:
        return whole()
    length, extent = tf.shape(x)[1], network.receptive_field()[0]
    first, stride = network.reach()[0][0], network.total_strides()[0]
    boundary = ("valid", *network.boundaries[1:])

    def block(begin, end):
        # The top positions that see a row of the block, and all rows that these see.
        low = (begin + first - extent + 1) // stride
        high = (end - 1 + first) // stride
        seen = tf.range(low * stride - first, high * stride - first + extent)
        around = tf.gather(x, tf.math.floormod(seen, length), axis=1)
        gradient = score_gradient(lambda y: network(y, boundary=boundary), around)
        skip = begin - (low * stride - first)
        own = slice(skip, skip + end - begin)
        return update(around[:, own], gradient[:, own], (begin, end))

    return by_rows(block, shape_of(x), whole, x.dtype, stride, largest)


def score_gradient_in_blocks(network, x, largest=None):
    """∂f/∂x as `energy.score_gradient` gives it; arguments as of `sweep`."""
    return sweep(network, x, lambda part, gradient, rows: gradient, largest)
