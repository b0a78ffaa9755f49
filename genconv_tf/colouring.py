"""The spectrum of data, and what is done by it: noise and changes as strong as theirs.

White noise that is filtered by the root of a spectrum is the least structured signal that has it
(B. Galerne, Y. Gousseau and J.-M. Morel, "Random phase textures: theory and synthesis", IEEE TIP
2011). Upsampled samples lack detail, and descent does not make all of it anew where filters hardly
respond; noise of the spectrum of what is lacking leaves it the phases to find. The same filter
keeps a descent from changing frequencies that the data hardly have.
"""

import numpy as np

from genconv_tf import noise
from genconv_tf.resample import upsample

REACH = 32  # samples: the longest correlations that are kept
FLOOR = 1e-3  # of the mean gain: the least, so that no frequency is out of reach


def lacking(x, below):
    """`x` less `below`, itself averaged down to another level, upsampled: of the shape of `x`."""
    return x - upsample(below, x.shape[1:-1], torus=False)


def covariance(x, reach=REACH):
    """Covariance of the channels of `x` at every lag, tapered towards `reach` and beyond it 0.

    Args:
        x: `(batch, *spatial, channels)`, stationary, on a torus; its mean is taken away.
        reach: samples; less where `x` is short.

    Returns:
        `(*lags, channels, channels)`, lag 0 first, as of a discrete Fourier transform.
    """
    x = np.asarray(x, np.float64)
    axes, lags = tuple(range(1, x.ndim - 1)), tuple(range(x.ndim - 2))
    waves = np.fft.fftn(x - x.mean((0, *axes)), axes=axes)
    power = np.mean(waves[..., :, None] * waves[..., None, :].conj(), axis=0)
    result = np.fft.ifftn(power, axes=lags).real / np.prod(power.shape[:-2])
    for axis in lags:
        n = result.shape[axis]
        # Its transform is nowhere negative, so that of the product is not either.
        lag, taper = _lags(min(reach, (n - 1) // 2))
        shape = [-1 if a == axis else 1 for a in range(result.ndim)]
        result = np.take(result, lag % n, axis) * taper.reshape(shape)
    return result


def root(covariance, size):
    """Root of the spectrum on a torus of `size`: `(*size, channels, channels)`, Hermitian."""
    for axis, n in enumerate(size):
        folded = np.zeros_like(covariance, shape=(n, *np.delete(covariance.shape, axis)))
        lag, _ = _lags(covariance.shape[axis] // 2)
        np.add.at(folded, lag % n, np.moveaxis(covariance, axis, 0))
        covariance = np.moveaxis(folded, 0, axis)
    value, vector = np.linalg.eigh(np.fft.fftn(covariance, axes=range(len(size))))
    value = np.sqrt(np.maximum(value, FLOOR**2 * max(value.mean(), 0.0)))
    return (vector * value[..., None, :]) @ np.swapaxes(vector.conj(), -1, -2)


def coloured(x, root):
    """`x`, `(batch, *size, channels)`, filtered by a `root`."""
    axes = range(1, np.ndim(x) - 1)
    waves = root @ np.fft.fftn(x, axes=axes)[..., None]
    return np.fft.ifftn(waves[..., 0], axes=axes).real


def draw(seeds, root):
    """Gaussian noise of the spectrum: `(batch, *size, channels)` float32, row i from `seeds[i]`."""
    return np.float32(coloured(noise.normal(seeds, root.shape[:-1], iteration=-3), root))


def _lags(reach):
    """Lags up to `reach` either way, 0 first, and the triangular taper over them."""
    lag = np.fft.ifftshift(np.arange(-reach, reach + 1))
    return lag, 1 - np.abs(lag) / (reach + 1)
