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
    a length that is no multiple of the strides), are taken whole. The gradient of a block is taken
    in squares, where its second axis can be cut too: a block of a wide canvas would be hardly more
    than what surrounds it.

    Args:
        network: a `ScoringNetwork`; of any other f the canvas is taken whole.
        x: `(batch, *spatial, channels)`.
        update: callable, `(x, gradient, rows) ->` what takes the place of x, of its shape. It is
            given the block's part of x and of ∂f/∂x, and which rows these are: a pair (begin, end),
            `None` of the whole.
        largest: entries of batch and spatial axes that one block, or square, may have; see
            `by_rows`.
    """

    def whole():
        return update(x, score_gradient(network, x), None)

    cuts = _cuts(network)
    if cuts == 0:
        return whole()

    def block(begin, end):
        around, own = _surrounded(network, x, 0, begin, end)
        gradient = _gradient(network, around, cuts, largest)
        return update(x[:, begin:end], gradient[:, own], (begin, end))

    units = network.total_strides()[:cuts]
    return by_rows(block, shape_of(x), whole, x.dtype, units, largest, square=cuts > 1)


def _gradient(network, x, cuts, largest):
    """∂f/∂x of a signal that along the first axis does not go on at the opposite side; in blocks
    along the second, where that is cut too."""
    boundary = ("valid",) * cuts + network.boundaries[cuts:]

    def of(x):
        return score_gradient(lambda y: network(y, boundary=boundary), x)

    if cuts == 1:
        return of(x)

    def square(begin, end):
        around, own = _surrounded(network, x, 1, begin, end)
        return of(around)[:, :, own]

    units = network.total_strides()[1:2]
    return by_rows(square, shape_of(x), None, x.dtype, units, largest, axis=2)


def _surrounded(network, x, axis, begin, end):
    """What is from `begin` to `end` of a torus, with all that some top response sees together with
    it; and where it is in that, as a slice."""
    first, stride = network.reach()[axis][0], network.total_strides()[axis]
    extent = network.receptive_field()[axis]
    # The top positions that see some of it, and all that these see.
    low = (begin + first - extent + 1) // stride
    high = (end - 1 + first) // stride
    seen = tf.range(low * stride - first, high * stride - first + extent)
    around = tf.gather(x, tf.math.floormod(seen, tf.shape(x)[axis + 1]), axis=axis + 1)
    skip = begin - (low * stride - first)
    return around, slice(skip, skip + end - begin)


def _cuts(network):
    """How many axes blocks are cut along: the first two at most, as far as they are a torus."""
    if not isinstance(network, ScoringNetwork):
        return 0
    cut = [torus and not whole for torus, whole in zip(network.torus, network.covered)]
    return min(2, [*cut, False].index(False))
