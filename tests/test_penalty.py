import numpy as np
import pytest
import tensorflow as tf

from genconv_tf import GenerativeConvNet
from genconv_tf.energy import Reference
from genconv_tf.network import ScoringNetwork
from genconv_tf.penalty import WINDOW, gradient_penalty, interior, window

RNG = np.random.default_rng(0)
SEEDS = tf.constant([[1, 2]])


def network(rank=2, size=20, **kwargs):
    layers = [{"filters": 5, "kernel": 3}, {"filters": 4, "kernel": 3, "stride": 2}]
    made = ScoringNetwork(layers, rank=rank, weight_scale=1.0, **kwargs)
    made.build((None, *[size] * rank, 2))
    return made


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_gradient_of_the_penalty_is_that_of_finite_differences(rank):
    f = network(rank, 14)
    for bias in f.biases:  # no ReLU is near its kink, across which the penalty jumps
        bias.assign(tf.where(tf.range(bias.shape[0]) % 2 == 0, 50.0, -50.0))
    x = tf.constant(RNG.normal(0, 1, (1, *[14] * rank, 2)).astype(np.float32))
    _, gradients = gradient_penalty(f, Reference(), x, SEEDS)
    given = [(w, g) for w, g in zip(f.trainable_variables, gradients) if g is not None]
    assert len(given) >= 2
    direction = [tf.constant(RNG.normal(size=w.shape).astype(np.float32)) for w, _ in given]
    along = sum(tf.reduce_sum(g * d) for (_, g), d in zip(given, direction))
    values, step = [], 1e-3
    for move in (step, -2 * step):
        for (w, _), d in zip(given, direction):
            w.assign_add(move * d)
        values.append(gradient_penalty(f, Reference(), x, SEEDS)[0])
    np.testing.assert_allclose((values[0] - values[1]) / (2 * step), along, rtol=1e-2)


def test_without_weights_it_is_the_mean_square_of_the_signal_in_any_unit():
    f = network(weight_init="normal")
    for w in f.kernels:
        w.assign(tf.zeros_like(w))
    x = tf.constant(RNG.normal(0, 3, (1, 20, 20, 2)).astype(np.float32))
    inside = x[:, *interior((20, 20), f.receptive_field())]
    penalty, _ = gradient_penalty(f, Reference(), x, SEEDS)
    np.testing.assert_allclose(penalty, np.mean(np.square(inside)), rtol=1e-5)
    scaled, _ = gradient_penalty(f, Reference(std=0.01), 0.01 * x, SEEDS)
    np.testing.assert_allclose(scaled, penalty, rtol=1e-5)


def test_windows_lie_in_the_data_and_move_with_the_seed():
    x = tf.reshape(tf.range(200.0), (1, 200, 1))
    first = {int(window(x, [5], tf.constant([[7, i]]))[0, 0, 0]) for i in range(40)}
    assert len(first) > 20 and max(first) <= 200 - WINDOW * 5
    assert window(x, [5], SEEDS).shape == (1, WINDOW * 5, 1)
    assert window(x, [None], SEEDS).shape == x.shape


def test_a_penalised_level_ends_less_steep(photograph):
    def steepness(weight):
        learning = {"updates": 30, "gradient_penalty": weight, "rejuvenation": 1.0,
                    "optimizer": {"name": "adam", "learning_rate": 1e-2}}  # fmt: skip
        layers = [{"filters": 8, "kernel": 5}, {"filters": 8, "kernel": 3}]
        model = GenerativeConvNet(layers, size=32, weight_scale=3.0, learning=learning)
        x = photograph[None].astype(np.float32) - 128
        model.fit(tf.data.Dataset.from_tensors(x).repeat(), steps_per_epoch=30, verbose=0)
        return float(gradient_penalty(model.networks[0], model.reference, tf.constant(x), SEEDS)[0])

    assert steepness(20.0) < 0.9 * steepness(0.0)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="gradient_penalty >= 0"):
        GenerativeConvNet([{"filters": 2}], learning={"gradient_penalty": -1.0})
