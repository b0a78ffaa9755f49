import numpy as np
import pytest
import tensorflow as tf

from genconv_tf.energy import (
    Reference,
    energy,
    log_density_gradient,
    reconstruct,
    score_gradient,
)
from genconv_tf.network import ScoringNetwork

RNG = np.random.default_rng(0)


def network(rank, boundary, dtype="float32"):
    layers = [{"filters": 5, "kernel": 4, "stride": 2}, {"filters": 4, "kernel": 3}]
    net = ScoringNetwork(layers, rank, boundary, weight_scale=1.0, dtype=dtype)
    net.build((None, *[12] * rank, 2))
    for bias in net.biases:
        bias.assign(RNG.standard_normal(bias.shape) * 0.3)
    return net


CASES = [(r, b) for r in (1, 2, 3) for b in ("valid", "same", "torus")]


@pytest.mark.parametrize("rank, boundary", CASES)
def test_gradient_equals_finite_differences(rank, boundary):
    """In double precision, where a step too short to leave the piece is still exact."""
    net = network(rank, boundary, dtype="float64")

    def f(x):
        return tf.reduce_sum(net.responses(x)[-1])

    x, direction = RNG.standard_normal((2, 1, *[12] * rank, 2))
    h = 1e-6
    difference = (f(tf.constant(x + h * direction)) - f(tf.constant(x - h * direction))) / (2 * h)
    slope = np.sum(score_gradient(f, tf.constant(x)).numpy() * direction)
    np.testing.assert_allclose(slope, difference, rtol=1e-5)


@pytest.mark.parametrize("rank, boundary", CASES)
def test_on_its_piece_the_score_is_linear(rank, boundary):
    """With zero biases f(x) = ⟨x, B⟩ exactly (a = 0)."""
    f = network(rank, boundary)
    for bias in f.biases:
        bias.assign(tf.zeros_like(bias))
    x = tf.constant(RNG.standard_normal((3, *[12] * rank, 2)).astype(np.float32))
    inner = tf.reduce_sum(x * score_gradient(f, x), range(1, rank + 2))
    np.testing.assert_allclose(inner, f(x), rtol=1e-4, atol=1e-3)


def test_energy_and_gradients_of_a_linear_score():
    b, s = 0.7, 2.0
    x = tf.constant(RNG.standard_normal((2, 4, 4, 1)).astype(np.float32))
    reference = Reference(std=s)

    def f(x):
        return b * tf.reduce_sum(x, (1, 2, 3))

    square, total = np.square(x).sum((1, 2, 3)), x.numpy().sum((1, 2, 3))
    np.testing.assert_allclose(energy(f, reference, x), square / (2 * s**2) - b * total, rtol=1e-5)
    np.testing.assert_allclose(log_density_gradient(f, reference, x), b - x / s**2, rtol=1e-5)
    np.testing.assert_allclose(reconstruct(f, reference, x), np.full(x.shape, s**2 * b), rtol=1e-6)


def test_a_uniform_reference_has_no_gradient():
    x = tf.ones((2, 4, 4, 1))
    assert np.all(Reference("uniform").pull(x) == 0)
    assert np.all(Reference("uniform").energy(x) == 0)


@pytest.mark.parametrize("arguments", [("cauchy",), ("gaussian", 0.0), ("gaussian", -1.0)])
def test_a_bad_reference_is_refused(arguments):
    with pytest.raises(ValueError, match=r"Expected .* Received"):
        Reference(*arguments)
