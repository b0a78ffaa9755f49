"""The natural gradient of FRAME models, against NumPy and against what it is for."""

import numpy as np
import pytest
import tensorflow as tf

import genconv_tf as gct
from genconv_tf import natural_gradient as ng
from genconv_tf import statistics
from genconv_tf.learning import Learning

WEIGHTS = [{"filters": 1, "kernel": 1, "relu": False}]
LINEAR = {"filters": "linear", "wavelengths": [4], "orientations": 2, "differences": [1.0],
          "response": "absolute"}  # fmt: skip


def made(**changes):
    settings = {"layers": WEIGHTS, "bank": LINEAR, "size": 24, "channels": 1, "weight_scale": 0.0,
                "boundary": "torus", "reference": {"std": 60.0}}  # fmt: skip
    return gct.GenerativeConvNet(**{**settings, **changes})


def texture(count=1, size=40, scale=25.0):
    """Stripes among noise: what the filters of one direction see, those of the other do not."""
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 0.6, (count, size, size, 1))
    stripes = np.sin(np.arange(size) * np.pi / 2)[None, :, None, None]
    return tf.constant(scale * (noise + stripes), tf.float32)


@pytest.mark.parametrize("far", [0.1, 100.0])
def test_it_is_the_gradient_times_the_inverse_covariance(far):
    level, x = made().finest, texture(3)
    weights = level.network.trainable_variables
    rng = np.random.default_rng(0)
    random = [far * rng.normal(size=w.shape).astype(np.float32) for w in weights]
    gradients = [tf.constant(g) for g in random]
    made_of = ng.natural_gradient(level, x, gradients)
    cells = ng.responses_in_cells(level.network, x).numpy().astype(np.float64)
    c = np.cov(cells.T, bias=True)
    d = np.diag(c) + 0.01 * np.diag(c).mean()
    g = np.concatenate([np.ravel(g) for g, w in zip(gradients, weights) if "kernel" in w.path])
    step = np.linalg.solve(c + 0.1 * np.diag(d), g)
    distance = np.sqrt(g @ step)
    expected = step * np.mean(np.square(x)) / (2 * 60.0**2) / distance
    kernels = [after for w, after in zip(weights, made_of) if "kernel" in w.path]
    assert len(kernels) > 1
    np.testing.assert_allclose(np.concatenate([np.ravel(k) for k in kernels]), expected, rtol=2e-3)
    for w, before, after in zip(weights, gradients, made_of):
        assert after is before or "kernel" in w.path


def test_cells_are_those_of_the_coarsest_layer(tmp_path):
    """Of a bank of two layers, the finer averaged within the positions of the coarser."""
    import keras

    below = keras.Sequential([
        keras.layers.Input((None, None, 3)),
        keras.layers.Conv2D(4, 3, activation="relu", name="fine"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(5, 3, activation="relu", name="coarse"),
    ])  # fmt: skip
    below.save(tmp_path / "bank.keras")
    bank = {"filters": str(tmp_path / "bank.keras"), "layers": ["fine", "coarse"]}
    level = made(bank=bank, channels=3).finest
    x = tf.random.stateless_normal((2, 24, 22, 3), (1, 2))
    fine, coarse = statistics.weighed(level.network, x, "valid")
    assert fine.shape == (2, 22, 20, 4) and coarse.shape == (2, 9, 8, 5)
    cells = ng.responses_in_cells(level.network, x).numpy()
    assert cells.shape == (2 * 9 * 8, 9)
    np.testing.assert_allclose(cells[:, 4:], np.reshape(coarse, (-1, 5)), atol=1e-5)
    middle = fine.numpy()[:, 2:20, 2:18].reshape(2, 9, 2, 8, 2, 4).mean((2, 4))
    np.testing.assert_allclose(cells[:, :4], middle.reshape(-1, 4), atol=1e-5)


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_it_learns_a_histogram_in_forty_updates(rate):
    """Bright and dark pixels, nothing like the reference. The shares of nine bins sum to 1, so that
    their covariance alone has no inverse."""
    rng = np.random.default_rng(1)
    bright = rng.random((8, 16, 16, 1)) < 0.3
    x = np.where(bright, 40.0, -25.0) + rng.normal(0, 18, bright.shape)
    bank = {"filters": "linear", "wavelengths": (), "differences": (), "response": "bins"}
    falling = {"name": "sgd", "learning_rate": rate, "final_learning_rate": 0.05}
    model = made(
        bank={**bank, "bins": 9}, size=16, boundary="valid",
        sampler={"start_std": 60.0, "steps": 40, "step_size": 6.0},
        learning={"chains": 16, "updates": 40, "natural_gradient": True, "optimizer": falling},
    )  # fmt: skip
    x = tf.constant(x, tf.float32)
    model.fit(tf.data.Dataset.from_tensors(x).repeat(), steps_per_epoch=40, verbose=0)
    (observed,) = statistics.statistics(model.finest.network, x)
    chains = tf.convert_to_tensor(model.chains.states[0])
    (sampled,) = statistics.statistics(model.finest.network, chains)
    off = tf.reduce_mean(observed, 0) - tf.reduce_mean(sampled, 0)
    # Shares of 4096 pixels have standard errors of at most 0.007, and the weights still move.
    assert np.abs(off).max() < 0.03
    white = np.histogram(rng.normal(0, 60, 10**5), 9, (-128, 128))[0] / 10**5
    assert np.abs(np.ravel(tf.reduce_mean(observed, 0)) - white).max() > 0.15


@pytest.mark.parametrize("changes, message", [
    ({"bank": None}, "Expected a FRAME model, with a bank"),
    ({"layers": [{"filters": 2, "kernel": 1}]}, "Expected one layer of filters on the bank"),
    ({"layers": [{"filters": 2, "kernel": 1, "relu": False}]}, "Expected layers of one filter"),
    ({"layers": [{"filters": 1, "kernel": 3, "relu": False}]}, "Expected layers of one filter"),
    ({"reference": {"kind": "uniform"}}, "Expected a Gaussian reference"),
])  # fmt: skip
def test_models_without_one_are_refused(changes, message):
    model = made(learning={"natural_gradient": True, "updates": 1}, **changes)
    data = tf.data.Dataset.from_tensors(texture()).repeat()
    with pytest.raises(ValueError, match=message):
        model.fit(data, steps_per_epoch=1, verbose=0)


def test_it_is_one_or_by_variance():
    with pytest.raises(ValueError, match="by variance or natural"):
        Learning(by_variance=True, natural_gradient=True)
