"""The sampler against closed forms, within 5 Monte Carlo standard errors."""

import numpy as np
import pytest
import tensorflow as tf

from genconv_tf import noise
from genconv_tf.energy import Reference, log_density_gradient
from genconv_tf.langevin import langevin

CHAINS, SHAPE = 64, (16, 16, 1)


def run(b, s, e, steps, temperature=1.0, mask=None, chains=CHAINS, seed=0, momentum=0.0):
    """Chains of f(x) = ⟨b, x⟩ from zero."""
    reference = Reference(std=s)
    x = tf.zeros((chains, *SHAPE))
    seeds = noise.row_seeds(seed, chains)

    def gradient(x):
        return log_density_gradient(lambda x: tf.reduce_sum(x * b, (1, 2, 3)), reference, x)

    how = steps, e, temperature, mask, None, momentum
    return tf.function(lambda: langevin(gradient, x, seeds, *how))().numpy()


def assert_moments(x, mean, variance):
    count = x.size
    assert abs(x.mean() - mean) < 5 * np.sqrt(variance / count)
    assert abs(x.var() - variance) < 5 * variance * np.sqrt(2 / count)


@pytest.mark.parametrize("s, e", [(1.0, 0.3), (1.0, 1.2), (5.0, 3.0)])
def test_without_a_score_the_chains_have_the_variance_of_the_discretised_reference(s, e):
    steps = int(np.ceil(20 / (e**2 / s**2)))
    assert_moments(run(0.0, s, e, steps), 0.0, s**2 / (1 - e**2 / (4 * s**2)))


@pytest.mark.parametrize("s", [1.0, 2.0])
def test_a_linear_score_moves_the_mean_to_its_gradient(s):
    b, e = 1.5, 0.6
    x = run(b, s, e, int(np.ceil(20 / (e**2 / s**2))))
    assert_moments(x, s**2 * b, s**2 / (1 - e**2 / (4 * s**2)))


@pytest.mark.parametrize("momentum, e", [(0.5, 0.4), (0.9, 0.4), (0.9, 2.4)])
def test_with_a_momentum_the_density_is_the_same(momentum, e):
    """The last step is longer than plain dynamics can take, 2 s."""
    b, s = 1.5, 1.0
    x = run(b, s, e, 250, momentum=momentum)
    assert_moments(x, s**2 * b, s**2 / (1 - e**2 / (4 * s**2 * (1 + momentum))))


def test_a_momentum_goes_on_with_the_step_before():
    """Against the same in NumPy, held where a mask holds them and kept in a box."""
    e, m, steps, seeds = 0.6, 0.7, 5, noise.row_seeds(4, 3)
    mask = np.ones((1, *SHAPE), np.float32)
    mask[:, :4] = 0
    x = before = np.zeros((3, *SHAPE), np.float32)
    for t in range(steps):
        z = noise.normal(seeds, SHAPE, t).numpy()
        moved = x + 0.5 * e**2 * (1 - x) + m * (x - before) + e * np.sqrt(1 - m) * z
        x, before = mask * np.clip(moved, -0.4, 1.2), x
    how = steps, e, 1.0, mask, (-0.4, 1.2), m
    ours = langevin(lambda x: 1 - x, tf.zeros(x.shape), seeds, *how).numpy()
    np.testing.assert_allclose(ours, x, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_moments_after_a_few_steps(steps):
    b, s, e = 2.0, 1.0, 0.5
    keep = 1 - e**2 / (2 * s**2)
    mean = s**2 * b * (1 - keep**steps)
    variance = e**2 * sum(keep ** (2 * j) for j in range(steps))
    assert_moments(run(b, s, e, steps), mean, variance)


def test_temperature_scales_the_variance():
    e = 0.5
    assert_moments(run(0.0, 1.0, e, 80, temperature=4.0), 0.0, 4 / (1 - e**2 / 4))


def test_a_uniform_reference_makes_a_random_walk():
    reference = Reference("uniform")
    x = tf.zeros((CHAINS, *SHAPE))

    def gradient(x):
        return log_density_gradient(
            lambda x: tf.zeros(tf.shape(x)[0]) * x[:, 0, 0, 0], reference, x
        )

    walk = langevin(gradient, x, noise.row_seeds(0, CHAINS), 9, 0.5).numpy()
    assert_moments(walk, 0.0, 9 * 0.25)


def test_schedules_run_geometrically_from_first_to_last():
    """With f = 0 and a flat reference the variance is the sum of the squared steps."""
    x = tf.zeros((CHAINS, *SHAPE))
    first, last, steps = 1.0, 0.1, 4
    walk = langevin(tf.zeros_like, x, noise.row_seeds(0, CHAINS), steps, (first, last)).numpy()
    sizes = np.geomspace(first, last, steps)
    assert_moments(walk, 0.0, np.square(sizes).sum())


def test_what_is_masked_does_not_move():
    mask = np.zeros((1, *SHAPE), np.float32)
    mask[:, 4:9] = 1
    x = run(1.0, 1.0, 0.3, 5, mask=mask)
    held = mask[0, ..., 0] == 0
    assert np.all(x[:, held] == 0)
    assert np.all(x[:, ~held] != 0)


def test_a_chain_depends_on_its_own_seed_alone():
    many, few = run(1.0, 1.0, 0.3, 5, chains=4), run(1.0, 1.0, 0.3, 5, chains=2)
    np.testing.assert_array_equal(many[:2], few)
    assert len({chain.tobytes() for chain in many}) == 4
    other = run(1.0, 1.0, 0.3, 5, chains=4, seed=1)
    assert not np.any([np.array_equal(a, b) for a in many for b in other])


def test_noise_of_rows_and_iterations_is_independent():
    seeds = noise.row_seeds(3, 4)
    z = np.stack([noise.normal(seeds, [4096], iteration=t) for t in range(3)]).reshape(12, -1)
    correlation = np.corrcoef(z) - np.eye(12)
    assert np.abs(correlation).max() < 5 / np.sqrt(4096)


def test_bounded_chains_stay_in_their_box_and_reach_its_mean():
    """f = 0 and a flat reference on [-1, 2]: the projected walk fills the box."""
    x = tf.zeros((CHAINS, *SHAPE))
    walk = langevin(
        tf.zeros_like, x, noise.row_seeds(0, CHAINS), 120, 0.3, bounds=(-1.0, 2.0)
    ).numpy()
    assert walk.min() >= -1 and walk.max() <= 2
    # The projection puts a little mass on the walls; by symmetry the mean stays the middle.
    assert_moments(walk, 0.5, walk.var())
