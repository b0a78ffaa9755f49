"""Baselines for the recovery of masked images."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import linprog

from genconv_tf import inpainting
from genconv_tf.inpainting import METHODS, compare, recovery_error

RNG = np.random.default_rng(0)
IMAGE = RNG.uniform(0, 255, (16, 14, 3)).astype(np.float32)
every_method = pytest.mark.parametrize("name", METHODS)


def box(shape, rows, columns):
    mask = np.zeros(shape, bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


INSIDE = box((16, 14), (4, 11), (3, 10))
BORDERS = {
    "top": box((16, 14), (0, 1), (0, 14)),
    "corner": box((16, 14), (9, 16), (0, 8)),
    "across": box((16, 14), (0, 16), (5, 9)),
    "all but one line": ~box((16, 14), (7, 8), (0, 14)),
    "all but one pixel": ~box((16, 14), (7, 8), (5, 6)),
    "holes": box((16, 14), (0, 16, 15), (0, 14, 13)) | box((16, 14), (1, 2), (1, 2)),
}


def neighbours(shape):
    """All pairs of adjacent places."""
    for place in np.ndindex(shape):
        for other in ((place[0] + 1, place[1]), (place[0], place[1] + 1)):
            if other[0] < shape[0] and other[1] < shape[1]:
                yield place, other


def l1_energy(image):
    image = image.astype(np.float64)
    return sum(np.abs(image[a] - image[b]) for a, b in neighbours(image.shape[:2]))


def least_l1_energy(image, mask):
    """Of one channel, as a linear programme: the least Σ t with -t <= x_i - x_j <= t."""
    pairs, size = list(neighbours(mask.shape)), image.size
    rows = np.zeros((2 * len(pairs), size + len(pairs)))
    for i, (a, b) in enumerate(pairs):
        a, b = (np.ravel_multi_index(place, mask.shape) for place in (a, b))
        rows[i, [a, b, size + i]] = 1, -1, -1
        rows[len(pairs) + i, [a, b, size + i]] = -1, 1, -1
    known = [(None, None) if hidden else (float(value), float(value))
             for value, hidden in zip(image.ravel(), mask.ravel())]  # fmt: skip
    cost = np.r_[np.zeros(size), np.ones(len(pairs))]
    return linprog(cost, rows, np.zeros(len(rows)), bounds=known + [(0, None)] * len(pairs)).fun


@every_method
def test_known_pixels_are_unchanged(name):
    for image in (IMAGE, IMAGE.astype(np.uint8), IMAGE[..., :1]):
        before = image.copy()
        recovered = METHODS[name](image, INSIDE)
        assert recovered.dtype == np.float32 and recovered.shape == image.shape
        np.testing.assert_array_equal(recovered[~INSIDE], image[~INSIDE])
        np.testing.assert_array_equal(image, before)
        assert np.isfinite(recovered).all() and 0 <= recovered.min() <= recovered.max() <= 255


@every_method
def test_nothing_is_seen_of_what_is_masked(name):
    other = IMAGE.copy()
    other[INSIDE] = 255 - other[INSIDE]
    np.testing.assert_array_equal(METHODS[name](IMAGE, INSIDE), METHODS[name](other, INSIDE))


@every_method
def test_the_channels_do_not_mix(name):
    alone = METHODS[name](IMAGE[..., 1:2], INSIDE)
    # mrf-l1 goes on until all channels are within its tolerance.
    within = 1.0 if name == "mrf-l1" else 1e-3
    np.testing.assert_allclose(METHODS[name](IMAGE, INSIDE)[..., 1:2], alone, atol=within)


@every_method
@pytest.mark.parametrize("place", BORDERS)
def test_a_flat_image_is_recovered_up_to_its_border(name, place):
    mask = BORDERS[place].astype(np.uint8) * 255
    flat = np.where(mask[..., None], 255, np.full((16, 14, 2), 100.0))
    # OpenCV's gradient term of Telea's method is as large in flat images as in any.
    within = 3.0 if name == "telea" else 1e-3
    np.testing.assert_allclose(METHODS[name](flat, mask), 100, atol=within)
    bounded = METHODS[name](IMAGE, mask)
    assert np.isfinite(bounded).all() and 0 <= bounded.min() <= bounded.max() <= 255


@every_method
@pytest.mark.parametrize("shape", [(1, 6), (6, 1), (2, 2)])
def test_the_smallest_images_are_recovered(name, shape):
    mask = np.zeros(shape, bool)
    mask[-1, -1] = True
    np.testing.assert_allclose(METHODS[name](np.full((*shape, 1), 50.0), mask), 50, atol=3)


@pytest.mark.parametrize("name", ["mrf-l2", "biharmonic", "linear", "cubic"])
def test_a_ramp_is_recovered_exactly(name):
    rows, columns = np.mgrid[:16, :14][..., None]
    ramp = 20 + rows * [7.0, 0.0, 3.0] + columns * [0.0, 9.0, 5.0]
    np.testing.assert_allclose(METHODS[name](ramp, INSIDE), ramp, atol=1e-3)


@pytest.mark.parametrize("name", ["telea", "navier-stokes"])
def test_opencv_heals_a_scratch_in_a_ramp(name):
    ramp = np.tile(10 * np.arange(14.0)[None, :, None], (16, 1, 2))
    mask = box((16, 14), (2, 14), (6, 7))
    np.testing.assert_allclose(METHODS[name](ramp, mask), ramp, atol=2)


def test_an_edge_stays_sharp_under_l1_and_blurs_under_l2():
    edge = np.zeros((16, 14, 1))
    edge[:, 6:] = 200
    # Every row has to climb by 200; a place other than that of the rows above and below costs more.
    np.testing.assert_allclose(METHODS["mrf-l1"](edge, INSIDE), edge, atol=4)
    blurred = METHODS["mrf-l2"](edge, INSIDE)
    assert 60 < blurred[7, 5, 0] < blurred[7, 6, 0] < 140


@pytest.mark.parametrize("mask", [INSIDE, *BORDERS.values()])
def test_the_mode_under_l2_is_the_mean_of_its_neighbours(mask):
    recovered = METHODS["mrf-l2"](IMAGE, mask).astype(np.float64)
    total, count = np.zeros_like(recovered), np.zeros((16, 14, 1))
    for a, b in neighbours((16, 14)):
        total[a] += recovered[b]
        total[b] += recovered[a]
        count[a] += 1
        count[b] += 1
    np.testing.assert_allclose(recovered[mask], (total / count)[mask], atol=1e-3)


@pytest.mark.parametrize("mask", [INSIDE, *BORDERS.values()])
def test_the_mode_under_l1_has_the_least_energy(mask):
    energy = l1_energy(METHODS["mrf-l1"](IMAGE, mask))
    for channel in range(3):
        least = least_l1_energy(IMAGE[..., channel], mask)
        assert least * (1 - 1e-6) <= energy[channel] <= least * 1.001


def test_the_contrast_of_an_image_does_not_matter_to_l1():
    low = METHODS["mrf-l1"](IMAGE / 1000, INSIDE)
    np.testing.assert_allclose(1000 * low, METHODS["mrf-l1"](IMAGE, INSIDE), atol=0.1)


def test_too_few_steps_are_said(monkeypatch):
    monkeypatch.setattr(inpainting, "STEPS", 1)
    with pytest.warns(RuntimeWarning, match=r"gap of at most 0.001 .* after 1 steps"):
        METHODS["mrf-l1"](IMAGE, INSIDE)


def test_the_nearest_pixel_is_taken():
    recovered = METHODS["nearest"](IMAGE, INSIDE)
    known = np.argwhere(~INSIDE)
    for place in np.argwhere(INSIDE):
        distance = np.linalg.norm(known - place, axis=1)
        choice = [IMAGE[tuple(k)] for k in known[distance <= distance.min() + 1e-9]]
        assert any((recovered[tuple(place)] == value).all() for value in choice)


@pytest.mark.parametrize("name", ["linear", "cubic"])
def test_outside_the_convex_hull_the_nearest_pixel_is_taken(name):
    mask = ~box((16, 14), (4, 10), (5, 9))
    recovered = METHODS[name](IMAGE, mask)
    np.testing.assert_array_equal(recovered[:4, 5:9], np.tile(IMAGE[4:5, 5:9], (4, 1, 1)))
    np.testing.assert_array_equal(recovered[10:, 9:], np.broadcast_to(IMAGE[9, 8], (6, 5, 3)))


def test_the_error_is_the_mean_over_masked_pixels_and_channels_in_0_to_1():
    original = np.array([[[0, 255], [10, 20]], [[30, 40], [255, 0]]], np.uint8)
    recovered = np.array([[[51, 204], [99, 99]], [[99, 99], [255, 102]]], np.float32)
    mask = [[7, 0], [0, 1]]
    assert recovery_error(original, recovered, mask) == pytest.approx((0.2 + 0.2 + 0 + 0.4) / 4)


def test_methods_are_compared_on_every_image():
    seen = []

    def grey(image, mask):
        seen.append(image[mask])
        return np.full_like(image, 100)

    images = [np.full((4, 5, 1), 151, np.uint8), np.full((3, 3, 3), 49.0)]
    masks = [box((4, 5), (1, 3), (1, 3)), box((3, 3), (0, 1), (0, 1))]
    errors = compare(images, masks, {"grey": grey, "nearest": METHODS["nearest"]})
    assert errors == {"grey": pytest.approx([0.2, 0.2]), "nearest": [0.0, 0.0]}
    assert len(seen) == 2 and not any(pixels.any() for pixels in seen)
    assert list(compare(images[:1], masks[:1])) == list(METHODS)


@pytest.mark.parametrize(
    "image, mask, message",
    [
        (IMAGE[..., 0], INSIDE, r"an image \(height, width, channels\). Received: \(16, 14\)"),
        (IMAGE[:0], INSIDE[:0], r"an image \(height, width, channels\). Received: \(0, 14, 3\)"),
        (IMAGE, INSIDE.T, r"a mask of \(16, 14\). Received: \(14, 16\)"),
        (IMAGE, INSIDE[..., None], r"a mask of \(16, 14\). Received: \(16, 14, 1\)"),
        (IMAGE, np.zeros((16, 14)), "some masked pixels. Received: a mask of none"),
        (IMAGE, np.ones((16, 14)), "some known pixels. Received: a mask of every pixel"),
        (np.where(INSIDE[..., None], IMAGE, np.nan), INSIDE, "finite pixels"),
        (np.where(INSIDE[..., None], IMAGE, np.inf), INSIDE, "finite pixels"),
        (IMAGE + 100, INSIDE, r"pixels in \[0, 255\]. Received: 1\d\d.* to 3"),
        (-IMAGE, INSIDE, r"pixels in \[0, 255\]. Received: -"),
    ],
)
def test_what_cannot_be_recovered_is_said(image, mask, message):
    for recover in METHODS.values():
        with pytest.raises(ValueError, match=f"^Expected {message}"):
            recover(image, mask)
    with pytest.raises(ValueError, match=f"^Expected {message}"):
        compare([image], [mask])


def test_what_cannot_be_measured_is_said():
    with pytest.raises(ValueError, match=r"recovered image of .* Received: \(16, 14, 1\)"):
        recovery_error(IMAGE, IMAGE[..., :1], INSIDE)
    with pytest.raises(ValueError, match="a recovered image with NaN"):
        recovery_error(IMAGE, IMAGE * np.nan, INSIDE)
    with pytest.raises(ValueError, match="a mask of none"):
        recovery_error(IMAGE, IMAGE, ~INSIDE & INSIDE)
    with pytest.raises(ValueError, match=r"a mask for each of 2 images. Received: 1 masks"):
        compare([IMAGE, IMAGE], [INSIDE])


@pytest.mark.parametrize(
    "name, module, package",
    [
        ("mrf-l1", "scipy.sparse.linalg", "SciPy"),
        ("biharmonic", "skimage.restoration", "scikit-image"),
        ("telea", "cv2", "OpenCV"),
        ("linear", "scipy.interpolate", "SciPy"),
    ],
)
def test_a_package_that_is_missing_is_named(monkeypatch, name, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=rf"Expected {package}: pip .* genconv-tf\[recovery\]"):
        METHODS[name](IMAGE, INSIDE)


def test_importing_the_module_imports_no_heavy_package():
    program = (
        "import sys, genconv_tf.inpainting as module;"
        "sys.exit(bool({'scipy', 'skimage', 'cv2', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
