"""Figures of recovery and of scores, and the tables of an experiment."""

import json

import numpy as np
import pytest
from PIL import Image

import genconv_tf as gct
from genconv_tf import detection, recovery
from genconv_tf.cli import held_out
from genconv_tf.cli.main import main


class Oracle:
    """Knows the images; sees what it is given, and adds an offset and noise."""

    def __init__(self, images, offset, noise=0):
        self.images, self.offset, self.noise = images, offset, noise

    def recover(self, media, mask, seed=0, steps=0, first=0):
        assert not media[mask > 0].any()
        known = np.repeat(self.images, len(media) // len(self.images), 0).astype(float)
        added = self.offset + self.noise * np.random.default_rng(seed).standard_normal(known.shape)
        return np.where(mask[..., None] > 0, (known + added).round().astype(np.uint8), media)


def test_masks_are_squares_of_their_own_place():
    hidden = recovery.masks(50, (20, 30), 8, seed=2)
    assert (hidden.sum((1, 2)) == 64).all() and len(np.unique(hidden.argmax(2).max(1))) > 5
    np.testing.assert_array_equal(hidden, recovery.masks(50, (20, 30), 8, seed=2))
    with pytest.raises(ValueError, match="less than 20 pixels"):
        recovery.masks(1, (20, 30), 20)


def test_errors_are_those_of_the_hidden_pixels():
    images = np.random.default_rng(0).integers(0, 200, (3, 16, 16, 3)).astype(np.uint8)
    methods = {"black": lambda image, mask: np.where(mask[..., None] > 0, 0.0, image)}
    errors, made, hidden = recovery.compare(Oracle(images, 51), images, 5, methods=methods)
    np.testing.assert_allclose([errors["model"], errors["model-mean"]], 0.2)
    expected = [x[m > 0].mean() / 255 for x, m in zip(images, hidden)]
    np.testing.assert_allclose(errors["black"], expected)
    table = recovery.figures(errors)
    assert table["black"]["ratio"] == pytest.approx(np.mean(expected) / 0.2)
    assert table["black"]["error"] == pytest.approx(np.std(expected, ddof=1) / 3**0.5)
    assert {name: each.dtype for name, each in made.items()} == {
        "model": np.uint8, "model-mean": np.uint8}  # fmt: skip


def test_the_mean_of_samples_is_as_much_nearer_as_it_must_be():
    """Noise of standard deviation d is off by d √(2/π) in the mean, that of 16 by a fourth."""
    images = np.full((4, 32, 32, 3), 100, np.uint8)
    errors, _, _ = recovery.compare(Oracle(images, 0, 12), images, 24, methods={}, draws=16)
    one = 12 * (2 / np.pi) ** 0.5 / 255
    count = 4 * 24 * 24 * 3  # of a standard error of 0.76 of the mean
    assert np.mean(errors["model"]) == pytest.approx(one, rel=5 * 0.76 / count**0.5)
    assert np.mean(errors["model-mean"]) == pytest.approx(one / 4, rel=5 * 0.76 / count**0.5 + 0.01)
    with pytest.raises(ValueError, match="one sample at least"):
        recovery.expected(Oracle(images, 0), images, np.ones((4, 32, 32)), 0)


def test_a_mean_is_of_samples_that_differ(small):
    images = np.full((2, 32, 32, 3), 90, np.uint8)
    mask = np.zeros((2, 32, 32), np.float32)
    mask[:, 8:24, 8:24] = 1
    each = small.recover(np.repeat(images, 4, 0), np.repeat(mask, 4, 0), seed=3).astype(float)
    assert each[:4, 8:24, 8:24].std(0).mean() > 1
    mean = recovery.expected(small, images, mask, 4, seed=3)
    np.testing.assert_allclose(mean, each.reshape(2, 4, 32, 32, 3).mean(1), atol=0.5)
    np.testing.assert_array_equal(mean[:, :8], images[:, :8])


def test_separation_is_that_of_two_normal_distributions():
    rng = np.random.default_rng(1)
    inside, outside = rng.normal(1, 1, 3000), rng.normal(0, 2, 2000)
    table = detection.separation(lambda x: x, {"inside": inside}, outside)
    assert table["inside"]["mean"] == pytest.approx(inside.mean())
    assert table["others"]["std"] == pytest.approx(outside.std(ddof=1))
    # P(N(1, 1) > N(0, 4)) = Φ(1/√5) = 0.6726, with a standard error of 0.008.
    assert table["inside"]["auc"] == pytest.approx(0.6726, abs=0.03)
    groups = {"inside": inside, "one": inside[:1]}
    same = detection.separation(lambda x: 0 * x, groups, outside)
    assert same["inside"]["auc"] == same["one"]["auc"] == 0.5
    assert same["one"]["std"] is None and set(same["others"]) == {"mean", "std"}


RECIPE = """
[recipe]
name = "quick"
[data]
size = 16
[model]
layers = [{filters = 4, kernel = 3}, {filters = 2, kernel = "full"}]
boundary = "same"
[sampler]
steps = 2
start = "zero"
[learning]
updates = 2
chains = 3
hidden = 6
"""


def test_an_experiment_tells_of_images_it_has_not_seen(tmp_path):
    rng = np.random.default_rng(4)
    for name, count in (("test", 3), ("other", 4)):
        (tmp_path / name).mkdir()
        for i in range(count):
            pixels = rng.integers(0, 255, (20, 18, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    (tmp_path / "quick.toml").write_text(RECIPE)
    words = ["experiment", tmp_path / "quick.toml", "generated:flower", "--output",
             tmp_path / "out", "--others", tmp_path / "other", "--held-out", tmp_path / "test",
             "--hide", "6", "9", "--num", "2", "--quiet"]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    table = json.loads((tmp_path / "out" / "recovery.json").read_text())
    assert set(table) == {"M6", "M9"} and {"model", "model-mean", "telea", "mrf-l1"} <= set(
        table["M6"]
    )
    assert 0 < table["M6"]["model"]["value"] < 1
    each = table["M6"]["telea"]
    lead = each["value"] - table["M6"]["model-mean"]["value"]
    assert each["behind"]["value"] == pytest.approx(lead) and each["behind"]["error"] >= 0
    assert table["M6"]["model-mean"]["behind"] == {"value": 0, "error": 0}
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    model = gct.GenerativeConvNet.from_preset(str(tmp_path / "out" / "run" / "preset"))
    seen = {name: held_out.load(model, tmp_path / name).numpy() for name in ("test", "other")}
    squares = {name: (x**2).sum((1, 2, 3)) / 2 for name, x in seen.items()}
    f = {name: model.score(x).numpy() for name, x in seen.items()}
    log_p = {name: f[name] - squares[name] for name in f}
    for score, value in (("f", f), ("log p", log_p)):
        assert scores[score]["held out"]["mean"] == pytest.approx(value["test"].mean(), rel=1e-4)
        assert scores[score]["others"]["mean"] == pytest.approx(value["other"].mean(), rel=1e-4)
        above = (value["test"][:, None] > value["other"]).mean()
        assert scores[score]["held out"]["auc"] == pytest.approx(above)
    assert set(scores["f"]) == {"learned", "held out", "others"}
    page = (tmp_path / "out" / "README.md").read_text()
    assert "| biharmonic |" in page and "| log p, held out |" in page
    with Image.open(tmp_path / "out" / "recovered_9.png") as sheet:
        assert sheet.size == (3 * 20 - 4, 4 * 20 - 4)


def test_one_image_is_too_few_to_compare_with(tmp_path, picture, capsys):
    (tmp_path / "quick.toml").write_text(RECIPE)
    words = ["experiment", str(tmp_path / "quick.toml"), "generated:flower", "--output",
             str(tmp_path / "out"), "--others", str(picture)]  # fmt: skip
    assert main(words) == 2
    assert "Expected two images or more to compare with" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words, message",
    [(["--held-out", "nowhere"], "nowhere"), (["--others", "nowhere"], "nowhere"),
     (["--held-out", "train", "--hide", "16"], "square of less than 16")],
)  # fmt: skip
def test_what_cannot_be_compared_is_said_before_it_learns(tmp_path, words, message, capsys):
    (tmp_path / "train").mkdir()
    for i in range(2):
        Image.fromarray(np.full((16, 16, 3), 90 * i, np.uint8)).save(tmp_path / f"train/{i}.png")
    (tmp_path / "quick.toml").write_text(RECIPE)
    words = [str(tmp_path / w) if w in ("train", "nowhere") else w for w in words]
    start = ["experiment", str(tmp_path / "quick.toml"), str(tmp_path / "train"), "--output"]
    assert main([*start, str(tmp_path / "out"), *words]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and not (tmp_path / "out").exists()


def test_videos_are_not_compared_with_images(tmp_path, capsys):
    words = ["experiment", "video", "generated:water", "--output", str(tmp_path / "out")]
    assert main([*words, "--size", "32", "--others", "generated:flower"]) == 2
    assert "Expected a model of images with --others" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
