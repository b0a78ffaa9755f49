import itertools

import numpy as np
import pytest
import tensorflow as tf

from genconv_tf.convolution import convolve, operate, positions
from genconv_tf.layers import Layer

RNG = np.random.default_rng(0)


def by_hand(x, kernel, strides):
    """Correlation at every position where the kernel fits, one product at a time."""
    size, filters = kernel.shape[:-2], kernel.shape[-1]
    counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], size, strides)]
    out = np.zeros((len(x), *counts, filters))
    for place in itertools.product(*map(range, counts)):
        window = tuple(slice(p * s, p * s + k) for p, s, k in zip(place, strides, size))
        patch = x[(slice(None), *window)]
        out[(slice(None), *place)] = np.tensordot(patch, kernel, axes=len(size) + 1)
    return out


def padded(x, kernel, strides, boundary):
    widths = [(0, 0)]
    for n, k, s in zip(x.shape[1:-1], kernel.shape, strides):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        widths.append((total // 2, total - total // 2))
    mode = {"same": "constant", "torus": "wrap"}[boundary]
    return np.pad(x, [*widths, (0, 0)], mode=mode)


CASES = [
    (1, (21,), (5,), (3,)),
    (1, (20,), (4,), (1,)),
    (2, (11, 14), (5, 3), (3, 2)),
    (2, (9, 8), (3, 4), (1, 2)),
    (3, (5, 9, 8), (2, 4, 3), (1, 3, 2)),
    (3, (4, 6, 7), (3, 2, 4), (1, 1, 1)),
    (2, (6, 7), (6, 7), (1, 1)),  # kernels that cover all or all but the first of the axes
    (2, (9, 7), (3, 7), (2, 1)),
    (3, (7, 5, 4), (3, 5, 4), (2, 1, 1)),
]


@pytest.mark.parametrize("fast", [True, False], ids=["oneDNN", "Eigen"])
@pytest.mark.parametrize("boundary", ["valid", "same", "torus"])
@pytest.mark.parametrize("channels", [2, 17])
@pytest.mark.parametrize("rank, lengths, size, strides", CASES)
def test_convolution_equals_numpy(
    rank, lengths, size, strides, channels, boundary, fast, monkeypatch
):
    monkeypatch.setattr("genconv_tf.convolution_gradient.has_fast_gradient", lambda: fast)
    x = RNG.standard_normal((2, *lengths, channels)).astype(np.float32)
    kernel = RNG.standard_normal((*size, channels, 4)).astype(np.float32)
    wide = x if boundary == "valid" else padded(x, kernel, strides, boundary)
    expected = by_hand(wide.astype(np.float64), kernel, strides)
    received = convolve(tf.constant(x), tf.constant(kernel), strides, boundary).numpy()
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)
    counts = [positions(n, k, s, boundary) for n, k, s in zip(lengths, size, strides)]
    assert list(received.shape[1:-1]) == counts


def test_convolution_of_unknown_size_equals_that_of_known_size():
    x = RNG.standard_normal((2, 11, 14, 3)).astype(np.float32)
    kernel = tf.constant(RNG.standard_normal((5, 3, 3, 4)).astype(np.float32))
    free = tf.function(
        lambda x: convolve(x, kernel, (3, 2), "torus"),
        input_signature=[tf.TensorSpec([None, None, None, 3])],
    )
    expected = convolve(tf.constant(x), kernel, (3, 2), "torus")
    np.testing.assert_allclose(free(x), expected, rtol=1e-5, atol=1e-5)


def test_padding_adds_zeros_to_a_valid_convolution():
    x = RNG.standard_normal((1, 8, 9, 3)).astype(np.float32)
    kernel = RNG.standard_normal((5, 5, 3, 2)).astype(np.float32)
    expected = by_hand(np.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)]), kernel, (3, 3))
    received = convolve(tf.constant(x), tf.constant(kernel), (3, 3), "valid", padding=2)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("boundary", ["valid", "torus"])
def test_a_one_frame_video_equals_an_image(boundary):
    x = tf.constant(RNG.standard_normal((2, 12, 13, 3)).astype(np.float32))
    kernel = tf.constant(RNG.standard_normal((4, 5, 3, 6)).astype(np.float32))
    image = convolve(x, kernel, (2, 3), boundary)
    video = convolve(x[:, None], kernel[None], (1, 2, 3), boundary)
    np.testing.assert_allclose(video[:, 0], image, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("boundary", ["valid", "torus"])
def test_a_one_row_image_equals_a_sound(boundary):
    x = tf.constant(RNG.standard_normal((2, 40, 1)).astype(np.float32))
    kernel = tf.constant(RNG.standard_normal((9, 1, 6)).astype(np.float32))
    sound = convolve(x, kernel, (4,), boundary)
    image = convolve(x[:, None], kernel[None], (1, 4), boundary)
    np.testing.assert_allclose(image[:, 0], sound, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kind", "mean"), [("max", np.max), ("average", np.mean)])
def test_pooling_of_whole_axes_of_unknown_length_equals_numpy(kind, mean):
    """Frames pooled whole, and pairs of them: what `tf.nn.pool` alone cannot do."""
    layer = Layer(operation=kind, kernel=(2, "full", "full"), stride=(2, 1, 1))
    run = tf.function(
        lambda x: operate(x, layer, ("valid",) * 3),
        input_signature=[tf.TensorSpec((None, None, None, None, 3))],
    )
    x = np.random.default_rng(0).normal(size=(2, 6, 4, 5, 3)).astype(np.float32)
    expected = mean(x.reshape(2, 3, 2, 4, 5, 3), axis=(2, 3, 4))[:, :, None, None]
    np.testing.assert_allclose(run(x), expected, rtol=1e-5, atol=1e-6)
