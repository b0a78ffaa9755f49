import numpy as np
import tensorflow as tf
from conftest import SMALL

from genconv_tf import GenerativeConvNet
from genconv_tf.learning import likelihood_gradient
from genconv_tf.pyramid import near_data

RNG = np.random.default_rng(0)


def test_near_data_is_one_langevin_step_inside_and_the_data_at_the_edge():
    sampler = {"steps": 3, "step_size": 0.4, "temperature": 1e-12}
    # Without strides: those of a torus and of valid positions may begin at different samples.
    layers = [{"filters": 8, "kernel": 5}, {"filters": 6, "kernel": 3}]
    model = GenerativeConvNet(layers, size=32, weight_scale=1.0, sampler=sampler)
    level, x = model.finest, tf.constant(RNG.normal(0, 20, (1, 48, 40, 3)).astype(np.float32))
    near = near_data(level, x, tf.constant([[1, 2]]))
    expected = level.langevin(x, tf.constant([[1, 2]]), 1)  # on the torus: the same inside
    inside = slice(12, -12)
    np.testing.assert_allclose(near[:, inside, inside], expected[:, inside, inside], atol=1e-3)
    assert np.all(near[:, 0] == x[:, 0]) and np.all(near[:, :, -1] == x[:, :, -1])
    assert not np.any(near[:, inside, inside] == x[:, inside, inside])


def test_the_contrast_mixes_the_two_gradients():
    model = GenerativeConvNet(**{**SMALL, "levels": 1, "sampler": {"steps": 3}})
    network = model.networks[0]
    data, chains, near = (
        tf.constant(RNG.normal(0, 20, (1, 32, 32, 3)).astype(np.float32)) for _ in range(3)
    )
    gap, mixed = likelihood_gradient(network, data, chains, "top", near, 0.25)
    plain_gap, plain = likelihood_gradient(network, data, chains)
    assert gap == plain_gap
    with tf.GradientTape() as tape:
        # A one-step chain under the data's own boundary.
        count = network.layer_positions((32, 32), "valid")[-1]
        loss = network(near, boundary="valid") - network(data, boundary="valid")
        loss = loss[0] / count
    close = tape.gradient(loss, [v.value for v in network.trainable_variables])
    for received, a, b in zip(mixed, plain, close, strict=True):
        np.testing.assert_allclose(received, 0.75 * a + 0.25 * b, rtol=1e-3, atol=1e-4)
