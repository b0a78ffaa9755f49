"""∂f/∂x of a large canvas, block by block: the memory is that of a block, the result the same."""

import tensorflow as tf

from genconv_tf.energy import score_gradient
from genconv_tf.network import ScoringNetwork

# Entries of the spatial axes, times the batch, above which a canvas is taken in blocks: four layers
# of 64 responses to 2**18 pixels are a quarter of a gigabyte in float32.
LARGEST = 2**18


def score_gradient_in_blocks(network, x, largest=LARGEST):
    """∂f/∂x as `energy.score_gradient` gives it, in blocks along the first spatial axis.

    Each block is surrounded by all that some top response sees together with it, so that its part
    of the gradient is exact. Canvases up to `largest`, and those that cannot be cut (no torus, or
    a length that is no multiple of the strides), are taken whole.

    Args:
        network: a `ScoringNetwork`; of any other f the canvas is taken whole.
        x: `(batch, *spatial, channels)`.
        largest: entries of batch and spatial axes that one block may have.
    """
    stride, cuttable = _stride(network)
    if not cuttable:
        return score_gradient(network, x)
    entries = x.shape[:-1].num_elements()
    if entries is not None and (entries <= largest or x.shape[1] % stride):
        return score_gradient(network, x)
    shape = tf.shape(x)
    blocks = -(-tf.reduce_prod(shape[:-1]) // largest)
    return tf.cond(
        (blocks > 1) & (shape[1] % stride == 0),
        lambda: _blocks(network, x, stride, blocks),
        lambda: score_gradient(network, x),
    )


def _blocks(network, x, stride, blocks):
    length, extent = tf.shape(x)[1], network.receptive_field()[0]
    first = network.reach()[0][0]
    rows = -(-length // (blocks * stride)) * stride
    count = -(-length // rows)
    boundary = ("valid", *network.boundaries[1:])

    def part(start):
        """The gradient from `start` to the end of the block that begins there, rows first."""
        begin = tf.minimum(start, length - rows)
        # The top positions that see a row of the block, and all rows that these see.
        low = (begin + first - extent + 1) // stride
        high = (begin + rows - 1 + first) // stride
        seen = tf.range(low * stride - first, high * stride - first + extent)
        around = tf.gather(x, tf.math.floormod(seen, length), axis=1)
        gradient = score_gradient(lambda y: network(y, boundary=boundary), around)
        skip = start - (low * stride - first)
        gradient = gradient[:, skip : skip + rows - (start - begin)]
        return tf.transpose(gradient, [1, 0, *range(2, x.shape.rank)])

    parts = tf.TensorArray(tf.float32, count, infer_shape=False,
                           element_shape=[None, x.shape[0], *x.shape[2:]])  # fmt: skip
    # One after the other: in parallel they would need the memory that the blocks are to save.
    _, parts = tf.while_loop(
        lambda i, _: i < count,
        lambda i, parts: (i + 1, parts.write(i, part(i * rows))),
        (0, parts),
        parallel_iterations=1,
    )
    whole = tf.transpose(parts.concat(), [1, 0, *range(2, x.shape.rank)])
    return tf.ensure_shape(whole, x.shape)


def _stride(network):
    """Of the top positions along the first axis, and whether f is a torus there."""
    if not isinstance(network, ScoringNetwork):
        return 1, False
    return network.total_strides()[0], network.torus[0] and not network.covered[0]
