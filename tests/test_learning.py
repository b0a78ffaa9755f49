import numpy as np
import pytest
import tensorflow as tf

from genconv_tf.learning import Learning, apply, clip_largest, decays, likelihood_gradient
from genconv_tf.model import GenerativeConvNet
from genconv_tf.network import ScoringNetwork

RNG = np.random.default_rng(0)


def small(boundary="torus", dtype="float32"):
    network = ScoringNetwork(
        [{"filters": 4, "kernel": 3, "stride": 2}, {"filters": 3, "kernel": 3}],
        boundary=boundary,
        weight_scale=1.0,
        dtype=dtype,
    )
    network.build((None, 12, 12, 3))
    return network


@pytest.mark.parametrize("boundary", ["torus", "valid", "same"])
def test_the_gradient_is_that_of_the_energy_gap(boundary):
    """Against central differences of f(chains) - f(data), each per position, weight by weight."""
    network = small(boundary, dtype="float64")
    data = tf.constant(RNG.standard_normal((1, 16, 14, 3)))
    chains = tf.constant(RNG.standard_normal((2, 12, 12, 3)))
    observed = "valid" if boundary == "torus" else boundary
    tops = (
        network.layer_positions((16, 14), observed)[-1],
        network.layer_positions((12, 12), boundary)[-1],
    )

    def loss():
        f_data = np.mean(network(data, boundary=observed)) / tops[0]
        return np.mean(network(chains)) / tops[1] - f_data

    gap, gradients = likelihood_gradient(network, data, chains)
    np.testing.assert_allclose(gap, -loss())
    for weight, gradient in zip(network.trainable_variables, gradients):
        value, h = weight.numpy(), 1e-6
        index = tuple(RNG.integers(n) for n in value.shape)
        ends = []
        for sign in (1, -1):
            moved = value.copy()
            moved[index] += sign * h
            weight.assign(moved)
            ends.append(loss())
        weight.assign(value)
        np.testing.assert_allclose(
            gradient.numpy()[index], (ends[0] - ends[1]) / (2 * h), rtol=1e-5, atol=1e-7
        )


def test_normalisation_by_layer_divides_each_layer_by_its_own_positions():
    network = small()
    data = tf.constant(RNG.standard_normal((1, 12, 12, 3)).astype(np.float32))
    chains = tf.constant(RNG.standard_normal((1, 12, 12, 3)).astype(np.float32))
    _, by_top = likelihood_gradient(network, data, chains, "top")
    _, by_layer = likelihood_gradient(network, data, chains, "layer")
    counts = network.layer_positions((12, 12))
    for variable, a, b in zip(network.trainable_variables, by_top, by_layer):
        layer = int(variable.name[-1])
        np.testing.assert_allclose(b, a * counts[-1] / counts[layer], rtol=1e-5)


def test_a_gradient_is_rescaled_to_its_largest_allowed_entry():
    np.testing.assert_allclose(clip_largest(tf.constant([40.0, -10.0]), 20.0), [20.0, -5.0])
    np.testing.assert_allclose(clip_largest(tf.constant([4.0, -1.0]), 20.0), [4.0, -1.0])


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_rates_scale_the_step_of_any_optimizer(name):
    learning = Learning(optimizer={"name": name, "learning_rate": 0.1})
    network, slowed = small(), small()
    variables = network.trainable_variables
    gradients = [tf.constant(RNG.standard_normal(v.shape).astype(np.float32)) for v in variables]
    before = [v.numpy() for v in variables]
    rates, none = [0.5, 1.0, 2.0, 0.0], [0.0] * 4
    apply(learning.make_optimizer(), gradients, variables, [1.0] * 4, none)
    apply(learning.make_optimizer(), gradients, slowed.trainable_variables, rates, none)
    for start, full, part, rate in zip(before, variables, slowed.trainable_variables, rates):
        np.testing.assert_allclose(part - start, rate * (full - start), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_weight_decay_is_decoupled_and_spares_the_biases(name):
    learning = Learning(
        optimizer={"name": name, "learning_rate": 0.5, "final_learning_rate": 0.1}, updates=2
    )
    network, plain = small(), small()
    for bias in network.biases + plain.biases:
        bias.assign(tf.ones_like(bias))
    variables = network.trainable_variables
    gradients = [tf.constant(RNG.standard_normal(v.shape).astype(np.float32)) for v in variables]
    before = [v.numpy() for v in variables]
    rates = [1.0, 1.0, 0.5, 0.5]
    one, other = learning.make_optimizer(), learning.make_optimizer()
    apply(one, gradients, plain.trainable_variables, rates, [0.0] * 4)
    apply(other, gradients, variables, rates, decays(network, 0.1))
    for variable, start, alone, rate in zip(
        variables, before, plain.trainable_variables, rates, strict=True
    ):
        decay = 0.0 if "bias" in variable.name else rate * 0.5 * 0.1
        np.testing.assert_allclose(variable, alone - decay * start, rtol=1e-5, atol=1e-6)


def test_each_level_has_weight_decay_of_its_own(photograph):
    sizes = {}
    for decay in (0.0, (0.0, 100.0)):
        model = GenerativeConvNet(
            layers=[{"filters": 4, "kernel": 3}], levels=2, size=16, precision="float32",
            sampler={"steps": 1}, learning={"weight_decay": decay},
        )  # fmt: skip
        model.compile("sgd")
        model.optimizer.learning_rate = 1e-3
        data = (photograph[None, :16, :16] - 128.0).astype(np.float32)
        model.fit(data, verbose=0)
        sizes[decay] = [np.linalg.norm(network.kernels[0]) for network in model.networks]
    np.testing.assert_allclose(sizes[0.0, 100.0][0], sizes[0.0][0], rtol=1e-6)
    assert sizes[0.0, 100.0][1] < 0.95 * sizes[0.0][1]


def test_the_learning_rate_falls_by_stage_and_linearly_within_one():
    learning = Learning(
        updates=10,
        grow_rate=0.5,
        optimizer={"name": "sgd", "learning_rate": 0.1, "final_learning_rate": 0.2},
    )
    schedule = learning.make_optimizer(stage=2)._learning_rate
    np.testing.assert_allclose([schedule(0), schedule(5), schedule(10)], [0.025, 0.015, 0.005])


@pytest.mark.parametrize("rejuvenation", [0.0, 0.3, 1.0])
def test_fit_recovers_the_mean_of_a_known_gaussian(rejuvenation):
    """f(x) = ⟨b, x⟩ learns b = mean / s²; the error is the Monte Carlo error of data and chains."""
    s, count = 2.0, 64
    mean = RNG.uniform(-3, 3, (4, 4, 1)).astype(np.float32)
    data = mean + s * RNG.standard_normal((count, 4, 4, 1)).astype(np.float32)
    model = GenerativeConvNet(
        [{"filters": 1, "kernel": "full", "relu": False}],
        channels=1,
        size=4,
        boundary="valid",
        weight_scale=0.0,
        reference={"std": s},
        sampler={"steps": 30, "step_size": 1.6, "start": "noise", "start_std": s},
        learning={
            "chains": 64,
            "rejuvenation": rejuvenation,
            "normalise": "none",
            "optimizer": {"name": "sgd", "learning_rate": 0.05},
        },
    )
    dataset = tf.data.Dataset.from_tensors(data).repeat()
    model.fit(dataset, steps_per_epoch=100, verbose=0)
    learned = s**2 * model.networks[0].kernels[0].numpy()[..., 0]
    # The data's own mean is matched. b follows the chains' mean as an autoregression whose step is
    # lr·s² = 0.2, so that of the variance of their mean 0.2 / (2 - 0.2) remains.
    variance = s**2 / (1 - 1.6**2 / (4 * s**2)) / 64
    error = np.sqrt(variance * 0.2 / 1.8)
    np.testing.assert_allclose(learned, data.mean(0), atol=5 * error)


@pytest.mark.parametrize(
    "settings",
    [
        {"chains": 0},
        {"chains": [4, 0]},
        {"updates": 0},
        {"start": "anywhere"},
        {"normalise": "all"},
        {"rejuvenation": 1.5},
        {"weight_decay": [0.0, -1.0]},
        {"level_rates": -0.5},
    ],
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r"Expected .* Received"):
        Learning(**settings)
