"""Analysis by synthesis: what the chains of every level do between two updates of the weights."""

import tensorflow as tf

from genconv_tf import checks, natural_gradient, noise, pyramid, sizes
from genconv_tf.chains import Chains, constant, from_data, rejuvenate, restarts
from genconv_tf.rows import each_row
from genconv_tf.windows import lengths_of, random_window


def chains_of(levels, learning, data_size, size, channels):
    """The `Chains` that a pyramid learns with.

    Args:
        levels: of the pyramid.
        learning: a `Learning`, which may give their number, size and windows.
        data_size: lengths of the data, which else give the chains theirs.
        size: lengths of the signal in training; those along axes that a layer covers whole.
        channels: of the signal.

    Raises:
        ValueError: chains of no such size, or too short for the penalty.
    """
    lengths = learning.chain_size or sizes.chain_size(levels, data_size)
    lengths = sizes.lengths(lengths, len(levels[0].factor), "chain_size")
    sizes.check_only(sizes.only_size(levels, size), lengths, "chains")
    checks.check_penalised(levels, lengths, learning.overshoot_penalty)
    for level in levels if learning.natural_gradient else ():
        natural_gradient.check(level)
    counts = pyramid.per_level(learning.chains, len(levels))
    return Chains(
        [(n, *level.size(lengths), channels) for n, level in zip(counts, levels)],
        [lengths_of(learning.window, level.network.receptive_field()) for level in levels],
        [level.calibration for level in levels if level.calibration is not None],
    )


def advance(levels, chains, learning, observed, seeds, iteration):
    """The chains of every level after an update's Langevin steps, coarse to fine.

    Args:
        levels: of the pyramid.
        chains: the `Chains` as they were.
        learning: a `Learning`: where chains start, how many restart, what is hidden.
        observed: the data of every level, `(batch, *spatial, channels)`.
        seeds: `(chains of the coarsest level, 2)` int32, of this update alone.
        iteration: int32 scalar, the number of updates so far.

    Returns:
        The chains of every level, lists of `(chains, *spatial, channels)`: as they go on, and what
        f learns from. Where chains are calibrated that is what they were before: from calibrated
        ones f drifts as far as the calibration can hide it.
    """
    states = chains.states
    if learning.hidden is not None:
        made = recovered(levels, observed[-1], states[-1].shape[:-1], seeds, learning.hidden)
        return made, made
    restart = restarts(seeds, states[0], iteration, learning.rejuvenation)
    moved, shown, seen = [], [], []
    for i, (level, state) in enumerate(zip(levels, states)):
        count, size = state.shape[0], state.shape[1:-1]
        row = noise.fold(seeds[:count], i)
        if learning.start == "fresh":
            below = moved[-1][:count] if moved else None
            fresh = level.start(row, chains.starts[i], state.shape[-1], below)
            fresh = random_window(fresh, size, row, -4)
        else:
            data = observed[i] if learning.start == "data" else constant(observed[i])
            fresh = from_data(data, count, size)
        x = level.advance(rejuvenate(state, fresh, restart[:count]), row)[0]
        shown.append(x)
        if level.calibration is not None and level.calibration.beside_f:
            seen.append(level.calibration.observe(observed[i]))
            x = level.calibration.learn(x, seen, chains.spectra[i], iteration)
        moved.append(x)
    return moved, shown


def learned_from(observed, chains, learning, iteration):
    """The data of every level that an update learns from, lists of `(batch, *spatial, channels)`.

    Contrastive divergence compares each chain with the image that it started from, and conditional
    learning with the one that it completes, row by row; the images take turns. Were there ten
    chains and seven images, three of these would count twice among the chains and once among the
    data, and f would grow on the other four without end.

    Args:
        observed: all data of every level.
        chains: the `Chains`.
        learning: a `Learning`.
        iteration: int32 scalar, the number of updates so far.
    """
    if not learning.contrastive and learning.hidden is None:
        return observed
    rows = []
    for x, (count, *size, _) in zip(observed, (state.shape for state in chains.states)):
        turn = (tf.range(count) + iteration * count) % tf.shape(x)[0]
        rows.append(from_data(tf.gather(x, turn), count, size))
    return rows


def calibrate(levels, data, seeds, size):
    """Learn the calibrations of all levels anew, from fresh samples alone.

    The calibrations of a training are those of the weights of its updates; this is for the weights
    that it ends with, their average.

    Args:
        levels: of the pyramid.
        data: `(batch, *spatial, channels)` at the finest level.
        seeds: `(samples, 2)` int32.
        size: lengths of the samples at the finest level.
    """
    # Of unknown lengths, so that the step is the one that all samples take.
    specs = (tf.TensorSpec([*[None] * (data.shape.rank - 1), data.shape[-1]], tf.float32),
             tf.TensorSpec([None, 2], tf.int32))  # fmt: skip
    x, seen = None, []
    for i, (level, observed) in enumerate(zip(levels, pyramid.levels_of(data, levels))):

        def run(x, seeds, level=level):
            return each_row(lambda x, seeds: level.advance(x, seeds, fresh=True)[0], x, seeds)

        traced = tf.function(run, autograph=False).get_concrete_function(*specs)
        row = noise.fold(seeds, i)
        x = level.start(row, level.size(size), data.shape[-1], x)
        x = tf.ensure_shape(traced(x, row), x.shape)
        seen.append(level.calibration.observe(observed))
        x = level.calibration.learn(x, seen, level.calibration.begin(), 0)


def recovered(levels, data, shape, seeds, length):
    """Samples of every level given all of the data but a random square (FRAME section 9.2).

    Args:
        levels: of the pyramid.
        data: `(batch, *spatial, channels)` at the finest level.
        shape: `(count, *spatial)` of the samples; they take rows of the data in turn.
        seeds: `(count, 2)` int32.
        length: of the square's sides.
    """
    known = from_data(data, shape[0], shape[1:])
    mask = random_squares(seeds, shape[1:], length)
    return pyramid.generate_levels(
        levels, seeds, shape[1:], known.shape[-1], None, known=known, mask=mask
    )


def random_squares(seeds, size, length):
    """Masks with one square (an interval, a cube) of `length`, at a random place in each.

    Args:
        seeds: `(batch, 2)` int32.
        size: lengths of the signal.
        length: of the square, at most the least of `size`.

    Returns:
        `(batch, *size, 1)` float32, 1 in the square.
    """
    if length > min(size):
        raise ValueError(f"Expected to hide a square of at most {min(size)}. Received: {length}")
    drawn = noise.uniform(seeds, [len(size)], iteration=-8)
    mask = tf.ones([tf.shape(seeds)[0]] + [1] * (len(size) + 1))
    for axis, n in enumerate(size):
        begin = tf.floor(drawn[:, axis] * float(n - length + 1))[:, None]
        place = tf.range(n, dtype=tf.float32)[None]
        inside = tf.cast((place >= begin) & (place < begin + length), tf.float32)
        mask *= tf.reshape(inside, [-1, *(n if a == axis else 1 for a in range(len(size))), 1])
    return mask
