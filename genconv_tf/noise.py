"""Noise as a function of (seed, iteration, chain): stateless, so that every run can be repeated.

A seed is a pair of int32, one pair for every row of a batch. What is drawn for a row depends on its
own pair alone, never on the batch that it travels in. Folding a number into a seed hashes the seed
and leaves the number as it is: (h(seed), number). So whatever goes on counting from such a pair
would come upon the pairs of other numbers; rows are counted first, and the rest is folded in.
"""

import functools

import tensorflow as tf

from genconv_tf.settings import LARGEST

UPDATE = -1  # folded into the seeds of rows before the number of an update is
PHILOX = tf.random.Algorithm.PHILOX.value


def row_seeds(seed, count, first=0):
    """Seeds of `count` chains from number `first` on, `(count, 2)` int32, from one int."""
    check_seed(seed)
    base = tf.random.fold_in(tf.stack([tf.cast(seed, tf.int32), 0]), 0)
    rows = tf.range(tf.cast(count, tf.int32))
    return tf.stack([tf.repeat(base[:1], count), base[1] + tf.cast(first, tf.int32) + rows], axis=1)


def check_seed(seed):
    """Raise a `ValueError` if an int is no seed: of a longer one the first bits would be lost."""
    if isinstance(seed, (str, float)):
        raise ValueError(f"Expected an integer as a seed. Received: {seed!r}")
    if isinstance(seed, int) and not -LARGEST - 1 <= seed <= LARGEST:
        raise ValueError(f"Expected a seed of 32 bits, -2^31 to 2^31 - 1. Received: {seed}")


def update_seeds(seed, count, iteration):
    """Seeds of `count` rows that belong to one update and to this replica alone."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    rows = row_seeds(seed + 7919 * tf.cast(replica, tf.int32), count)
    return fold(fold(rows, UPDATE), tf.cast(iteration, tf.int32))


def fold(seeds, number):
    """New seeds `(batch, 2)` for the purpose called `number`."""
    return tf.map_fn(lambda seed: tf.random.fold_in(seed, number), seeds)


def normal(seeds, shape, iteration=0, part=None):
    """Standard normal noise `(batch, *shape)`, row i from `seeds[i]` and the iteration.

    Args:
        seeds: `(batch, 2)` int32.
        shape: of the noise of one row.
        iteration: int or int32 scalar.
        part: (begin, end) along the first axis of `shape`, to draw that part of the noise alone.
    """
    draw = tf.random.stateless_normal
    if part is not None:
        draw = functools.partial(_part_of_normal, part=part)
    return _rows(draw, seeds, shape, iteration)


def uniform(seeds, shape, iteration=0):
    """Noise `(batch, *shape)`, uniform on [0, 1), row i from `seeds[i]` and the iteration."""
    return _rows(tf.random.stateless_uniform, seeds, shape, iteration)


def _part_of_normal(shape, seed, part):
    """What `tf.random.stateless_normal` draws, from `part[0]` to `part[1]` along the first axis.

    The generator (Philox: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011)
    is a function of a key and of a counter, which goes up by one for every four numbers.
    """
    begin, end = (tf.cast(n, tf.int64) for n in part)
    each = tf.reduce_prod(tf.cast(shape[1:], tf.int64))
    group = begin * each // 4
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
    counter += tf.cast(tf.stack([group, 0]), tf.uint64)
    drawn = tf.raw_ops.StatelessRandomNormalV2(
        shape=[end * each - 4 * group], key=key, counter=counter, alg=PHILOX
    )
    own = drawn[begin * each - 4 * group :]
    return tf.reshape(own, tf.concat([[end - begin], tf.cast(shape[1:], tf.int64)], 0))


def _rows(draw, seeds, shape, iteration):
    def row(seed):
        return draw(shape, tf.random.fold_in(seed, iteration))

    return tf.map_fn(row, seeds, fn_output_signature=tf.float32)
