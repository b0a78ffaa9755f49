"""The state of the Langevin chains between two updates."""

import itertools

import tensorflow as tf

from genconv_tf import noise


class Chains:
    """Chains of every level, kept beside the model: they belong to a training, not to the weights.

    Args:
        shapes: `(chains, *spatial, channels)` of every level, coarse to fine. The number of chains
            must not grow towards the finer levels.
    """

    def __init__(self, shapes):
        for coarse, fine in itertools.pairwise(shapes):
            if fine[0] > coarse[0]:
                raise ValueError(
                    "Expected no more chains at a finer level than below it. "
                    f"Received: {[shape[0] for shape in shapes]}"
                )
        self.states = [
            tf.Variable(tf.zeros(shape), trainable=False, name=f"chains_{i}")
            for i, shape in enumerate(shapes)
        ]

    def __len__(self):
        return len(self.states)


def restarts(seeds, iteration, probability):
    """Which chains start anew at an update: `(chains,)` bool; all of them at the first one."""
    if probability >= 1:
        return tf.ones(tf.shape(seeds)[:1], bool)
    drawn = noise.uniform(seeds, [], iteration=-2) < probability
    return drawn | (iteration == 0)


def rejuvenate(state, fresh, restart):
    """`fresh` where a chain restarts, its `state` elsewhere."""
    column = tf.reshape(restart, [-1] + [1] * (state.shape.rank - 1))
    return tf.where(column, fresh, state)


def from_data(data, count, size):
    """`count` chains that start from rows of `data` in turn, cut to `size`."""
    if any(have < want for have, want in zip(data.shape[1:-1], size)):
        raise ValueError(f"Expected chains no larger than the data they start from, "
                         f"{tuple(data.shape[1:-1])}. Received: {tuple(size)}")  # fmt: skip
    rows = tf.gather(data, tf.range(count) % tf.shape(data)[0])
    return tf.slice(rows, [0] * rows.shape.rank, [-1, *size, -1])
