"""`genconv experiment`: from a recipe to a folder of pictures and figures."""

import json

import numpy as np
import pytest

from genconv_tf import GenerativeConvNet, recipes
from genconv_tf.cli import experiment
from genconv_tf.cli.main import main
from genconv_tf.data.decode import read_image
from genconv_tf.training import last_chains

RECIPE = """
[recipe]
name = "quick"
summary = "An experiment of a second"
input = "texture-brick/exemplar.png"
[data]
size = 214
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


@pytest.fixture
def done(tmp_path):
    (tmp_path / "quick.toml").write_text(RECIPE)
    words = ["experiment", str(tmp_path / "quick.toml"), "--output", str(tmp_path / "out")]
    assert main([*words, "--num", "2", "--quiet"]) == 0
    return words, tmp_path / "out"


def test_it_learns_its_own_input_and_shows_chains_and_fresh_samples(done):
    _, folder = done
    np.testing.assert_array_equal(
        read_image(folder / "chains_1.png"), last_chains(folder / "run")[1]
    )
    results = json.loads((folder / "results.json").read_text())
    for name in ("chains", "fresh"):
        assert results[name]["patch_swd"]["ratio"] > 1 and "diversity" in results[name]
    page = (folder / "README.md").read_text()
    assert "# quick" in page and "| chains |" in page and "![fresh_0](fresh_0.png)" in page
    # What was learned from is brick, at the size of the recipe.
    assert read_image(folder / "exemplar.png").shape == (214, 214, 3)


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
