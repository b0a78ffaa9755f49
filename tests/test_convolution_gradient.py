"""The gradient of our own against TensorFlow's, whichever of them this machine would take."""

import numpy as np
import pytest
import tensorflow as tf

from genconv_tf import GenerativeConvNet, convolution_gradient
from genconv_tf.convolution_gradient import convolve_valid, plain, with_gradient

RNG = np.random.default_rng(0)
CASES = [((21,), (5,)), ((12, 9), (3, 4)), ((6, 8, 7), (2, 3, 1))]
CHANNELS, FILTERS = 33, 35


def normal(*shape):
    return tf.constant(RNG.standard_normal(shape).astype(np.float32))


@pytest.fixture(params=[False, True], ids=["Eigen", "oneDNN"])
def fast(request, monkeypatch):
    """Whether TensorFlow's own gradient is the fast one."""
    monkeypatch.setattr(convolution_gradient, "has_fast_gradient", lambda: request.param)
    return request.param


def close(received, expected):
    np.testing.assert_allclose(received, expected, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("channels", [3, CHANNELS])
@pytest.mark.parametrize("lengths, size", CASES)
def test_both_gradients_are_those_of_tensorflow(lengths, size, channels, known, monkeypatch):
    monkeypatch.setattr(convolution_gradient, "has_fast_gradient", lambda: False)
    x, kernel = normal(2, *lengths, channels), normal(*size, channels, FILTERS)
    upstream = normal(2, *(n - k + 1 for n, k in zip(lengths, size)), FILTERS)

    def gradients(convolution):
        @tf.function(input_signature=[tf.TensorSpec(x.shape if known else [None] * x.shape.rank)])
        def run(x):
            x = tf.ensure_shape(x, [None] * (x.shape.rank - 1) + [channels])
            with tf.GradientTape() as tape:
                tape.watch([x, kernel])
                y = tf.nn.relu(convolution(x, kernel))
            return tape.gradient(y, [x, kernel], upstream)

        return run(x)

    expected = gradients(plain)
    for convolution in (with_gradient, convolve_valid):
        for received, one in zip(gradients(convolution), expected, strict=True):
            close(received, one)


def test_the_gradient_of_a_gradient_is_that_of_tensorflow(fast):
    """What a penalty on ∂f/∂x descends, through two layers."""
    x, kernels = normal(1, 10, 11, CHANNELS), [normal(3, 3, CHANNELS, 34), normal(2, 2, 34, 33)]

    def penalty(convolution):
        @tf.function
        def run(x, kernels):
            with tf.GradientTape() as outer:
                outer.watch(kernels)
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    h = tf.nn.relu(convolution(x, kernels[0]))
                    f = tf.reduce_sum(tf.nn.relu(convolution(h, kernels[1])))
                steep = tf.reduce_sum(tape.gradient(f, x) ** 2)
            return outer.gradient(steep, kernels)

        return run(x, kernels)

    for received, expected in zip(penalty(convolve_valid), penalty(plain), strict=True):
        close(received, expected)


@pytest.mark.parametrize(
    "channels, strides, own", [(33, (1, 1), True), (33, (1, 2), False), (8, (1, 1), False)]
)
def test_it_is_taken_where_it_is_faster(channels, strides, own, fast):
    kernel = normal(3, 3, channels, 40)

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = convolve_valid(x, kernel, strides)
        return tape.gradient(y, x)

    spec = tf.TensorSpec((1, 12, 12, channels))
    graph = tf.function(gradient).get_concrete_function(spec).graph
    turned = any(op.type == "ReverseV2" for op in graph.get_operations())
    assert turned == (own and not fast)


def test_a_saved_convolution_keeps_its_gradient(fast, tmp_path):
    x, kernel = normal(1, 9, 8, CHANNELS), normal(3, 3, CHANNELS, FILTERS)
    module = tf.Module()
    module.f = tf.function(
        lambda x: tf.reduce_sum(tf.nn.relu(convolve_valid(x, kernel))),
        input_signature=[tf.TensorSpec((None, None, None, CHANNELS))],
    )
    tf.saved_model.save(module, str(tmp_path))
    gradients = []
    for f in (
        tf.saved_model.load(str(tmp_path)).f,
        lambda x: tf.reduce_sum(tf.nn.relu(plain(x, kernel))),
    ):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        gradients.append(tape.gradient(y, x))
    close(*gradients)


def test_an_export_leaves_its_gradients_to_tensorflow(monkeypatch, tmp_path):
    """Nothing is missed where it is loaded, and f can be differentiated there."""
    monkeypatch.setattr(convolution_gradient, "has_fast_gradient", lambda: False)
    layers = [{"filters": CHANNELS, "kernel": 3}, {"filters": 4, "kernel": 3}]
    model = GenerativeConvNet(layers, size=12, channels=1, weight_scale=1.0)
    model.export(tmp_path / "1")
    assert b"_gradient_op_type" not in (tmp_path / "1" / "saved_model.pb").read_bytes()
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    x = normal(2, 12, 12, 1)
    with tf.GradientTape() as tape:
        tape.watch(x)
        f = loaded.signatures["score"](x=x)["score"]
    close(f, model.score(x))
    close(tape.gradient(f, x), model.log_density_gradient(x) + x)
