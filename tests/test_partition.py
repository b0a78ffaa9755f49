import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import kstest, norm, truncnorm

from genconv_tf import GenerativeConvNet, metropolis, noise, pyramid
from genconv_tf.energy import Reference, energy
from genconv_tf.metropolis import adjusted_langevin
from genconv_tf.network import ScoringNetwork
from genconv_tf.partition import log_partition

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("s, e", [(1.0, 0.6), (3.0, 2.0)])
def test_adjusted_chains_have_the_variance_of_the_density_itself(s, e):
    # Unadjusted ones would have s²/(1 - e²/4s²): 10% and 13% more, 13 and 16 standard errors.
    count, shape = 1024, (16, 2)
    start = s * noise.normal(noise.row_seeds(1, count), shape)
    loop = tf.function(lambda x: adjusted_langevin(
        lambda x: -Reference(std=s).energy(x), x, noise.row_seeds(0, count), 40, e))  # fmt: skip
    x, acceptance = loop(start)
    x = x.numpy()
    # From the stationary density on its moments stay, within 5 standard errors.
    assert abs(x.mean()) < 5 * s / np.sqrt(x.size)
    assert abs(x.var() - s**2) < 5 * s**2 * np.sqrt(2 / x.size)
    assert 0.8 < acceptance.numpy().mean() < 1.0


def test_a_row_depends_on_its_own_seed_alone_and_an_endless_density_is_never_entered():
    seeds = noise.row_seeds(3, 4)

    def log_density(x):
        inside = tf.reduce_all(x > 0, (1, 2))
        return tf.where(inside, -tf.reduce_sum(x, (1, 2)), np.nan)

    x = tf.ones((4, 3, 1))
    whole, _ = adjusted_langevin(log_density, x, seeds, 20, 0.5)
    part, _ = adjusted_langevin(log_density, x[1:3], seeds[1:3], 20, 0.5)
    np.testing.assert_array_equal(whole[1:3], part)
    assert (whole.numpy() > 0).all() and np.abs(whole - x).max() > 0.1


def test_adjusted_chains_given_what_is_held_and_at_another_temperature():
    # Of a correlated Gaussian the free part given the held one is Gaussian again: its precision is
    # the block of the precision, its mean the solution of a linear equation.
    root = RNG.normal(size=(6, 6)) / 3
    precision = tf.constant(root @ root.T + np.eye(6), tf.float32)
    held, warmth, count = np.array([1.0, -2.0, 0.5]), 2.0, 2048
    start = tf.tile(tf.constant([*held, 0, 0, 0], tf.float32)[None, :, None], [count, 1, 1])
    mask = tf.constant([0, 0, 0, 1, 1, 1], tf.float32)[None, :, None]
    loop = tf.function(lambda x: adjusted_langevin(
        lambda x: -tf.einsum("bic,ij,bjc->b", x, precision, x) / 2,
        x, noise.row_seeds(0, count), 80, (1.2, 0.6), warmth, mask))  # fmt: skip
    x = loop(start)[0].numpy()[..., 0]
    np.testing.assert_array_equal(x[:, :3], np.tile(held, (count, 1)).astype(np.float32))
    a, b = precision.numpy()[3:, 3:], precision.numpy()[3:, :3]
    covariance = warmth * np.linalg.inv(a)
    error = 5 * np.sqrt(np.diag(covariance) / count)
    np.testing.assert_array_less(abs(x[:, 3:].mean(0) + np.linalg.solve(a, b @ held)), error)
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    assert (abs(np.cov(x[:, 3:].T) - covariance) < 6 * scale * np.sqrt(2 / count)).all()


def test_a_model_may_sample_with_adjusted_steps():
    layers = [{"filters": 2, "kernel": 3}]
    sampler = {"start_std": 1.0, "steps": 60, "step_size": 2.4}
    kwargs = {"size": 8, "channels": 1, "weight_scale": 0.0, "reference": {"std": 3.0}}
    variance, seeds = {}, noise.row_seeds(0, 512)
    for adjusted in (False, True):
        model = GenerativeConvNet(layers, sampler={**sampler, "adjusted": adjusted}, **kwargs)
        draw = tf.function(lambda levels=model.levels: pyramid.generate(levels, seeds, (8, 8), 1))
        variance[adjusted] = draw().numpy().var()
    error = 5 * 9 * np.sqrt(2 / (512 * 64))
    assert abs(variance[True] - 9) < error
    assert abs(variance[False] - 9 / (1 - 2.4**2 / 36)) < error
    with pytest.raises(ValueError, match="temperature above 0 for adjusted steps"):
        GenerativeConvNet(layers, sampler={"adjusted": True, "temperature": 0.0}, **kwargs)
    with pytest.raises(ValueError, match="adjusted steps in float32"):
        GenerativeConvNet(layers, sampler={"adjusted": True}, precision="bfloat16", **kwargs)


@pytest.mark.parametrize("s", [1.0, 2.0])
def test_log_z_of_a_linear_score(s):
    b = tf.constant(RNG.normal(size=(6, 1)) * 0.7 / s, tf.float32)
    exact = float(s**2 * tf.reduce_sum(b * b) / 2)

    def f(x):
        return tf.reduce_sum(x * b, (1, 2))

    reference = Reference(std=s)
    forward = log_partition(f, reference, (6, 1), chains=256, temperatures=100)
    samples = s**2 * b + s * tf.constant(RNG.normal(size=(256, 6, 1)), tf.float32)
    back = log_partition(f, reference, (6, 1), temperatures=100, samples=samples)
    for estimate in (forward, back):
        assert abs(estimate.value - exact) < 3 * estimate.error and estimate.error < 0.1
        assert estimate.effective > 20 and estimate.acceptance > 0.5


@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_log_z_within_bounds(kind):
    # Along each axis Z is the mean of exp(bx) over the interval, under q restricted to it.
    s, b, low, high = 1.5, np.array([2.0, -0.7]), -0.5, 1.0
    line = np.linspace(low, high, 20001)
    q = np.exp(-(line**2) / (2 * s**2)) if kind == "gaussian" else np.ones_like(line)
    exact = sum(np.log(np.average(np.exp(c * line), weights=q)) for c in b)
    reference, bounds = Reference(kind, s), (low, high)

    def f(x):
        return tf.reduce_sum(x * tf.constant(b[:, None], tf.float32), (1, 2))

    how = {"chains": 512, "temperatures": 50, "step_size": 0.3, "bounds": bounds}
    estimate = log_partition(f, reference, (2, 1), **how)
    assert abs(estimate.value - exact) < 4 * estimate.error and estimate.error < 0.05
    x = reference.draw(noise.row_seeds(0, 4000), (2, 1), bounds).numpy()
    assert x.min() >= low and x.max() <= high
    mean = np.average(line, weights=q)
    error = np.sqrt(np.average((line - mean) ** 2, weights=q) / x.size)
    assert abs(x.mean() - mean) < 4 * error
    with pytest.raises(ValueError, match="samples within the bounds"):
        log_partition(f, reference, (2, 1), samples=tf.ones((4, 2, 1)) * 2, bounds=bounds)


def test_chains_of_an_image_move_within_bounds():
    """256 values of which a third are within a standard deviation of an end of their box."""
    s, low, high, b = 60.0, -128.0, 127.0, 0.005 * np.random.default_rng(0).standard_normal(256)
    # exp(bx) moves q, normal, by s²b; both are cut to the box.
    shares = [np.subtract(*norm.cdf([[high], [low]], mean, s)) for mean in (s**2 * b, 0.0)]
    exact = np.sum(0.5 * s**2 * b**2 + np.log(shares[0] / shares[1]))

    def f(x):
        return tf.reduce_sum(x[..., 0] * tf.constant(b, tf.float32), 1)

    how = {"chains": 256, "step_size": 0.5, "bounds": (low, high)}
    estimate = log_partition(f, Reference("gaussian", s), (256, 1), **how)
    assert abs(estimate.value - exact) < 4 * estimate.error and estimate.error < 0.2
    assert estimate.acceptance > 0.5


@pytest.mark.parametrize("low, high", [(-0.3, 2.0), (0.0, 0.5), (-8.0, 0.1)])
def test_proposals_are_normal_within_their_box(low, high):
    z = tf.random.stateless_normal([20000], [1, 2])
    received = metropolis.truncated(z, tf.fill([20000], low), tf.fill([20000], high)).numpy()
    assert kstest(received, truncnorm(low, high).cdf).pvalue > 1e-3
    inside = (z.numpy() >= low) & (z.numpy() <= high)
    np.testing.assert_array_equal(received[inside], z.numpy()[inside])


def test_log_z_of_the_prototype_model_by_numerical_integration():
    # Definition 4 in two dimensions: f = Σ_k max(⟨x, w_k⟩ + b_k, 0).
    network = ScoringNetwork([{"filters": 3, "kernel": "full"}], rank=1, weight_scale=0.8, seed=2)
    network.build((None, 2, 1))
    network.biases[0].assign([0.5, -0.3, 0.2])
    line = np.linspace(-9, 9, 721)
    grid = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2, 1)
    reference = Reference()
    log = -energy(network, reference, tf.constant(grid, tf.float32)).numpy().astype(np.float64)
    exact = np.log(np.exp(log).sum() * (line[1] - line[0]) ** 2 / (2 * np.pi))
    forward = log_partition(network, reference, (2, 1), chains=512, temperatures=100)
    # Samples of p for the way back: cells of the grid by their probability.
    cells = RNG.choice(len(grid), 512, p=np.exp(log) / np.exp(log).sum())
    samples = grid[cells] + (line[1] - line[0]) * RNG.uniform(-0.5, 0.5, (512, 2, 1))
    back = log_partition(network, reference, (2, 1), temperatures=100, samples=samples)
    for estimate in (forward, back):
        assert abs(estimate.value - exact) < 3 * estimate.error and estimate.error < 0.1


def test_a_uniform_reference_has_no_normalised_q():
    with pytest.raises(ValueError, match="Gaussian reference"):
        log_partition(lambda x: tf.reduce_sum(x), Reference("uniform"), (2, 1))


@pytest.mark.parametrize(
    "wrong, message",
    [({"chains": 1}, "chains >= 2"), ({"temperatures": 0}, "temperatures >= 1"),
     ({"steps": 0}, "steps >= 1"), ({"samples": np.zeros((4, 9, 1))}, r"samples of \(8, 1\)"),
     ({"step_size": -1.0}, "step_size > 0")],
)  # fmt: skip
def test_wrong_arguments_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        log_partition(lambda x: tf.zeros(len(x)), Reference(), (8, 1), **wrong)


def test_a_score_that_is_no_number_is_named():
    with pytest.raises(ValueError, match="a finite f where its chains are"):
        log_partition(lambda x: np.nan * tf.reduce_sum(x, (1, 2)), Reference(), (8, 1))
