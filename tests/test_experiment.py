"""`genconv experiment`: from a recipe to a folder of pictures and figures."""

import json

import numpy as np
import pytest

from genconv_tf import GenerativeConvNet, recipes
from genconv_tf.cli import experiment
from genconv_tf.cli.main import main
from genconv_tf.data.decode import read_image
from genconv_tf.data.images import images
from genconv_tf.training import last_chains

RECIPE = """
[recipe]
name = "quick"
summary = "An experiment of a second"
input = "texture-brick/exemplar.png"
[data]
size = 240
[model]
layers = [{filters = 4, kernel = 5, stride = 4}, {filters = 3, kernel = 3}]
boundary = "same"
size = 214
[sampler]
steps = 2
fresh_steps = 3
[learning]
updates = 2
chains = 2
grow = true
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    (folder / "quick.toml").write_text(RECIPE)
    words = ["experiment", str(folder / "quick.toml"), "--output", str(folder / "out")]
    assert main([*words, "--num", "2", "--quiet"]) == 0
    return words, folder / "out"


def test_it_learns_its_own_input_and_shows_chains_and_fresh_samples(done):
    _, folder = done
    np.testing.assert_array_equal(
        read_image(folder / "chains_1.png"), last_chains(folder / "run", (240, 240))[1]
    )
    results = json.loads((folder / "results.json").read_text())
    for name in ("chains", "fresh"):
        assert results[name]["patch_swd"]["ratio"] > 1 and "diversity" in results[name]
    page = (folder / "README.md").read_text()
    assert "# quick" in page and "| chains |" in page and "![fresh](fresh.png)" in page
    # What was learned from is brick, at the size of the recipe's data, not at that of its model.
    assert read_image(folder / "exemplar.png").shape == (240, 240, 3)
    assert read_image(folder / "chains_0.png").shape == (240, 240, 3)


def test_it_goes_on_where_it_stopped(done):
    words, folder = done
    names = ("chains_0.png", "fresh_1.png", "results.json")
    before = [(folder / name).read_bytes() for name in names]
    weights = GenerativeConvNet.from_preset(folder / "run").get_weights()
    (folder / "README.md").unlink()
    assert main([*words, "--num", "2", "--quiet"]) == 0
    assert [(folder / name).read_bytes() for name in names] == before
    for one, other in zip(weights, GenerativeConvNet.from_preset(folder / "run").get_weights()):
        np.testing.assert_array_equal(one, other)
    assert (folder / "README.md").is_file()


def test_a_folder_of_other_settings_is_refused(done, capsys):
    words, _ = done
    assert main([*words, "--set", "sampler.steps=4", "--quiet"]) == 2
    assert "settings that the run began with" in capsys.readouterr().err


def test_every_experiment_of_the_package_has_an_input():
    for name in recipes.names():
        assert experiment.default_input(recipes.load(name)["recipe"])


def test_without_an_input_it_says_so(tmp_path, capsys):
    (tmp_path / "quick.toml").write_text(RECIPE.replace("input =", "# input ="))
    words = ["experiment", str(tmp_path / "quick.toml"), "--output", str(tmp_path / "out")]
    assert main(words) == 2
    assert "Expected an INPUT for quick" in capsys.readouterr().err


def test_what_is_too_small_to_measure_is_said():
    page = experiment.report({"name": "n"}, {"chains": "Expected an RGB exemplar"})
    assert "chains: not measured. Expected an RGB exemplar" in page


OBJECTS = """
[recipe]
name = "objects"
summary = "Objects in seconds"
[data]
size = 64
[model]
layers = [{filters = 4, kernel = 5, stride = 4}, {filters = 1, kernel = "full", relu = false}]
boundary = "same"
size = 64
[sampler]
steps = 2
[learning]
updates = 2
chains = 3
start = "START"
rejuvenation = 1.0
"""


@pytest.mark.parametrize("start", ["fresh", "data"])
def test_objects_are_measured_against_all_images_and_contrastive_divergence_reconstructs(
    start, tmp_path
):
    (tmp_path / "objects.toml").write_text(OBJECTS.replace("START", start))
    words = ["experiment", str(tmp_path / "objects.toml"), "generated:flower", "--quiet"]
    folder = tmp_path / "out"
    assert main([*words, "--num", "2", "--output", str(folder)]) == 0
    results = json.loads((folder / "results.json").read_text())
    assert len(results["chains"]["nearest"]["each"]) == 3
    assert results["fresh"]["nearest"]["ratio"] > 0 and "spectrum" in results["fresh"]
    page = (folder / "README.md").read_text()
    assert ("reconstructions" in results) == (start == "data") == ("reconstructions" in page)
    if start == "data":
        # The first of ten flowers, as the model's auto-encoder gives it.
        x = generated_flowers(64)
        model = GenerativeConvNet.from_preset(folder / "run")
        made = model.reconstruct(x)
        np.testing.assert_array_equal(
            read_image(folder / "reconstructions_0.png"), model.preprocessing.decode(made)[0]
        )
        error = np.linalg.norm(x - made) / np.linalg.norm(x)
        assert results["reconstructions"]["error"]["value"] == pytest.approx(error, rel=1e-4)


def generated_flowers(size):
    return next(iter(images("generated:flower", size)))


OF_TIME = """
[recipe]
name = "quick"
summary = "In seconds"
[data]
kind = "KIND"
DATA
[model]
rank = RANK
layers = [{filters = 4, kernel = 5, stride = 2}, {filters = 3, kernel = 3}]
boundary = "torus"
[sampler]
steps = 2
[learning]
updates = 2
LEARNING
"""


OF_VIDEO = "frames = 32\nsize = 64\n"


@pytest.mark.parametrize(
    ("kind", "rank", "data", "learning", "name", "suffix", "measure"),
    [
        ("video", 3, OF_VIDEO, "", "water", "mp4", "temporal"),
        # Chains that are parts of frames have no place in the mean frame.
        ("video", 3, OF_VIDEO + 'mean = "frame"', "chain_size = [32, 48, 48]", "fire", "mp4",
         "temporal"),
        ("sound", 1, "rate = 11025\nseconds = 4.0", "", "rain", "wav", "modulation"),
    ],
)  # fmt: skip
def test_videos_and_sounds_are_learned_shown_and_measured(
    kind, rank, data, learning, name, suffix, measure, tmp_path
):
    text = OF_TIME.replace("KIND", kind).replace("RANK", str(rank)).replace("DATA", data)
    text = text.replace("LEARNING", learning)
    (tmp_path / "quick.toml").write_text(text)
    folder = tmp_path / "out"
    words = ["experiment", str(tmp_path / "quick.toml"), f"generated:{name}", "--quiet"]
    assert main([*words, "--num", "1", "--output", str(folder)]) == 0
    results = json.loads((folder / "results.json").read_text())
    for of in ("chains", "fresh"):
        assert {measure, "patch_swd" if kind == "video" else "kurtosis"} <= set(results[of])
        assert (folder / f"{of}_0.{suffix}").is_file() and (folder / f"{of}.png").is_file()
    assert "| fresh |" in (folder / "README.md").read_text()
