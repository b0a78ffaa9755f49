"""What upsampling lacks, as Gaussian noise: a start of the finer levels of a Julesz ensemble.

A coarse sample that is upsampled has no detail, and descent does not make all of it anew where
filters hardly respond. Of what the data have there the power at each frequency is known, and so is
the least structured signal that has it: the Gaussian one (B. Galerne, Y. Gousseau and J.-M. Morel,
"Random phase textures: theory and synthesis", IEEE TIP 2011). What is left to find are its phases.
"""

import numpy as np
import tensorflow as tf

from genconv_tf import noise
from genconv_tf.convolution import convolve
from genconv_tf.resample import upsample

RADIUS = 16  # samples, of the filter: it keeps correlations up to here


def lacking(x, below):
    """`x` less `below`, itself averaged down to another level, upsampled: of the shape of `x`."""
    return x - upsample(below, x.shape[1:-1], torus=False)


def colouring(x, radius=RADIUS):
    """The filter that gives white noise the spectrum of `x` and the correlations of its channels.

    It is symmetric: the root of the spectrum, a matrix at each frequency, without a phase. The
    covariance is tapered towards twice the radius, which smooths the spectrum.

    Args:
        x: `(batch, *spatial, channels)`, whose mean is taken away.
        radius: of the filter, less where `x` is short.

    Returns:
        `(*kernel, channels, channels)` float32, of an odd length `2 radius + 1` along each axis.
    """
    x = np.asarray(x, np.float64)
    axes = tuple(range(1, x.ndim - 1))
    lengths = [x.shape[axis] for axis in axes]
    reach = [min(radius, (n - 1) // 4) for n in lengths]
    x = x - x.mean((0, *axes))
    covariance = _fold(_covariance(x, axes), lengths, [4 * r + 1 for r in reach])
    power = np.fft.fftn(covariance, axes=range(len(axes))).real
    power = (power + np.swapaxes(power, -1, -2)) / 2
    value, vector = np.linalg.eigh(power)
    root = (vector * np.sqrt(np.maximum(value, 0.0))[..., None, :]) @ np.swapaxes(vector, -1, -2)
    kernel = np.fft.ifftn(root, axes=range(len(axes))).real
    for axis, r in enumerate(reach):
        kernel = np.take(kernel, np.arange(-r, r + 1), axis)
    made = np.sum(kernel**2, axis=(*range(len(axes)), -2))
    kernel *= np.sqrt(x.var((0, *axes)) / np.maximum(made, 1e-12))
    return kernel.astype(np.float32)


def draw(seeds, size, kernel):
    """Noise of such a spectrum on a torus: `(batch, *size, channels)`, row i from `seeds[i]`."""
    white = noise.normal(seeds, [*size, kernel.shape[-1]], iteration=-3)
    return convolve(white, tf.constant(kernel), (1,) * len(size), "torus")


def _covariance(x, axes):
    """Of the channels at every lag, on a torus, `(*spatial, channels, channels)`; of a batch."""
    waves = np.fft.fftn(x, axes=axes)
    power = np.mean(waves[..., :, None] * waves[..., None, :].conj(), axis=0)
    lags = tuple(axis - 1 for axis in axes)
    return np.fft.ifftn(power, axes=lags).real / np.prod([x.shape[axis] for axis in axes])


def _fold(covariance, lengths, sizes):
    """Lags around 0 alone, `sizes` of them along each axis, those far from 0 tapered."""
    for axis, (n, size) in enumerate(zip(lengths, sizes)):
        lags = np.fft.fftfreq(size, 1 / size).round().astype(int)
        taper = 1 - np.abs(lags) / (size // 2 + 1)  # whose transform is nowhere negative
        shape = [-1 if a == axis else 1 for a in range(covariance.ndim)]
        covariance = np.take(covariance, lags % n, axis) * taper.reshape(shape)
    return covariance
