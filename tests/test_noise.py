"""Seeds: which noise is whose."""

import itertools

import numpy as np
import tensorflow as tf

from genconv_tf import noise

COUNT = 16


def pairs(seeds):
    return {tuple(row) for row in np.asarray(seeds).tolist()}


def test_no_chain_of_any_update_has_the_seed_of_another():
    updates = [noise.update_seeds(3, COUNT, t) for t in range(50)]
    assert len(set.union(*map(pairs, updates))) == 50 * COUNT
    # Nor that of a level of a sample of the same seed.
    samples = noise.row_seeds(3, 50 * COUNT)
    levels = [noise.fold(samples, i) for i in range(3)]
    assert not set.union(*map(pairs, [samples, *levels])) & set.union(*map(pairs, updates))


def test_the_mean_over_chains_is_not_that_of_the_update_before():
    # Correlations of 400 independent pairs are normal with a deviation of 0.05.
    draws = [noise.normal(noise.update_seeds(0, 8, t), [400]) for t in range(3)]
    means = [tf.reduce_mean(draw, 0) for draw in draws]
    for first, second in itertools.pairwise(means):
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.25
    every = tf.reshape(tf.stack(draws), [3 * 8, 400])
    correlations = np.corrcoef(every) - np.eye(3 * 8)
    assert np.abs(correlations).max() < 0.3
