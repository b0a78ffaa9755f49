"""Gaussian noise of a given spectrum, and colours for it: what generated media are made of."""

import functools

import numpy as np


def frequencies(size, spacing):
    """Frequencies along every axis of samples so far apart."""
    return np.meshgrid(*(np.fft.fftfreq(n, d) for n, d in zip(size, spacing)), indexing="ij")


def cloud(rng, size, slope, stretch=None, least=4):
    """Gaussian noise of unit variance whose amplitude falls as frequency^-slope, periodic; without
    waves of which less than `least` fit into its longest side."""
    spacing = [1 / s for s in stretch or (1,) * len(size)]
    radius = functools.reduce(np.hypot, frequencies(size, spacing))
    gain = np.divide(
        1.0, radius**slope, out=np.zeros_like(radius), where=radius > least / max(size)
    )
    return standardised(np.fft.ifftn(np.fft.fftn(rng.normal(size=size)) * gain).real)


def standardised(x):
    return (x - x.mean()) / x.std()


def coloured_by(value, low, middle, high):
    """Colours between three by a value in about [-1.5, 1.5]: uint8 with an axis more."""
    channels = [np.interp(value, (-1.5, 0, 1.5), stops) for stops in zip(low, middle, high)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
