import numpy as np
import pytest
import tensorflow as tf

from genconv_tf import GenerativeConvNet, noise
from genconv_tf.energy import Reference
from genconv_tf.network import ScoringNetwork
from genconv_tf.penalty import added, now_and_then, overshoot
from genconv_tf.pyramid import Level
from genconv_tf.sampler import Sampler

RNG = np.random.default_rng(0)
SEEDS = tf.constant([[1, 2]])


def level(network, step_size=0.9, std=1.0):
    sampler = Sampler(step_size=step_size)
    return Level(network, Reference(std=std), (1,) * network.rank, sampler)


def network(rank=2, size=20, **kwargs):
    layers = [{"filters": 5, "kernel": 3}, {"filters": 4, "kernel": 3, "stride": 2}]
    made = ScoringNetwork(layers, rank=rank, weight_scale=1.0, **kwargs)
    made.build((None, *[size] * rank, 2))
    return made


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_gradient_at_the_data_is_that_of_finite_differences(rank):
    f = network(rank, 14)
    for bias in f.biases:  # no ReLU is near its kink, across which the gradient of f jumps
        bias.assign(tf.where(tf.range(bias.shape[0]) % 2 == 0, 50.0, -50.0))
    # f explains small data worse than nothing would.
    data = tf.constant(RNG.normal(0, 0.1, (1, *[14] * rank, 2)).astype(np.float32))
    penalty, gradients = overshoot(level(f), data, data, SEEDS)
    given = [(w, g) for w, g in zip(f.trainable_variables, gradients) if g is not None]
    assert len(given) >= 2 and penalty > 0
    direction = [tf.constant(RNG.normal(size=w.shape).astype(np.float32)) for w, _ in given]
    along = sum(tf.reduce_sum(g * d) for (_, g), d in zip(given, direction))
    values, step = [], 1e-3
    for move in (step, -2 * step):
        for (w, _), d in zip(given, direction):
            w.assign_add(move * d)
        values.append(overshoot(level(f), data, data, SEEDS)[0])
    np.testing.assert_allclose((values[0] - values[1]) / (2 * step), along, rtol=1e-2)


@pytest.mark.parametrize("std", [1.0, 0.01])
def test_white_noise_is_overshot_beyond_the_step_that_leads_to_its_mode(std):
    """f = 0: a step goes to (1 - a) x, with a = e²/2s². The mean of x² is 4."""
    f = network(weight_init="normal")
    for w in f.kernels:
        w.assign(tf.zeros_like(w))
    x = 2 * std * tf.ones((1, 20, 20, 2))
    for e in (0.9, 1.4):
        assert overshoot(level(f, e * std, std), x, x, SEEDS)[0] == 0
    received = overshoot(level(f, 2.0 * std, std), x, x, SEEDS)[0]
    np.testing.assert_allclose(received, (2.0 - 1) * 4, rtol=1e-4)


def test_a_kink_that_is_stepped_over_is_seen():
    """f = -k·relu(x): from x > 0 a step of a steep f leads beyond the kink and is thrown back."""
    layers = [{"filters": 1, "kernel": 1}, {"filters": 1, "kernel": 1, "relu": False}]
    f = ScoringNetwork(layers, rank=1)
    f.build((None, 20, 1))
    f.kernels[0].assign([[[1.0]]])
    f.kernels[1].assign([[[-3.0]]])
    chain = tf.fill((1, 20, 1), 0.5)
    data = tf.fill((1, 20, 1), -3.0)  # below the kink f is flat: nothing to penalise there
    before, y = -3.5, 0.5 - 0.405 * 3.5  # -0.9175, where the gradient is -y
    penalty, _ = overshoot(level(f), data, chain, SEEDS)
    np.testing.assert_allclose(penalty, -before * -y, rtol=1e-4)


def test_a_penalty_now_and_then_has_the_same_sum():
    w = [tf.Variable([1.0, 2.0]), tf.Variable([3.0])]

    @tf.function
    def gradient(iteration, interval):
        return now_and_then(lambda: [tf.constant([1.0, -2.0]), None], iteration, interval, w)

    for interval in (1, 3):
        each = [gradient(tf.constant(i), interval) for i in range(6)]
        np.testing.assert_array_equal(sum(g for g, _ in each), [6.0, -12.0])
        np.testing.assert_array_equal(sum(g for _, g in each), [0.0])
        assert np.count_nonzero([g[0] for g, _ in each]) == 6 / interval


def test_an_update_descends_the_penalty_of_its_weight(photograph):
    """Plain ascent: with and without the penalty, weights differ by rate · weight · gradient."""
    x = tf.constant(photograph[None].astype(np.float32) - 128)

    def learned(weight):
        learning = {
            "overshoot_penalty": weight,
            "optimizer": {"name": "sgd", "learning_rate": 1e-4},
        }
        layers = [{"filters": 8, "kernel": 5}, {"filters": 8, "kernel": 3}]
        model = GenerativeConvNet(layers, size=32, weight_scale=30.0, learning=learning)
        model.fit(tf.data.Dataset.from_tensors(x), verbose=0)
        return model

    plain, penalised = learned(0.0), learned(5.0)
    fresh = GenerativeConvNet(**penalised.get_config())
    chains = penalised.chains.states[0]
    np.testing.assert_array_equal(chains, plain.chains.states[0])
    seeds = noise.fold(noise.update_seeds(fresh.seed, 1, 0), 0)
    penalty, gradients = overshoot(fresh.levels[0], x, chains, seeds)
    assert penalty > 0
    for w, without, g in zip(
        penalised.trainable_variables, plain.trainable_variables, gradients, strict=True
    ):
        expected = 0 * w if g is None else 1e-4 * 5 * g
        np.testing.assert_allclose(without - w, expected, rtol=1e-2, atol=1e-6)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="overshoot_penalty >= 0"):
        GenerativeConvNet([{"filters": 2}], learning={"overshoot_penalty": -1.0})


@pytest.mark.parametrize("weight, expected", [(2.0, 2.0), (100.0, 15.0)])
def test_the_penalty_is_capped_at_three_likelihood_gradients(weight, expected):
    gradient = [tf.constant([3.0]), tf.constant([4.0])]
    penalty = [tf.constant([0.6]), tf.constant([0.8])]
    received = added(gradient, penalty, weight)
    np.testing.assert_allclose(received[0] - gradient[0], [0.6 * expected], rtol=1e-5)
    np.testing.assert_allclose(received[1] - gradient[1], [0.8 * expected], rtol=1e-5)


def test_chains_that_are_smaller_than_what_the_penalty_sees_are_refused():
    model = GenerativeConvNet([{"filters": 4, "kernel": 9}], levels=2, channels=1, size=18,
                              learning={"overshoot_penalty": 1.0, "chain_size": 16})  # fmt: skip
    with pytest.raises(ValueError, match=r"chains of at least \(18, 18\).*Received: \(16, 16\)"):
        model.build_chains((20, 20))
    model.twin(learning={"chain_size": 16}).build_chains((20, 20))
