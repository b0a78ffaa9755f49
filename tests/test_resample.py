import numpy as np
import pytest
import tensorflow as tf

from genconv_tf.resample import downsample, downsample_to_multiple, upsample

RNG = np.random.default_rng(0)


def keys(d):
    d = abs(d)
    if d <= 1:
        return 1.5 * d**3 - 2.5 * d**2 + 1
    return -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2 if d < 2 else 0.0


@pytest.mark.parametrize("torus", [True, False])
@pytest.mark.parametrize("new", [7, 12, 13])
def test_upsampling_equals_cubic_interpolation_by_hand(new, torus):
    x = RNG.standard_normal(6).astype(np.float32)
    expected = []
    for i in range(new):
        place = (i + 0.5) * 6 / new - 0.5
        near = range(int(np.floor(place)) - 1, int(np.floor(place)) + 3)
        index = [(j % 6 if torus else min(max(j, 0), 5), keys(place - j)) for j in near]
        expected.append(sum(x[j] * w for j, w in index))
    received = upsample(tf.constant(x[None, :, None]), [new], torus)
    np.testing.assert_allclose(received[0, :, 0], expected, rtol=1e-4, atol=1e-5)


def test_every_axis_of_any_rank_is_upsampled():
    x = tf.constant(RNG.standard_normal((2, 3, 4, 5, 2)).astype(np.float32))
    whole = upsample(x, (6, 7, 10))
    assert whole.shape == (2, 6, 7, 10, 2)
    np.testing.assert_allclose(
        upsample(tf.ones_like(x), (6, 7, 10)), tf.ones_like(whole), rtol=1e-5
    )


def test_upsampled_onto_a_signal_is_added_to_it():
    x, signal = (RNG.standard_normal(n).astype(np.float32) for n in ((1, 4, 5, 2), (1, 9, 7, 2)))
    expected = signal + upsample(tf.constant(x), (9, 7))
    received = upsample(tf.constant(x), (9, 7), onto=tf.constant(signal))
    np.testing.assert_allclose(received, expected, atol=1e-6)


@pytest.mark.parametrize("size", [(8, 9), (7, 11), (3, 2)])
def test_an_incomplete_block_averages_what_it_has(size):
    x = RNG.standard_normal((2, *size, 3)).astype(np.float32)
    rows, columns = (range(0, n, f) for n, f in zip(size, (4, 3)))
    expected = [[x[:, i : i + 4, j : j + 3].mean((1, 2)) for j in columns] for i in rows]
    expected = np.transpose(expected, (2, 0, 1, 3))
    np.testing.assert_allclose(downsample_to_multiple(tf.constant(x), (4, 3)), expected, atol=1e-6)
    any_size = tf.function(lambda x: downsample_to_multiple(x, (4, 3)),
                           input_signature=[tf.TensorSpec([None, None, None, 3])])  # fmt: skip
    np.testing.assert_allclose(any_size(x), expected, atol=1e-6)


def test_downsampling_averages_blocks_and_drops_the_rest():
    x = RNG.standard_normal((1, 7, 4, 3)).astype(np.float32)
    expected = x[:, :6].reshape(1, 3, 2, 2, 2, 3).mean((2, 4))
    np.testing.assert_allclose(downsample(tf.constant(x)), expected, rtol=1e-5, atol=1e-6)
