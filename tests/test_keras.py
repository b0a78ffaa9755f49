"""What Keras expects of a model: compiling, saving, evaluating, policies, optimizers, data."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL

from genconv_tf import GenerativeConvNet, data


def test_a_compiled_model_is_loaded_with_its_optimizer_and_learns_on(small, photograph, tmp_path):
    dataset = data.images(photograph, size=32)
    small.compile(keras.optimizers.Adam(1e-3))
    small.fit(dataset.repeat(), steps_per_epoch=2, verbose=0)
    small.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.optimizer, keras.optimizers.Adam) and again.optimizer.iterations == 2
    for one, other in zip(again.optimizer.variables, small.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    again.fit(dataset, verbose=0)
    assert again.optimizer.iterations == 3


def test_held_out_data_are_scored_and_compared_with_the_chains(small, photograph):
    dataset, network = data.images(photograph, size=32), small.finest.network
    one = next(iter(dataset))
    x = tf.concat([one, 0.3 * one, -one], 0)
    batches = tf.data.Dataset.from_tensor_slices(x).batch(2)  # of two and of one
    small.compile()
    score = float(tf.reduce_mean(network.mean(x, network.data_boundary)))
    assert small.evaluate(batches, verbose=0) == pytest.approx(score, rel=1e-4)
    history = small.fit(dataset.repeat(), steps_per_epoch=2, validation_data=batches, verbose=0)
    score = float(tf.reduce_mean(network.mean(x, network.data_boundary)))
    gap = score - float(tf.reduce_mean(network.mean(small.chains.states[-1])))
    assert history.history["val_score"] == [pytest.approx(score, rel=1e-3)]
    assert history.history["val_energy_gap"] == [pytest.approx(gap, rel=1e-3, abs=1e-3)]
    assert not {"score", "val_gradient"} & set(history.history)


def test_the_gap_of_contrastive_divergence_is_that_of_its_learning(photograph):
    """Chains a step from the image are compared as it is, at its own boundary."""
    learning = {"start": "data", "rejuvenation": 1.0, "chains": 1}
    settings = {"levels": 1, "sampler": {"steps": 2}, "learning": learning}
    model = GenerativeConvNet(**{**SMALL, **settings})
    model.compile(keras.optimizers.SGD(0.0))
    dataset = data.images(photograph, size=32)
    logs = model.fit(dataset, validation_data=dataset, verbose=0).history
    assert logs["val_energy_gap"] == pytest.approx(logs["energy_gap"], rel=1e-3)


def test_chains_made_after_the_optimizer_start_where_chains_start(photograph):
    sampler = {"steps": 1, "step_size": 1e-6, "start_std": 20.0}
    model = GenerativeConvNet(**{**SMALL, "sampler": sampler, "learning": {"rejuvenation": 0.0}})
    dataset = data.images(photograph, size=32)
    model.fit(dataset, verbose=0)
    model.build_chains((32, 32))
    model.fit(dataset, verbose=0)
    assert np.std(model.chains.states[0]) > 10


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_policy_of_half_precision_learns_as_fast(policy, photograph):
    """There is no loss to scale, and what is not scaled is not divided by the scale."""
    keras.config.set_dtype_policy(policy)
    try:
        model = GenerativeConvNet(**SMALL)
        model.compile(keras.optimizers.SGD(1e-3))
        before = model.get_weights()
        model.fit(data.images(photograph, size=32), verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")
    change = max(np.abs(a - b).max() for a, b in zip(model.get_weights(), before, strict=True))
    assert change > 1e-5


@pytest.mark.parametrize(
    "settings", [{"loss_scale_factor": 2.0}, {"gradient_accumulation_steps": 2}]
)
def test_an_optimizer_that_does_not_step_at_every_update_is_refused(small, settings):
    with pytest.raises(ValueError, match=f"without {next(iter(settings))}"):
        small.compile(keras.optimizers.Adam(1e-3, **settings))
    with pytest.raises(ValueError, match="no loss to scale"):
        small.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-3)))


def test_counts_may_be_numbers_of_numpy(small):
    one, two, three = map(np.int64, (1, 2, 3))
    media = small.sample(two, steps=three, first=one, until=three)
    np.testing.assert_array_equal(media, small.sample(2, steps=3, first=1, until=3))


@pytest.mark.parametrize(
    "settings",
    [
        {"factor": 0},
        {"weight_scale": float("nan")},
        {"sampler": {"step_size": float("inf")}},
        {"sampler": {"steps": 10**11}},
        {"layers": [{"filters": 2, "kernel": 3, "learning_rate": float("nan")}]},
    ],
)
def test_numbers_that_nothing_can_be_done_with_are_refused(settings):
    with pytest.raises(ValueError, match="Expected"):
        GenerativeConvNet(**{**SMALL, **settings})


def test_data_of_other_types(small):
    x = np.random.default_rng(0).standard_normal((1, 32, 32, 3))
    small.fit(tf.data.Dataset.from_tensors(x), verbose=0)  # float64
    with pytest.raises(ValueError, match=r"data in floating point.*Received: uint8"):
        small.fit(tf.data.Dataset.from_tensors(x.astype(np.uint8)), verbose=0)
