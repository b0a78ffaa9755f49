"""Linear filters of classical FRAME models: Gabor, differences of Gaussians, the intensity.

Units: lengths are in pixels, and every filter has an L1 norm of 1, so that responses are in grey
levels. A filter of mean zero then stays within ±127.5 on pixels in [0, 255], and on natural images,
whose spectrum falls with the frequency, filters of all wavelengths respond about as strongly.
"""

import math

import numpy as np

from genconv_tf.layers import Layer

# Standard deviations of a Gabor filter's envelope in wavelengths, across its stripes and along
# them: about one octave wide, elongated (FRAME figure 3).
ACROSS, ALONG = 0.4, 0.7
CUT = 2.5  # standard deviations where an envelope ends
RATIO = 1.6  # of the two Gaussians of a difference, which is close to a Laplacian of one
RESPONSES = ("relu", "absolute", "bins")


def layers(
    wavelengths=(4,),
    orientations=6,
    differences=(1.0,),
    intensity=True,
    response="absolute",
    bins=15,
    span=60.0,
    neighbours=False,
):
    """The bank as layers: `Layer`s, their kernels `(height, width, 1, filters)`, and the indices
    of those that give its responses.

    Args:
        wavelengths: of the Gabor filters; a layer each, because their sizes differ.
        orientations: of each wavelength, evenly spread; a cosine and a sine filter each.
        differences: standard deviations of the narrower Gaussian of each difference.
        intensity: whether the pixels themselves are among the responses.
        response: `"relu"` of every filter and of its negative, `"absolute"`, |r|, or `"bins"`, a
            smoothed histogram (FRAME eq. 5, 7).
        bins, span: of `"bins"`, see `Layer`; those of the intensity span all pixels.
        neighbours: whether half the difference of a pixel from the next along each axis is among
            the responses: with |r| a Markov random field of total variation.
    """
    if response not in RESPONSES:
        raise ValueError(f"Expected a response of {RESPONSES}. Received: {response!r}")
    spans = [span] * (len(wavelengths) + len(differences) + bool(neighbours)) + [max(span, 128.0)]
    angles = [o * math.pi / orientations for o in range(orientations)]
    groups = [np.concatenate([gabor(n, angle) for angle in angles], -1) for n in wavelengths]
    groups += [difference_of_gaussians(std) for std in differences]
    groups += [neighbour_differences()] if neighbours else []
    if intensity:
        groups.append(np.ones((1, 1, 1, 1)))
    if not groups:
        raise ValueError("Expected at least one filter in the bank. Received none")
    made, kernels, taps = [], [], []
    for kernel, span in zip(groups, spans):
        if response == "relu":
            kernel = np.concatenate([kernel, -kernel], -1)
        rectified = response == "relu"
        made.append(Layer(kernel.shape[-1], kernel.shape[:2], relu=rectified, after=-1))
        kernels.append(kernel)
        if not rectified:
            made.append(Layer(operation=response, bins=bins, span=span))
            kernels.append(None)
        taps.append(len(made) - 1)
    return made, kernels, taps


def names(
    wavelengths=(4,), orientations=6, differences=(1.0,), intensity=True, response="absolute",
    neighbours=False, **_,
):  # fmt: skip
    """What to call every filter of `layers`, of each of its groups: a list of lists."""
    waves = ("cosine", "sine")
    angles = [f"{180 * o / orientations:g} degrees" for o in range(orientations)]
    groups = [[f"Gabor of {n:g} pixels, {a}, {w}" for a in angles for w in waves]
              for n in wavelengths]  # fmt: skip
    groups += [[f"difference of Gaussians of {std:g} pixels"] for std in differences]
    groups += [["next in the row", "next in the column"]] if neighbours else []
    groups += [["intensity"]] if intensity else []
    if response == "relu":
        groups = [[*group, *(f"{name}, negative" for name in group)] for group in groups]
    return groups


def gabor(wavelength, orientation):
    """A cosine and a sine filter: `(size, size, 1, 2)`.

    Args:
        wavelength: in pixels, above 2, at which a sine is zero at every pixel.
        orientation: direction of the wave in radians, 0 along a row.
    """
    if not 2 < wavelength < math.inf:
        raise ValueError(f"Expected wavelengths above 2 pixels. Received: {wavelength}")
    half = math.ceil(CUT * ALONG * wavelength)
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    across = x * math.cos(orientation) + y * math.sin(orientation)
    along = y * math.cos(orientation) - x * math.sin(orientation)
    envelope = np.exp(-0.5 * ((across / ACROSS) ** 2 + (along / ALONG) ** 2) / wavelength**2)
    wave = 2 * math.pi * across / wavelength
    return np.stack([_even(np.cos(wave), envelope), _unit(np.sin(wave) * envelope)], -1)[:, :, None]


def difference_of_gaussians(std):
    """A bright spot with a dark surround: `(size, size, 1, 1)`; `std` of its centre, in pixels."""
    if not 0 < std < math.inf:
        raise ValueError(f"Expected a standard deviation above 0. Received: {std}")
    half = math.ceil(CUT * RATIO * std)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    square = (x * x + y * y).astype(np.float64)
    centre, surround = (np.exp(-0.5 * square / s**2) for s in (std, RATIO * std))
    return _unit(centre / centre.sum() - surround / surround.sum())[:, :, None, None]


def neighbour_differences():
    """Half of the next pixel of the row less this one, and of the column: `(2, 2, 1, 2)`."""
    row, column = [[-0.5, 0.5], [0, 0]], [[-0.5, 0], [0.5, 0]]
    return np.stack([row, column], -1)[:, :, None]


def _even(wave, envelope):
    """A cosine filter whose mean is zero: it does not see how bright the image is."""
    return _unit(envelope * (wave - (wave * envelope).sum() / envelope.sum()))


def _unit(kernel):
    return kernel / np.abs(kernel).sum()
