import inspect

import numpy as np
import pytest

from genconv_tf import GenerativeConvNet, data, recipes
from genconv_tf.training import train


@pytest.fixture(scope="module")
def filters(tmp_path_factory):
    """A folder of what the recipes of FRAME models stand on, with random weights."""
    rng, channels, held = np.random.default_rng(0), 3, {}
    for name, width in (("block1_conv1", 64), ("block1_conv2", 64), ("block2_conv1", 128),
                        ("block2_conv2", 128), ("block3_conv1", 256)):  # fmt: skip
        kernel = rng.standard_normal((3, 3, channels, width)) * (2 / (9 * channels)) ** 0.5
        held |= {f"{name}/kernel": kernel.astype(np.float32), f"{name}/bias": np.zeros(width)}
        channels = width
    folder = tmp_path_factory.mktemp("filters")
    np.savez(folder / "vgg19_normalised_conv1_1_to_conv3_1.npz", **held)
    return folder


@pytest.mark.parametrize("load", [data.images, data.videos, data.sounds])
def test_a_recipe_may_set_whatever_a_loader_takes(load):
    """But for what the command line has options of its own for."""
    taken = set(inspect.signature(load).parameters) - {"source", "split", "feature", "seed"}
    recipes.load("texture", {f"data.{name}": 1 for name in taken})


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_makes_a_model_with_every_layer(name, filters, monkeypatch):
    monkeypatch.setenv("GENCONV_HOME", str(filters))
    content = recipes.load(name)
    model = GenerativeConvNet.from_recipe(name)
    assert len(model.networks) == content["model"].get("levels", 1)
    assert content["recipe"]["name"] == name and content["recipe"]["summary"]


def test_texture_paper_is_experiment_1_of_the_paper():
    content = recipes.load("texture-paper")
    layers = content["model"]["layers"]
    assert [(s["filters"], s["kernel"], s.get("stride", 1)) for s in layers] == [
        (100, 15, 3), (64, 5, 1), (30, 3, 1)]  # fmt: skip
    learning, sampler = content["learning"], content["sampler"]
    assert (learning["chains"], learning["updates"], learning["grow"]) == (16, 700, True)
    assert (sampler["steps"], sampler["step_size"]) == (10, 0.3)
    assert content["data"]["size"] == 224 and content["reference"]["std"] == 1.0


def test_frame_object_paper_is_experiment_1_of_the_frame_paper():
    """Section 6: the third layer, sixteen chains that go on, a hundred steps; eq. 13."""
    content = recipes.load("frame-object-paper")
    learning, sampler = content["learning"], content["sampler"]
    assert content["model"]["bank"]["layers"] == ["block3_conv1"]
    assert (content["model"]["levels"], content["model"]["layers"][0]["kernel"]) == (1, "full")
    assert (learning["chains"], learning["rejuvenation"], learning["updates"]) == (16, 0.0, 700)
    assert learning["by_variance"] and learning["optimizer"]["name"] == "sgd"
    assert sampler["steps"] == 100 and 30 <= content["reference"]["std"] <= 100


@pytest.mark.parametrize(
    "name, size, layers, positions",
    [
        ("video-stationary", (40, 224, 224),
         [(60, (15, 15, 15), 3), (50, (5, 25, 25), 5), (25, (2, 3, 3), 2)],
         [14 * 75 * 75, 3 * 15 * 15, 2 * 8 * 8]),
        ("video-temporal", (50, 224, 224),
         [(120, (7, 7, 7), 3), (30, (4, 73, 73), (2, 1, 1)), (5, (2, 1, 1), 1)],
         [15 * 73 * 73, 6, 5]),
        ("sound-paper", (60000,), [(1000, (2000,), 500)], [120]),
    ],
)  # fmt: skip
def test_the_experiments_of_the_stg_paper_have_its_layers(name, size, layers, positions):
    model = GenerativeConvNet.from_recipe(name)
    network = model.networks[0]
    assert model.size == size
    kernels = [tuple(kernel.shape[:-2]) for kernel in network.kernels]
    received = [(s.filters, k, s.stride) for s, k in zip(network.specs, kernels)]
    assert received == layers
    assert network.layer_positions(size) == positions


def test_settings_are_changed_by_name():
    model = GenerativeConvNet.from_recipe("texture", **{"learning.updates": 7, "model.seed": 3})
    assert model.learning.updates == 7 and model.seed == 3
    assert recipes.parse_setting("a.b=[1, 2.5]") == ("a.b", [1, 2.5])
    assert recipes.parse_setting("a.b=word") == ("a.b", "word")
    assert recipes.parse_setting("a.b=../file") == ("a.b", "../file")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"learning.update": 7}, "did you mean updates"),
        ({"sampling.steps": 7}, "Expected a section"),
        ({"steps": 7}, r"section\.key"),
        ({"model.levels.coarse": 7}, "table of settings at levels"),
    ],
)
def test_unknown_keys_are_refused_with_a_guess(changes, message):
    with pytest.raises(ValueError, match=message):
        recipes.load("texture", changes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"sampler.calibrated": "False"}, "calibrated to be true or false. Received: 'False'"),
        ({"sampler.bounded": [True, False]}, "bounded to be true or false"),
        ({"learning.grow": "no"}, "grow to be true or false"),
        ({"sampler.steps": "many"}, "steps to be an integer or a list"),
        ({"sampler.steps": [3, 2.5]}, "steps to be an integer or a list"),
        ({"learning.rejuvenation": "never"}, "rejuvenation to be a number"),
        ({"reference.std": True}, "std to be a number. Received: True"),
        ({"model.layers": [{"filter": 4}]}, "settings of a layer, filters, .* Received: filter$"),
        ({"model.rank": 4}, "rank of 1, 2 or 3. Received: 4"),
    ],
)
def test_settings_of_another_type_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        GenerativeConvNet.from_recipe("texture", None, **changes)


@pytest.mark.parametrize("optimizer", [{"name": "adamm"}, {"learning_rate": 1e-3},
                                       {"name": "adam", "beta": 0.5},
                                       {"name": "adam", "learning_rate": "low"}])  # fmt: skip
def test_a_wrong_optimizer_is_refused_before_anything_is_written(optimizer, tmp_path):
    changes = {"learning.optimizer": optimizer}
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    with pytest.raises(ValueError, match="Expected the name of a Keras optimizer and settings"):
        train("texture", data.images(noise), tmp_path / "run", changes=changes)
    assert not (tmp_path / "run").exists()


def test_unknown_and_broken_recipes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="did you mean texture"):
        recipes.load("textur")
    with pytest.raises(ValueError, match="no such file"):
        recipes.load(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("layers = [")
    with pytest.raises(ValueError, match="Expected a TOML recipe"):
        recipes.load(tmp_path / "broken.toml")
    (tmp_path / "flat.toml").write_text("model = 3")
    for read in (recipes.load, recipes.wants_onednn):
        with pytest.raises(ValueError, match="table of settings at model"):
            read(tmp_path / "flat.toml")
    with pytest.raises(ValueError, match="Expected key=value"):
        recipes.parse_setting("updates")


@pytest.mark.parametrize("value", ["[8.,6.]", "8.", ".5", "-", '"half', "{a=1", "1e"])
def test_a_value_that_is_no_toml_is_refused_by_its_key(value):
    with pytest.raises(ValueError, match="step_size in TOML") as refused:
        recipes.parse_setting(f"sampler.step_size={value}")
    assert str(refused.value).endswith(f"Received: {value}")
