"""The state of the Langevin chains between two updates."""

import itertools

import tensorflow as tf

from genconv_tf import noise
from genconv_tf.windows import interior


class Chains:
    """Chains of every level, kept beside the model: they belong to a training, not to the weights.

    Args:
        shapes: `(chains, *spatial, channels)` of every level, coarse to fine. The number of chains
            must not grow towards the finer levels.
        windows: longest lengths of every level, `None` for any; a window of it represents a longer
            chain.
        calibrations: a `Calibration` of every level, or none.

    Attributes:
        windows: as given, `(None, ...)` where there are none.
        states: a variable of every level.
        spectra: what the calibrations remember, a list of variables of each.
        starts: lengths of what the chains below grow into, of every level.
        windowed: whether the chains of a level are windows, which have edges, of longer ones.
    """

    def __init__(self, shapes, windows=None, calibrations=()):
        for coarse, fine in itertools.pairwise(shapes):
            if fine[0] > coarse[0]:
                raise ValueError(
                    "Expected no more chains at a finer level than below it. "
                    f"Received: {[shape[0] for shape in shapes]}"
                )
        whole = [tuple(shape[1:-1]) for shape in shapes]
        self.windows = windows or [(None,) * len(lengths) for lengths in whole]
        parts = [
            tuple(min(n, most or n) for n, most in zip(lengths, window, strict=True))
            for lengths, window in zip(whole, self.windows, strict=True)
        ]
        # A window of the chain below grows into a window of this one, which may still be too long.
        self.starts = [
            whole[i] if i == 0 else _grown(parts[i - 1], whole[i - 1], whole[i])
            for i in range(len(whole))
        ]
        self.windowed = [part != lengths for part, lengths in zip(parts, whole)]
        self.states = [
            tf.Variable(tf.zeros((count, *part, channels)), trainable=False, name=f"chains_{i}")
            for i, ((count, *_, channels), part) in enumerate(zip(shapes, parts))
        ]
        self.spectra = [calibration.begin() for calibration in calibrations]

    def __len__(self):
        return len(self.states)

    def seen(self, i, x, network):
        """What the `network` of level i can judge of its chains `x`, and the boundary of that: of a
        window, near whose edges f would see what is not there, the interior; else the whole and
        `None`, the network's own."""
        if not self.windowed[i]:
            return x, None
        return interior(x, network.receptive_field()), network.data_boundary


def _grown(part, below, whole):
    """Lengths at a level of a `part` of the level below, whose whole has lengths `below`."""
    return tuple(-(-n * fine // coarse) for n, coarse, fine in zip(part, below, whole))


def restarts(seeds, state, iteration, probability):
    """Which chains start anew at an update: `(chains,)` bool; all of them at the first one, and
    those of which nothing is in the `state` yet, whatever the optimizer has behind it."""
    if probability >= 1:
        return tf.ones(tf.shape(seeds)[:1], bool)
    drawn = noise.uniform(seeds, [], iteration=-2) < probability
    empty = tf.reduce_all(state == 0, range(1, state.shape.rank))
    return drawn | empty | (iteration == 0)


def rejuvenate(state, fresh, restart):
    """`fresh` where a chain restarts, its `state` elsewhere."""
    column = tf.reshape(restart, [-1] + [1] * (state.shape.rank - 1))
    return tf.where(column, fresh, state)


def constant(x):
    """Every row of `x` replaced by its mean over positions: an image of one colour (FRAME 9)."""
    mean = tf.reduce_mean(x, range(1, x.shape.rank - 1), keepdims=True)
    return tf.broadcast_to(mean, tf.shape(x))


def from_data(data, count, size):
    """`count` chains that start from rows of `data` in turn, cut to `size`."""
    if any(have < want for have, want in zip(data.shape[1:-1], size)):
        raise ValueError(f"Expected chains no larger than the data they start from, "
                         f"{tuple(data.shape[1:-1])}. Received: {tuple(size)}")  # fmt: skip
    rows = tf.gather(data, tf.range(count) % tf.shape(data)[0])
    return tf.slice(rows, [0] * rows.shape.rank, [-1, *size, -1])
