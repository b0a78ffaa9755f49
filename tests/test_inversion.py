"""Inversion of the features of a layer, their reallocation, and the atlas."""

import json
import pathlib

import keras
import numpy as np
import pytest
import small_network
import tensorflow as tf
from PIL import Image

from genconv_tf import atlas, inversion
from genconv_tf.cli.main import main
from genconv_tf.features import Features, features

RNG = np.random.default_rng(0)
network = pytest.fixture(small_network.network, scope="module")
image = pytest.fixture(small_network.image, scope="module")
REAL = pathlib.Path(__file__).parents[2] / "shared/data/weights"


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "own.keras"
    network.save(path)
    return str(path)


def file_of(tmp_path, image, name="image.png"):
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(tmp_path / name)
    return str(tmp_path / name)


def test_a_code_is_inverted(network, image):
    layer = features("low", network)
    code = layer(image[None])
    before = image.copy()
    made, errors = inversion.invert(layer, code, (24, 24), steps=400)
    np.testing.assert_array_equal(image, before)
    assert made.shape == (1, 24, 24, 3) and made.dtype == np.uint8
    # Fifteen living filters of 27 numbers: the features tell every pixel.
    assert errors[0] < 0.03 and np.abs(made[0] - image).mean() < 8
    # The error is that of the image that was optimised, before it was rounded.
    again = layer(made.astype(np.float32))
    rounded = np.linalg.norm(again - code) / np.linalg.norm(code)
    assert rounded == pytest.approx(errors[0], abs=0.02)


def test_inversions_of_a_batch_are_each_its_own_and_repeat(network, image):
    layer = features("high", network)
    codes = tf.concat([layer(image[None]), layer(image[None, ::-1])], 0)
    both, _ = inversion.invert(layer, codes, (24, 24), steps=20)
    one, _ = inversion.invert(layer, codes[:1], (24, 24), steps=20)
    again, _ = inversion.invert(layer, codes, (24, 24), steps=20)
    assert np.abs(both[0].astype(int) - one[0]).max() <= 1  # but for rounding
    np.testing.assert_array_equal(both, again)


def test_energy_is_moved_and_none_is_lost(network, image):
    code = features("low", network)(image[None])[0].numpy()
    moved = inversion.one_filter(code, 4)
    np.testing.assert_allclose(moved[..., 4], code.sum(-1), rtol=1e-5)
    assert not np.delete(moved, 4, -1).any()
    dealt = inversion.random_energies(code, 1.0, seed=3)
    assert dealt.sum() == pytest.approx(code.sum(), rel=1e-4) and not dealt[..., 2].any()
    # Every map keeps its pattern.
    for k in np.flatnonzero(code.any((0, 1)) & (dealt.mean((0, 1)) > 1e-3)):
        assert np.corrcoef(dealt[..., k].ravel(), code[..., k].ravel())[0, 1] > 0.9999
    assert np.abs(dealt - inversion.random_energies(code, 1.0, seed=4)).max() > 0.1
    style = np.roll(code, 1, -1)[:10] * 2
    shared = inversion.energies_of(code, style)
    wanted = style.mean((0, 1)) * (code.mean((0, 1)) > 0)
    np.testing.assert_allclose(shared.mean((0, 1)), wanted, rtol=1e-4)


def test_shares_of_a_dirichlet_distribution(network, image):
    code = np.ones((4, 4, 5), np.float32)
    shares = [inversion.random_energies(code, 2.0, seed).mean((0, 1)) / 5 for seed in range(2000)]
    mean, variance = np.mean(shares, 0), np.var(shares, 0)
    exact = 0.2 * 0.8 / 11  # of Dirichlet(2, 2, 2, 2, 2)
    np.testing.assert_allclose(mean, 0.2, atol=5 * np.sqrt(exact / 2000))
    np.testing.assert_allclose(variance, exact, rtol=0.2)
    with pytest.raises(ValueError, match="concentration above 0"):
        inversion.random_energies(code, 0.0)
    with pytest.raises(ValueError, match="codes of one layer"):
        inversion.energies_of(code, code[..., :4])


def test_shares_of_faint_maps_are_finite():
    code = np.zeros((4, 4, 3), np.float32)
    code[..., 0], code[0, 0, 1] = 1.0, 1e-38
    for seed in range(-2, 2):
        assert np.isfinite(inversion.random_energies(code, seed=seed)).all()
    with pytest.raises(ValueError, match="finite concentration"):
        inversion.random_energies(code, np.inf)


def test_a_style_smaller_than_what_a_filter_sees_is_named(network, image):
    with pytest.raises(ValueError, match=r"a style image of at least 8x8.*Received: 6x24"):
        inversion.stylise(features("high", network), image, image[:6], inversion.gram)


def test_a_dead_filter_and_none_are_named(network, image):
    code = features("low", network)(image[None])[0].numpy()
    with pytest.raises(ValueError, match="filter 2 of low, which is dead"):
        inversion.one_filter(code, 2, "low")
    with pytest.raises(ValueError, match=r"of low of 0 to 15\. Received: 16"):
        inversion.one_filter(code, 16, "low")


def test_a_style_that_no_layer_responds_to_is_named(image):
    one = keras.layers.Conv2D(4, 3, use_bias=False, activation="relu", name="one")
    own = features("one", keras.Sequential([keras.Input((None, None, 3)), one]))
    with pytest.raises(ValueError, match="a style image that every layer responds to"):
        inversion.stylise(own, image, np.zeros((16, 16, 3)), inversion.energies, steps=1)


def test_a_code_of_another_size_is_named(network):
    layer = features("high", network)
    with pytest.raises(ValueError, match="Expected a code of"):
        inversion.invert(layer, layer(np.zeros((1, 24, 24, 3))), (48, 48))


def test_an_image_of_any_dtype_may_start_a_descent():
    start = np.full((1, 4, 4, 3), 7, np.uint8)
    assert np.ptp(inversion.optimise(lambda x: tf.reduce_sum(0 * x, (1, 2, 3)), start, 2)) == 0


def test_a_style_is_matched_by_either_statistic(network, image):
    layer = features("high", network)
    style = np.clip(RNG.normal(170, 60, (32, 32, 3)), 0, 255).astype(np.float32)
    for statistic in (inversion.energies, inversion.gram):
        wanted = [statistic(c) for c in layer.every_layer(style[None])]
        assert len(wanted) == 2

        def error(x, statistic=statistic, wanted=wanted):
            codes = layer.every_layer(x[None])
            return sum(float(inversion.squared_error(statistic(c), w)[0])
                       for c, w in zip(codes, wanted))  # fmt: skip

        made = inversion.stylise(layer, image, style, statistic, steps=60)
        assert error(made.astype(np.float32)) < 0.2 * error(image)


def test_gram_and_energies_against_numpy():
    code = RNG.normal(size=(2, 5, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(inversion.energies(code), code.mean((1, 2)), rtol=1e-4, atol=1e-6)
    flat = code.reshape(2, 20, 3)
    exact = np.einsum("bpi,bpj->bij", flat, flat) / 20
    np.testing.assert_allclose(inversion.gram(code), exact, rtol=1e-4, atol=1e-6)


def test_an_image_is_smoothed(image):
    noisy = np.clip(image + RNG.normal(0, 30, image.shape), 0, 255).astype(np.uint8)
    errors = [np.abs(x - image).mean() for x in (noisy, inversion.smoothed(noisy, 0.1))]
    assert errors[1] < 0.7 * errors[0]


def test_the_layer_that_is_asked_for_is_the_last_of_every_layer(image):
    x = given = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="rectified")(x)
    look = features("rectified", keras.Model(given, x))
    codes = look.every_layer(image[None])
    assert len(codes) == 3
    np.testing.assert_array_equal(codes[-1], look(image[None]))
    with pytest.raises(ValueError, match="Expected a rectified layer"):
        inversion.one_filter(codes[0][0] - 1.0, 0)
    with pytest.raises(ValueError, match="codes with some response"):
        inversion.invert(look, tf.zeros_like(codes[-1]), image.shape[:2])


@pytest.mark.parametrize(
    "change, name",
    [([], "plain_low"), (["--filter", "1"], "filter_1_low"), (["--random"], "random_0_low"),
     (["--style", "STYLE"], "style_low"), (["--smooth", "0.05"], "plain_low"),
     (["--style", "STYLE", "--match", "gram"], "gram_low"),
     (["--preprocessing", "torch"], "plain_low")],
)  # fmt: skip
def test_invert_writes_a_picture(saved, image, tmp_path, change, name, capsys):
    path, style = file_of(tmp_path, image), file_of(tmp_path, 255 - image, "style.png")
    change = [style if word == "STYLE" else word for word in change]
    words = ["invert", path, "--layer", "low", "--network", saved, "--steps", "10", *change]
    assert main([*words, "--output", str(tmp_path / "out")]) == 0
    assert f"Wrote {tmp_path}/out/{name}.png" in capsys.readouterr().out
    with Image.open(tmp_path / "out" / f"{name}.png") as made:
        assert made.size == (24, 24) and np.ptp(np.asarray(made)) > 10


@pytest.mark.parametrize(
    "words, message",
    [
        (["--layer", "lov"], "did you mean low?"),
        (["--layer", "low", "--filter", "2"], "filter 2 of low, which is dead there"),
        (["--layer", "high", "--style", "SMALL"], "a style image of at least 8x8"),
        (["--layer", "high", "--style", "SMALL", "--size", "32"], "least 8x8, what a filter of"),
        (["--layer", "high", "--size", "1"], "Expected an RGB image that high responds to"),
        (["--layer", "low", "--match", "gram"], "Expected --style with --match gram"),
        (["--layer", "low", "--filter", "1", "--random"], "not allowed with"),
        (["--layer", "low", "--weights", "own.npz"], "Expected weights of a network by its name"),
        (["--layer", "low", "--pooling", "max"], "Expected pooling with a VGG alone"),
    ],
)
def test_what_cannot_be_inverted_is_said_in_one_line(
    saved, image, tmp_path, words, message, capsys
):
    path, small = file_of(tmp_path, image), file_of(tmp_path, image[:6, :6], "small.png")
    words = [small if word == "SMALL" else word for word in words]
    words = ["invert", path, "--network", saved, "--output", str(tmp_path / "out"), *words]
    try:
        code = main(words)
    except SystemExit as exit:
        code = exit.code
    said = capsys.readouterr().err
    assert code == 2 and message in said and said.count("\n") == 1


def test_an_atlas_has_every_living_filter(saved, tmp_path, capsys):
    words = ["atlas", "--layer", "low", "--network", saved, "--steps", "20", "--size", "32"]
    assert main([*words, "--output", str(tmp_path / "page")]) == 0
    folder = tmp_path / "page"
    assert sorted(p.name for p in folder.glob("0*.png")) == [
        f"{k:04d}.png" for k in range(16) if k != 2]  # fmt: skip
    assert "15 of 16 filters" in capsys.readouterr().out
    page = (folder / "index.html").read_text()
    assert page.count("<img") == 15 and "http" not in page
    figures = json.loads((folder / "figures.json").read_text())
    assert (figures["layer"], figures["filters"], figures["shown"]) == ("low", 16, 15)
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.size == (15 * 36 - 4, 44)


def test_an_atlas_in_batches_is_the_atlas(network, image):
    layer = features("high", network)
    made = atlas.textures(layer, image, steps=10, batch=3)
    whole = atlas.textures(layer, image, steps=10, batch=8)
    assert list(made) == list(whole)
    for k, texture in made.items():
        assert np.abs(texture.astype(int) - whole[k]).max() <= 1  # but for rounding


def test_colours_and_structures_are_counted():
    grey = np.repeat(RNG.integers(0, 255, (64, 64, 1)), 3, -1).astype(np.uint8)
    assert atlas.colours(grey) == pytest.approx(1.0)
    faint = np.clip(grey + RNG.integers(-1, 2, grey.shape), 0, 255).astype(np.uint8)
    assert atlas.colours(faint) == pytest.approx(1.0)
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:32, :, 0], halves[32:, :, 2] = 200, 200
    assert atlas.colours(halves) == pytest.approx(2.0)
    wave = 128 + 100 * np.sin(2 * np.pi * np.arange(64) / 8)
    stripes = np.repeat(np.tile(wave, (64, 1))[..., None], 3, -1)
    assert atlas.structure(stripes) == pytest.approx(8.0, rel=0.05)
    assert atlas.structure(grey) < 4 < atlas.structure(stripes)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"needs the real filters of VGG-19 in {REAL.name}")
def test_the_real_filters_of_vgg_are_inverted(image):
    path = REAL / "vgg19_normalised_conv1_1_to_conv3_1.npz"
    layer = features("block2_conv1", weights=path)
    assert isinstance(layer, Features) and layer.receptive_field == 10
    large = np.kron(image, np.ones((2, 2, 1), np.float32))
    _, errors = inversion.invert(layer, layer(large[None]), large.shape[:2], steps=300)
    assert errors[0] < 0.05


def test_an_inversion_says_how_far_it_is_and_is_the_same(network, image):
    layer, told = features("low", network), []
    code = layer(image[None])
    size = image.shape[:2]
    made, _ = inversion.invert(layer, code, size, steps=25, seed=1, progress=told.append)
    np.testing.assert_array_equal(made, inversion.invert(layer, code, size, steps=25, seed=1)[0])
    assert told == [10, 20, 25]
