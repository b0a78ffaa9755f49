"""Every kind of image file, against what was written into it."""

import os
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageCms

from genconv_tf import files
from genconv_tf.data import images
from genconv_tf.data.decode import read_image, write_image
from genconv_tf.data.sources import find_files


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tiff", "a.webp"])
def test_lossless_formats_give_back_the_pixels(tmp_path, photograph, name):
    lossless = {"lossless": True} if name.endswith("webp") else {}
    Image.fromarray(photograph).save(tmp_path / name, **lossless)
    np.testing.assert_array_equal(read_image(tmp_path / name), photograph)


def test_jpeg_gives_nearly_the_pixels(tmp_path, photograph):
    Image.fromarray(photograph).save(tmp_path / "a.jpg", quality=98, subsampling=0)
    error = read_image(tmp_path / "a.jpg").astype(int) - photograph
    assert np.abs(error).mean() < 2


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    grey = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(grey).save(tmp_path / "a.tif")
    expected = np.repeat(np.round(grey / 257.0)[..., None], 3, -1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected)


def test_grey_and_palette_and_one_bit_become_rgb(tmp_path, photograph):
    grey = Image.fromarray(photograph).convert("L")
    grey.save(tmp_path / "grey.png")
    expected = np.repeat(np.asarray(grey)[..., None], 3, -1)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), expected)
    palette = Image.fromarray(photograph).quantize(16)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png"), palette.convert("RGB"))
    grey.convert("1").save(tmp_path / "bits.png")
    assert set(np.unique(read_image(tmp_path / "bits.png"))) == {0, 255}


def test_transparency_lies_over_white(tmp_path, photograph):
    alpha = np.full((*photograph.shape[:2], 1), 128, np.uint8)
    Image.fromarray(np.concatenate([photograph, alpha], -1)).save(tmp_path / "a.png")
    expected = photograph * (128 / 255) + 255 * (127 / 255)
    assert np.abs(read_image(tmp_path / "a.png") - expected).max() <= 1


def test_cmyk_becomes_rgb(tmp_path, photograph):
    Image.fromarray(photograph).convert("CMYK").save(tmp_path / "a.tif")
    assert np.abs(read_image(tmp_path / "a.tif").astype(int) - photograph).max() <= 2


@pytest.mark.parametrize("profile", [b"broken", "sRGB"])
def test_a_profile_of_other_colours_is_no_profile(tmp_path, photograph, profile):
    if profile == "sRGB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(profile)).tobytes()
    Image.fromarray(photograph).convert("CMYK").save(tmp_path / "a.tif", icc_profile=profile)
    assert np.abs(read_image(tmp_path / "a.tif").astype(int) - photograph).max() <= 2


def test_exif_rotation_is_applied(tmp_path, photograph):
    exif = Image.Exif()
    exif[274] = 6  # rotate by 90 degrees clockwise to show
    Image.fromarray(photograph).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.rot90(photograph, -1))


def test_exif_that_cannot_be_written_again_does_no_harm(tmp_path, photograph):
    width = struct.pack("<HHI4s", 256, 2, 4, b"abc\0")  # in letters
    turned = struct.pack("<HHIHH", 274, 3, 1, 6, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + width + turned + bytes(4)
    Image.fromarray(photograph).save(tmp_path / "a.jpg", exif=exif, quality=98, subsampling=0)
    error = read_image(tmp_path / "a.jpg").astype(int) - np.rot90(photograph, -1)
    assert np.abs(error).mean() < 2


def test_grey_of_sixteen_bits_and_floats(tmp_path):
    values = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    grey = np.round(values / 257).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png", transparency=0)
    read = read_image(tmp_path / "a.png")[..., 0]
    assert read[0, 0] == 255  # transparent, over white
    np.testing.assert_array_equal(read.ravel()[1:], grey.ravel()[1:])
    Image.fromarray(values).save(tmp_path / "a.tif", tiffinfo={262: 0})  # white is zero
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[..., 0], 255 - grey)
    wrong = (values / 65535).astype(np.float32)
    wrong[2, 3] = np.nan
    Image.fromarray(wrong).save(tmp_path / "b.tif")
    with pytest.raises(ValueError, match="not finite"):
        read_image(tmp_path / "b.tif")


@pytest.mark.parametrize("wrong, message", [
    ({"batch": 0}, "batch >= 1"), ({"batch": "a"}, "batch >= 1"), ({"mean": 3}, "three numbers"),
    ({"mean": [1, 2]}, "three numbers"), ({"size": "a"}, "2 positive lengths"),
    ({"size": (9, 9, 9)}, "2 positive lengths"), ({"size": 1.5}, "2 positive lengths"),
])  # fmt: skip
def test_wrong_settings_are_named(photograph, wrong, message):
    with pytest.raises(ValueError, match=message):
        images(photograph, **wrong)


def test_bad_files_are_refused_in_one_line(tmp_path, photograph, monkeypatch):
    with pytest.raises(ValueError, match="no such file"):
        read_image(tmp_path / "missing.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match="not an image"):
        read_image(tmp_path / "text.png")
    Image.fromarray(photograph).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:700])
    with pytest.raises(ValueError, match="Expected a whole image"):
        read_image(tmp_path / "half.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="decompression bomb"):
        read_image(tmp_path / "whole.png")


def test_the_dataset_undoes_its_preprocessing(picture, photograph):
    dataset = images(picture)
    x = next(iter(dataset))
    assert x.shape == (1, *photograph.shape) and x.dtype == tf.float32
    np.testing.assert_allclose(tf.reduce_mean(x, (0, 1, 2)), np.zeros(3), atol=0.01)
    np.testing.assert_array_equal(dataset.preprocessing.decode(x)[0], photograph)


def test_sources_are_files_folders_patterns_and_arrays(tmp_path, photograph):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        write_image(path, np.roll(photograph, i, 0))
    (tmp_path / "notes.txt").write_text("not for learning")
    for source in (paths, tmp_path, str(tmp_path / "*.png"), str(tmp_path / "?.png")):
        assert next(iter(images(source))).shape == (3, *photograph.shape)
    assert next(iter(images(np.stack([photograph] * 2)))).shape[0] == 2
    assert next(iter(images(photograph))).shape[0] == 1
    assert len(list(images(paths, batch=2))) == 1
    with pytest.raises(ValueError, match="nothing there"):
        find_files(tmp_path / "missing", (".png",), "an image file")
    with pytest.raises(ValueError, match="Received: none"):
        find_files([], (".png",), "an image file")


def test_images_come_to_one_size(photograph):
    cut = images(photograph, size=40, mean="none")
    np.testing.assert_array_equal(next(iter(cut))[0], photograph[4:44].astype(np.float32))
    assert next(iter(images(photograph, size=(20, 30)))).shape == (1, 20, 30, 3)
    assert next(iter(images(photograph, size=96))).shape == (1, 96, 96, 3)


def test_a_region_is_taken_before_all_else(photograph, picture):
    """Of arrays, where all are of one size, and of files, each as it comes."""
    part = photograph[8:40, 3:35].astype(np.float32)
    for source in (photograph, str(picture)):
        dataset = images(source, region=(8, 3, 32, 32))
        x = next(iter(dataset))[0]
        np.testing.assert_allclose(x + dataset.preprocessing.mean, part, atol=1e-3)
        np.testing.assert_allclose(dataset.preprocessing.mean, part.mean((0, 1)), atol=0.01)
    assert next(iter(images(photograph, size=16, region=(8, 3, 32, 32)))).shape == (1, 16, 16, 3)


def test_a_region_of_what_is_generated_is_scaled_to_the_size():
    """As that of the whole, which is generated larger."""
    whole = next(iter(images("generated:leaves", mean="none")))[0].numpy()
    part = next(iter(images("generated:leaves", 32, mean="none", region=(5, 9, 32, 32))))[0]
    np.testing.assert_array_equal(part, whole[5:37, 9:41])


def test_an_image_that_ends_before_the_region_is_named(photograph, tmp_path):
    for name, image in (("a.png", photograph), ("b.png", photograph[:30])):
        write_image(tmp_path / name, image)
    with pytest.raises(tf.errors.InvalidArgumentError, match="where the region ends"):
        list(images(tmp_path, region=(8, 3, 32, 32)))


def test_there_may_be_more_random_windows_than_images(photograph, picture):
    for source in (photograph, str(picture)):
        patches = next(iter(images(source, size=10, crop="random", mean="none", batch=50))).numpy()
        assert patches.shape == (50, 10, 10, 3)
        assert len({patch.tobytes() for patch in patches}) > 45
        views = np.lib.stride_tricks.sliding_window_view(photograph, (10, 10, 3))[..., 0, :, :, :]
        at = np.abs(views.astype(np.float32) - patches[7]).max((2, 3, 4)).min()
        assert at <= 0.5


def test_random_windows_are_windows_and_depend_on_the_seed(photograph):
    def window(seed):
        return next(iter(images(photograph, size=16, crop="random", mean="none", seed=seed)))[0]

    views = np.lib.stride_tricks.sliding_window_view(photograph, (16, 16), (0, 1))
    views = views.transpose(0, 1, 3, 4, 2)
    assert (views == window(0).numpy()).all((2, 3, 4)).any()
    np.testing.assert_array_equal(window(0), window(0))
    assert not np.array_equal(window(0), window(1))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"crop": "middle"}, "Expected crop"),
        ({"size": 0}, "positive size"),
        ({"size": 7, "crop": "none"}, r"^Expected images of \(7, 7\), or crop"),
        ({"size": 999, "crop": "random"}, r"^Expected images of at least \(999, 999\)"),
        ({"mean": "median"}, "Expected mean"),
        ({"region": (40, 0, 10, 10)}, "Expected a region within"),
        ({"region": (1, 2, 3)}, "^Expected a region of 4 whole numbers"),
        ({"region": (1, 2, 0, 3)}, "^Expected a region of 4 whole numbers"),
        ({"region": (1, 2, 0.5, 3)}, "^Expected a region of 4 whole numbers"),
        ({"region": "here"}, "^Expected a region of 4 whole numbers"),
    ],
)
def test_bad_arguments_are_refused(photograph, arguments, message):
    with pytest.raises(ValueError, match=message):
        images(photograph, **arguments)


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4)), np.full((4, 4, 3), np.nan), np.full((4, 4, 3), -1)]
)
def test_bad_arrays_are_refused(array):
    with pytest.raises(ValueError, match=r"Expected .* Received"):
        images(array)


def test_a_list_of_arrays_is_refused(photograph):
    with pytest.raises(ValueError, match=r"paths of an image file, or one array.*list of ndarray"):
        images([photograph, photograph])


def test_tfds_names_are_loaded(photograph, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=5):
        batch = next(iter(images("tfds:dtd", size=32, batch=4)))
        assert batch.shape == (4, 32, 32, 3)
        with pytest.raises(ValueError, match="Expected a feature of"):
            images("tfds:dtd", size=32, feature="picture")
        with pytest.raises(ValueError, match=r"Expected a feature of images .* Received: label"):
            images("tfds:dtd", size=32, feature="label")
        grey = next(iter(images("tfds:mnist", size=28, batch=4, mean="none")))
        assert grey.shape == (4, 28, 28, 3) and np.ptp(grey, -1).max() == 0


def test_a_name_that_is_no_utf8(tmp_path):
    """As other systems wrote them; the card, which names it, is written too."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/gr\xe4s.png")
    try:
        Image.new("RGB", (40, 40), (9, 90, 30)).save(path)
    except OSError:
        pytest.skip("file names are UTF-8 here")
    assert next(iter(images(path, size=32))).shape == (1, 32, 32, 3)
    files.write_text(tmp_path / "card.md", f"source: {path}")
    assert "gr\\udce4s.png" in (tmp_path / "card.md").read_text()
