"""Noise as a function of (seed, iteration, chain): stateless, so that every run can be repeated.

A seed is a pair of int32, one pair for every row of a batch. What is drawn for a row depends on its
own pair alone, never on the batch that it travels in.
"""

import tensorflow as tf


def row_seeds(seed, count, fold=0):
    """Seeds of `count` chains, `(count, 2)` int32, from one int and a number folded in."""
    base = tf.random.fold_in(tf.stack([tf.cast(seed, tf.int32), 0]), fold)
    return tf.stack([tf.repeat(base[:1], count), base[1] + tf.range(count)], axis=1)


def fold(seeds, number):
    """New seeds `(batch, 2)` for the purpose called `number`."""
    return tf.map_fn(lambda seed: tf.random.fold_in(seed, number), seeds)


def normal(seeds, shape, iteration=0):
    """Standard normal noise `(batch, *shape)`, row i from `seeds[i]` and the iteration."""
    return _rows(tf.random.stateless_normal, seeds, shape, iteration)


def uniform(seeds, shape, iteration=0):
    """Noise `(batch, *shape)`, uniform on [0, 1), row i from `seeds[i]` and the iteration."""
    return _rows(tf.random.stateless_uniform, seeds, shape, iteration)


def _rows(draw, seeds, shape, iteration):
    def row(seed):
        return draw(shape, tf.random.fold_in(seed, iteration))

    return tf.map_fn(row, seeds, fn_output_signature=tf.float32)
