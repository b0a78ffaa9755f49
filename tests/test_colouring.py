"""Noise of a given spectrum against the process that it is to be like, and what filters it."""

import numpy as np
import pytest
import tensorflow as tf

from genconv_tf import colouring
from genconv_tf.noise import row_seeds
from genconv_tf.resample import downsample, upsample

RNG = np.random.default_rng(3)


def process(size, channels=1):
    """A stationary Gaussian signal on a torus, with correlations of a few samples."""
    white = RNG.normal(size=(1, *size, channels))
    mixed = white @ RNG.normal(size=(channels, channels))
    axes = range(1, 1 + len(size))
    return sum(w * np.roll(mixed, s, axes) for w, s in ((1.0, 0), (0.8, 1), (-0.6, 3)))


def power(x, bands=8):
    """In bands of frequencies along the last spatial axis, `(bands, channels)`."""
    wave = np.abs(np.fft.fft(x, axis=-2)) ** 2
    parts = np.array_split(wave[..., : wave.shape[-2] // 2, :], bands, -2)
    return np.stack([part.mean(tuple(range(part.ndim - 1))) for part in parts])


@pytest.mark.parametrize("size, channels", [((4096,), 2), ((96, 120), 3), ((24, 40, 48), 1)])
def test_noise_has_the_spectrum_and_the_colours_of_its_source(size, channels):
    x = process(size, channels)
    covariance = colouring.covariance(x)
    assert covariance.shape == (*[min(65, 2 * ((n - 1) // 2) + 1) for n in size], *[channels] * 2)
    made = colouring.draw(row_seeds(0, 2), colouring.root(covariance, size))
    assert made.shape == (2, *size, channels) and made.dtype == np.float32
    # 250 waves of each or more in a band: a standard error of 9% of their ratio at most; tapering
    # fills the valleys of the spectrum with what is beside them.
    np.testing.assert_allclose(power(made), power(x), rtol=0.3, atol=0.02 * power(x).max())
    np.testing.assert_allclose(made.std((0, *range(1, made.ndim - 1))),
                               x.std(tuple(range(x.ndim - 1))), rtol=0.05)  # fmt: skip
    if channels > 1:
        one, other = (np.corrcoef(np.reshape(a, (-1, channels)).T) for a in (x, made))
        np.testing.assert_allclose(one, other, atol=0.05)


def test_a_row_depends_on_its_own_seed_alone():
    root = colouring.root(colouring.covariance(process((32, 32))), (20, 24))
    alone = colouring.draw(row_seeds(4, 1), root)
    np.testing.assert_array_equal(colouring.draw(row_seeds(4, 3), root)[:1], alone)


@pytest.mark.parametrize("size", [(16, 18), (9, 30), (64, 64)])
def test_a_root_is_that_of_the_spectrum_wherever_it_is_taken(size):
    covariance = colouring.covariance(process((24, 30), 2), reach=10)
    root = colouring.root(covariance, size)
    # By the definition of the spectrum, at one frequency of the torus.
    at = [3 / size[0], 5 / size[1]]
    lags = [np.fft.ifftshift(np.arange(-10, 11))] * 2
    wave = np.exp(-2j * np.pi * np.add.outer(lags[0] * at[0], lags[1] * at[1]))
    expected = np.einsum("ab,abij->ij", wave, covariance)
    np.testing.assert_allclose(root[3, 5] @ root[3, 5], expected, rtol=1e-6)
    assert np.linalg.eigvalsh(root).min() > 0


def test_filtering_is_symmetric_and_constant_data_have_no_spectrum():
    root = colouring.root(colouring.covariance(process((12, 14), 2)), (12, 14))
    one, other = RNG.normal(size=(2, 1, 12, 14, 2))
    np.testing.assert_allclose(
        np.vdot(one, colouring.coloured(other, root)), np.vdot(colouring.coloured(one, root), other)
    )
    constant = colouring.covariance(np.full((1, 12, 14, 2), 7.0))
    assert not colouring.root(constant, (12, 14)).any()


def test_what_is_lacking_makes_an_upsampled_signal_whole():
    x = tf.constant(process((16, 20), 2), tf.float32)
    below = downsample(x, 2)
    whole = upsample(below, (16, 20), torus=False) + colouring.lacking(x, below)
    np.testing.assert_allclose(whole, x, atol=1e-5)
