import numpy as np
import pytest

from genconv_tf import guides


def test_grey_levels_mix_two_models():
    guide = np.repeat(np.uint8([[0, 255, 51, 102]])[..., None], 3, -1)
    first, second = guides.weights(guide, 2, (1, 4), soften=0)
    np.testing.assert_allclose(second, [[0, 1, 0.2, 0.4]], atol=1e-6)
    np.testing.assert_allclose(first + second, 1)


def test_colours_are_models_in_the_order_they_appear():
    red, green, blue = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    guide = np.zeros((30, 40, 3), np.uint8)
    guide[:] = green
    guide[10:] = red
    guide[20:, 15:] = blue
    guide[20, 5] = (10, 0, 240)  # the blur of a border: as blue
    maps = guides.weights(guide, 3, (30, 40), soften=0)
    expected = np.zeros((3, 30, 40))
    expected[0, :10] = expected[1, 10:] = expected[2, 20:, 15:] = 1
    expected[1, 20:, 15:] = 0
    expected[:, 20, 5] = 0, 0, 1
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    np.testing.assert_array_equal(guides.colours(guide, 3), [green, red, blue])


def test_softened_maps_are_a_gaussian_step_on_a_torus():
    from math import erf

    labels = np.zeros((4, 200), int)
    labels[:, 50:150] = 1
    _, second = guides.weights(labels, 2, (4, 200), soften=5.0)
    # Sample i covers [i, i + 1); the step at 50 is smoothed to the normal distribution's.
    place = np.arange(30, 70) + 0.5 - 50
    expected = [0.5 + 0.5 * erf(p / (5 * 2**0.5)) for p in place]
    np.testing.assert_allclose(second[0, 30:70], expected, atol=0.01)
    np.testing.assert_allclose(second[0], second[0, ::-1], atol=1e-9)


def test_guides_are_scaled_to_the_canvas():
    labels = np.repeat([[0, 1]], 2, 0)
    maps = guides.weights(labels, 2, (30, 50), soften=0)
    assert maps.shape == (2, 30, 50)
    np.testing.assert_allclose(maps[1, :, 40:], 1, atol=1e-6)
    np.testing.assert_allclose(maps[1, :, :10], 0, atol=1e-6)
    np.testing.assert_allclose(maps.mean((1, 2)), 0.5, atol=0.01)


@pytest.mark.parametrize("guide, message", [
    (np.zeros((4, 4), float), "labels from 0 to 2"),
    (np.full((4, 4), 3), "labels from 0 to 2"),
    (np.zeros((4, 4, 3), np.uint8), "3 colours, one for each model. Received: 1"),
    (np.zeros((4, 4, 4), np.uint8), r"\(height, width, 3\)"),
])  # fmt: skip
def test_guides_that_name_no_model_are_refused(guide, message):
    with pytest.raises(ValueError, match=message):
        guides.weights(guide, 3, (8, 8))
