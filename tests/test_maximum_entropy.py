"""FRAME models are exponential families: their likelihood is concave, and at its maximum what they
weigh has the mean that was observed (FRAME appendix A)."""

import numpy as np
import tensorflow as tf

import genconv_tf as gct
from genconv_tf import banks, noise, pyramid
from genconv_tf.energy import Reference
from genconv_tf.layers import Layer
from genconv_tf.learning import likelihood_gradient
from genconv_tf.network import ScoringNetwork

BANK = {"wavelengths": (), "differences": (), "response": "bins", "bins": 5}  # intensity alone
GRID = np.linspace(-200, 200, 4001)


def pixel():
    """f of images of one pixel: a function of its five bins, which a grid can integrate."""
    bank = banks.make("linear", **BANK)
    network = ScoringNetwork([Layer(1, 1, relu=False)], 2, "valid", bank=bank)
    network.build((None, 1, 1, 1))
    return network, Reference(std=60.0)


def densities(network, reference, weights):
    network.trainable_variables[0].assign(np.reshape(weights, (1, 1, 5, 1)))
    x = tf.constant(GRID[:, None, None, None], tf.float32)
    log_p = (network(x) - reference.energy(x)).numpy().astype(np.float64)
    return np.exp(log_p)


def log_likelihood(network, reference, weights, data):
    p = densities(network, reference, weights)
    x = tf.constant(data[:, None, None, None], tf.float32)
    log_z = np.log(p.sum() * (GRID[1] - GRID[0]))
    return float(tf.reduce_mean(network(x) - reference.energy(x))) - log_z


def test_the_log_likelihood_is_concave_and_its_gradient_that_of_chains():
    network, reference = pixel()
    rng = np.random.default_rng(0)
    data = rng.normal(30, 40, 500)
    for _ in range(5):
        a, b = rng.normal(0, 2, (2, 5))
        ends = [log_likelihood(network, reference, w, data) for w in (a, b)]
        middle = log_likelihood(network, reference, (a + b) / 2, data)
        assert middle > np.mean(ends) + 1e-3
    at = rng.normal(0, 1, 5)
    steps = 0.01 * np.eye(5)
    ends = [[log_likelihood(network, reference, at + s, data) for s in (e, -e)] for e in steps]
    slope = np.array([(above - below) / 0.02 for above, below in ends])
    p = densities(network, reference, at)
    count = 100_000
    chains = np.interp((np.arange(count) + 0.5) / count, np.cumsum(p) / p.sum(), GRID)
    x, y = (tf.constant(v[:, None, None, None], tf.float32) for v in (data, chains))
    _, (gradient, _) = likelihood_gradient(network, x, y)
    # The bias of a lattice of quantiles is far below that of drawing; the differences are of f32.
    np.testing.assert_allclose(-gradient[0, 0, :, 0], slope, atol=2e-3)


def test_fresh_chains_have_the_histogram_that_was_observed():
    rng = np.random.default_rng(1)
    # Bright and dark pixels: nothing like the reference.
    bright = rng.random((8, 16, 16, 1)) < 0.3
    data = np.where(bright, 40.0, -25.0) + rng.normal(0, 18, bright.shape)
    model = gct.GenerativeConvNet(
        layers=[{"filters": 1, "kernel": 1, "relu": False}], weight_scale=0.0, size=16, channels=1,
        bank={"filters": "linear", **BANK, "bins": 9}, boundary="valid", reference={"std": 60.0},
        sampler={"start_std": 60.0, "steps": 40, "step_size": 6.0},
        learning={"chains": 16, "rejuvenation": 0.0, "updates": 200, "optimizer": {
            "name": "adam", "learning_rate": 0.05, "final_learning_rate": 0.05}})  # fmt: skip
    x = tf.constant(data, tf.float32)
    model.fit(tf.data.Dataset.from_tensors(x).repeat(), steps_per_epoch=200, verbose=0)
    network = model.finest.network
    tap = network.bank.taps[0]

    @tf.function
    def fresh():
        return pyramid.generate(model.levels, noise.row_seeds(5, 32), (16, 16), 1, steps=300)

    observed, made = (tf.reduce_mean(network.responses(y)[tap], (0, 1, 2)) for y in (x, fresh()))
    # Shares of 8192 independent pixels have standard errors of at most 0.005, and the observed of
    # 2048 ones are matched exactly; the weights still move by a little at every update.
    assert np.abs(made - observed).max() < 0.03
    reference = np.histogram(rng.normal(0, 60, 10**5), 9, (-128, 128))[0] / 10**5
    assert np.abs(reference - observed).max() > 0.15
