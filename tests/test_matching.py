"""Shared matching pursuit against a pursuit in NumPy."""

import numpy as np
import pytest

from genconv_tf import banks, linear_filters
from genconv_tf.layers import Layer
from genconv_tf.matching import match
from genconv_tf.network import ScoringNetwork
from genconv_tf.units import Units

RNG = np.random.default_rng(0)
SIZE = 20


def units(boundary="same", **bank):
    settings = {"wavelengths": [3], "orientations": 4, "differences": [1.0], "intensity": False}
    made = banks.make("linear", **{**settings, **bank})
    net = ScoringNetwork([Layer(1, "full", relu=False)], 2, boundary, bank=made)
    net.build((None, SIZE, SIZE, 1))
    return Units(net)


def dictionary():
    """Every filter of `units()` at every place, cut at the edges, with norm 1: (units, pixels)."""
    groups = [np.concatenate([linear_filters.gabor(3, o * np.pi / 4) for o in range(4)], -1),
              linear_filters.difference_of_gaussians(1.0)]  # fmt: skip
    atoms, whole = [], []
    for kernel in groups:
        half = kernel.shape[0] // 2
        for y in range(SIZE):
            for x in range(SIZE):
                for k in range(kernel.shape[-1]):
                    canvas = np.zeros((SIZE + 2 * half, SIZE + 2 * half))
                    canvas[y : y + 2 * half + 1, x : x + 2 * half + 1] = kernel[:, :, 0, k]
                    atom = canvas[half : half + SIZE, half : half + SIZE].ravel()
                    whole.append(np.square(atom).sum() / np.square(kernel[..., k]).sum() >= 0.5)
                    atoms.append(atom / np.linalg.norm(atom))
    return np.array(atoms), np.array(whole)


def pursuit(atoms, whole, images, count):
    left, chosen, energies = images.copy(), [], []
    for _ in range(count):
        response = left @ atoms.T
        shared = np.where(whole, np.square(response).sum(0), -1)
        shared[chosen] = -1
        chosen.append(int(shared.argmax()))
        left -= np.outer(response[:, chosen[-1]], atoms[chosen[-1]])
        energies.append(np.square(left).sum())
    return chosen, 1 - np.array(energies) / np.square(images).sum(), left


def test_it_selects_what_a_pursuit_in_numpy_selects():
    atoms, whole = dictionary()
    images = RNG.normal(size=(3, SIZE**2)) + 3 * RNG.normal(size=SIZE**2)
    chosen, explained, left = pursuit(atoms, whole, images, 12)
    found = match(units(), images.reshape(3, SIZE, SIZE, 1), 12)
    assert found.units.tolist() == chosen
    np.testing.assert_allclose(found.explained, [0, *explained], atol=1e-5)
    np.testing.assert_allclose(found.residuals.reshape(3, -1), left, atol=1e-3)
    assert (np.diff(found.explained) > 0).all()


def test_it_finds_gabors_where_they_were_put():
    atoms, _ = dictionary()
    own = units()
    placed = [8 * (5 * SIZE + 6) + 1, 8 * (12 * SIZE + 13) + 4, 8 * SIZE**2 + 15 * SIZE + 4]
    strength = np.array([[9.0, -7.0, 5.0], [8.0, 8.0, -4.0]])
    images = strength @ atoms[placed]
    found = match(own, images.reshape(2, SIZE, SIZE, 1), 3)
    assert found.units.tolist() == placed
    np.testing.assert_allclose(found.coefficients.T, strength, atol=0.2)
    assert found.explained[-1] > 0.998
    assert [own.describe(u) for u in placed] == [
        {"name": "Gabor of 3 pixels, 0 degrees, sine", "position": [5, 6]},
        {"name": "Gabor of 3 pixels, 90 degrees, cosine", "position": [12, 13]},
        {"name": "difference of Gaussians of 1 pixels", "position": [15, 4]}]  # fmt: skip


def test_a_unit_moves_a_little_in_each_image():
    atoms, _ = dictionary()
    places = [8 * (8 * SIZE + x) for x in (8, 9, 10)]
    images = 5 * atoms[places]
    x = images.reshape(3, SIZE, SIZE, 1)
    assert match(units(), x, 1).explained[1] < 0.8
    found = match(units(), x, 1, shift=1)
    # Three rows are as near.
    assert found.units[0] in [8 * (y * SIZE + 9) for y in (7, 8, 9)]
    assert found.places[0].tolist() == places
    np.testing.assert_allclose(found.explained, [0, 1], atol=1e-5)


def test_a_unit_does_not_move_beyond_the_edge():
    """Stripes that are strongest at the edge, where most of a filter of 6 pixels is cut off."""
    own = units(wavelengths=[6], differences=[])
    x = np.cos(2 * np.pi * np.arange(SIZE) / 6) * np.exp(-np.arange(SIZE) / 3)
    x = np.tile(x, (SIZE, 1)).astype(np.float32)[None, ..., None]
    kernels = np.concatenate([linear_filters.gabor(6, o * np.pi / 4) for o in range(4)], -1)
    half = kernels.shape[0] // 2
    for place in match(own, x, 4, shift=3).places.ravel():
        *at, k = np.unravel_index(place, (SIZE, SIZE, 8))
        inside = tuple(slice(max(0, half - n), half - n + SIZE) for n in at)
        square = np.square(kernels[:, :, 0, k])
        assert square[inside].sum() >= 0.5 * square.sum() - 1e-6


def test_rectified_filters_explain_one_sign_alone():
    atoms, _ = dictionary()
    place = 16 * (9 * SIZE + 9)
    x = 4 * atoms[place // 2].reshape(1, SIZE, SIZE, 1)
    found = match(units(response="relu"), x, 1)
    assert found.units.tolist() == [place]
    assert match(units(response="relu"), -x, 1).units.tolist() == [place + 8]


@pytest.mark.parametrize(("bank", "arguments", "message"), [
    ({"boundary": "valid"}, {"count": 10**6}, "filters that lie on the image"),
    ({}, {"count": 1, "shift": -1}, "Expected a shift >= 0"),
])  # fmt: skip
def test_what_cannot_be_matched_is_refused(bank, arguments, message):
    with pytest.raises(ValueError, match=message):
        match(units(**bank), np.zeros((1, SIZE, SIZE, 1)), **arguments)
