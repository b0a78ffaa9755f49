import numpy as np
import pytest
import tensorflow as tf

from genconv_tf.resample import downsample, upsample

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


def test_downsampling_averages_blocks_and_drops_the_rest():
    x = RNG.standard_normal((1, 7, 4, 3)).astype(np.float32)
    expected = x[:, :6].reshape(1, 3, 2, 2, 2, 3).mean((2, 4))
    np.testing.assert_allclose(downsample(tf.constant(x)), expected, rtol=1e-5, atol=1e-6)
