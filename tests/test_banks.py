"""FRAME models: given filters below learned layers."""

import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import genconv_tf as gct
from genconv_tf import banks, linear_filters, structure
from genconv_tf.blocks import sweep
from genconv_tf.data.preprocessing import Preprocessing
from genconv_tf.energy import score_gradient
from genconv_tf.layers import Layer
from genconv_tf.network import ScoringNetwork


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A chain of convolutions and pooling with random weights, as a .keras file."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((None, None, 3)),
        layers.Conv2D(5, 3, activation="relu", bias_initializer="random_normal", name="low"),
        layers.AveragePooling2D(2, name="pool"),
        layers.Conv2D(7, 3, bias_initializer="random_normal", name="linear"),
        layers.ReLU(name="high"),
        layers.MaxPooling2D(2, name="top"),
    ])  # fmt: skip
    path = tmp_path_factory.mktemp("filters") / "chain.keras"
    model.save(path)
    return str(path)


def network(saved, names=("low", "high"), own=None, boundary="torus", **kwargs):
    bank = banks.make(saved, layers=names, **kwargs)
    net = ScoringNetwork(own or [Layer(4, 1)], 2, boundary, weight_scale=1.0, bank=bank)
    net.build((None, 16, 16, 3))
    return net


def test_responses_are_those_of_the_keras_network(saved):
    model = keras.saving.load_model(saved)
    x = tf.random.stateless_uniform([2, 17, 18, 3], (1, 2), -1, 1)
    net = network(saved, ("top",), boundary="valid")
    np.testing.assert_allclose(net.responses(x)[net.bank.taps[0]], model(x), atol=1e-5)


def test_colours_are_folded_into_the_first_filters(saved):
    how = Preprocessing(mean=(100.0, 120.0, 90.0), basis=((0.6, 0.6, 0.5), (0.7, -0.7, 0.1)))
    x = tf.random.stateless_normal([1, 9, 9, 2], (3, 4), stddev=20.0)
    bank = banks.make(saved, layers=["low"], **how.affine(2))
    net = ScoringNetwork([Layer(4, 1)], 2, "valid", bank=bank)
    net.build((None, 9, 9, 2))
    pixels = tf.tensordot(x, tf.constant(how.basis), 1) + tf.constant(how.mean)
    low = keras.Model(*(lambda m: (m.inputs, m.get_layer("low").output))(
        keras.saving.load_model(saved)))  # fmt: skip
    np.testing.assert_allclose(net.responses(x)[0], low(pixels), rtol=1e-4, atol=1e-3)


def test_f_sums_the_layers_on_every_tap_by_the_area_of_their_positions(saved):
    net = network(saved, own=[Layer(4, 3), Layer(2, 1)])
    x = tf.random.stateless_normal([2, 16, 16, 3], (5, 6))
    maps = net.responses(x, "torus")  # every layer wrapped by itself
    assert net.tops == [4, 6] and net.total_strides() == (2, 2)
    expected = tf.reduce_sum(maps[4], (1, 2, 3)) / 4 + tf.reduce_sum(maps[6], (1, 2, 3))
    np.testing.assert_allclose(net(x), expected, rtol=1e-5)
    np.testing.assert_allclose(64 * net.mean(x), expected, rtol=1e-5)
    # Four copies of a torus are four times as probable, in log p: f is a sum over positions.
    np.testing.assert_allclose(net(tf.tile(x, [1, 2, 2, 1])), 4 * expected, rtol=1e-5)


def test_the_gradient_of_a_bank_in_blocks_is_that_of_the_whole(saved):
    net = network(saved)
    x = tf.random.stateless_normal([1, 32, 16, 3], (7, 8))
    whole = score_gradient(net, x)
    blocks = sweep(net, x, lambda part, gradient, rows: gradient, 16 * 8)
    np.testing.assert_allclose(blocks, whole, atol=1e-6)


def test_what_is_learned_are_the_layers_on_top(saved):
    net = network(saved)
    assert [tuple(w.shape) for w in net.trainable_variables] == [
        (1, 1, 5, 4), (4,), (1, 1, 7, 4), (4,)]  # fmt: skip
    assert not net.non_trainable_variables


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """Convolutions below fully connected layers, as a .keras file: 16x16 pixels to 5 features."""
    keras.utils.set_random_seed(4)
    layers, how = keras.layers, {"activation": "relu", "bias_initializer": "random_normal"}
    model = keras.Sequential([
        keras.Input((16, 16, 3)),
        layers.Conv2D(4, 3, padding="same", **how),
        layers.Dense(6, name="point", **how),  # of each position: a 1x1 convolution
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(7, name="fc1", **how),
        layers.Dense(5, name="fc2", **how),
        layers.Dense(3, name="logits"),
    ])  # fmt: skip
    path = tmp_path_factory.mktemp("filters") / "classifier.keras"
    model.save(path)
    return str(path)


def test_features_of_fully_connected_layers_are_those_of_the_keras_network(classifier):
    model = keras.saving.load_model(classifier)
    x = tf.random.stateless_normal([3, 16, 16, 3], (1, 2), stddev=2.0)
    bank = banks.make(classifier, layers=["fc2", "point", "fc1"])
    net = ScoringNetwork([Layer(1, 1, relu=False)], 2, "same", bank=bank)
    net.build((None, 16, 16, 3))
    maps = net.responses(x)
    for tap, name in zip(bank.taps, bank.config["layers"]):
        part = keras.Model(model.inputs, model.get_layer(name).output)
        np.testing.assert_allclose(np.squeeze(maps[tap]), part(x), rtol=1e-4, atol=1e-5)
    assert bank.config["layers"] == ("point", "fc1", "fc2")


def test_features_of_a_pooled_map_are_those_of_the_keras_network(tmp_path):
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((None, None, 3)), layers.Conv2D(4, 3, activation="relu"),
        layers.GlobalAveragePooling2D(name="pooled"), layers.Dense(6, "relu", name="top"),
    ])  # fmt: skip
    model.save(tmp_path / "pooled.keras")
    bank = banks.make(str(tmp_path / "pooled.keras"), layers=["top"])
    net = ScoringNetwork([Layer(1, 1, relu=False)], 2, "valid", bank=bank)
    net.build((None, 12, 12, 3))
    x = tf.random.stateless_normal([2, 12, 12, 3], (3, 4))
    received = np.squeeze(net.responses(x)[bank.taps[0]])
    np.testing.assert_allclose(received, model(x), rtol=1e-4, atol=1e-5)


def test_images_of_another_size_than_fully_connected_filters_see_are_refused(classifier):
    changes = {"layers": ["fc2"], "filters": classifier}
    with pytest.raises(ValueError, match=r"made for, \(8, 8\) responses.*Received: \(12, 12\)"):
        gct.GenerativeConvNet(**{**config(classifier, **changes), "boundary": "same"})


def test_a_vgg_has_its_fully_connected_layers(classifier, tmp_path, monkeypatch):
    """Of 224x224 pixels; a smaller network stands for the 138 million weights of the real one."""
    from genconv_tf import features

    def vgg(include_top, weights):
        assert include_top and weights is None
        model = keras.saving.load_model(classifier)
        return keras.Model(model.inputs, model.outputs)

    monkeypatch.setitem(features.VGG, "vgg16", vgg)
    model, arrays = keras.saving.load_model(classifier), {}
    for one in model.layers:
        if one.weights:
            arrays |= {f"{one.name}/kernel": one.kernel, f"{one.name}/bias": one.bias + 0.5}
    np.savez(tmp_path / "filters.npz", **arrays)
    part = features.features("fc2", "vgg16", str(tmp_path / "filters.npz"), "max")
    assert part.network.input_shape == (None, 16, 16, 3)
    np.testing.assert_allclose(part.network.get_layer("fc2").bias, arrays["fc2/bias"])
    bank = banks.make("vgg16", layers=["fc2"], weights=str(tmp_path / "filters.npz"), pooling="max")
    net = ScoringNetwork([Layer(1, 1, relu=False)], 2, "same", bank=bank)
    net.build((None, 16, 16, 3))
    pixels = tf.random.stateless_uniform([2, 16, 16, 3], (5, 6), 0, 255)
    received = np.squeeze(net.responses(pixels)[bank.taps[0]])
    assert received.shape == part(pixels).shape


def test_category_models_on_one_bank_are_its_softmax_classifier(classifier):
    """FRAME eq. 24, by the rule of Bayes eq. 4: weights w_c, biases log P(c) - log Z_c."""
    # Beyond the ends of an image is its mean colour; for the network it is 0.
    changes = {"boundary": "same", "size": 16, "preprocessing": {"mean": 0.0},
               "bank": {"filters": classifier, "layers": ["fc2"]}}  # fmt: skip
    models = [gct.GenerativeConvNet(**{**config(classifier), **changes, "seed": seed})
              for seed in (1, 2)]  # fmt: skip
    priors, log_z = [0.2, 0.3, 0.5], [4.0, -2.0]
    x = tf.random.stateless_normal([3, 16, 16, 3], (7, 8), stddev=40.0)
    received = gct.to_classifier(models, priors, log_z)(x)
    network = keras.saving.load_model(classifier)
    top = keras.Model(network.inputs, network.get_layer("fc2").output)
    features = top(x).numpy()
    weights = [np.zeros(5), *(np.ravel(m.finest.network.kernels[-1]) for m in models)]
    bias = np.log(priors) - [0.0, *log_z]
    np.testing.assert_allclose(received, features @ np.transpose(weights) + bias, rtol=2e-4)


@pytest.mark.parametrize("names", [("high",), ("top",), ("low", "high")])
def test_a_frame_model_is_piecewise_linear(saved, names):
    net = network(saved, names, [Layer(3, 3)])
    x = tf.random.stateless_normal([2, 16, 16, 3], (9, 1))
    piece = structure.piece(net, x, "torus")
    np.testing.assert_allclose(piece.score(x), net(x, boundary="torus"), rtol=1e-5)
    slope = score_gradient(lambda y: net(y, boundary="torus"), x)
    np.testing.assert_allclose(piece.slope, slope, atol=1e-5)


def test_bins_are_a_histogram_of_triangles():
    layer = Layer(operation="bins", bins=4, span=2.0)
    net = ScoringNetwork([Layer(1, 1, relu=False), layer, Layer(1, 1)], 1)
    net.build((None, 6, 1))
    r = tf.constant([[-9.0, -1.5, -1.25, 0.0, 0.6, 3.0]])[..., None]
    shares = net.respond(1, r)[0].numpy()
    expected = [[1, 0, 0, 0], [1, 0, 0, 0], [0.75, 0.25, 0, 0], [0, 0.5, 0.5, 0],
                [0, 0, 0.9, 0.1], [0, 0, 0, 1]]  # fmt: skip
    np.testing.assert_allclose(shares, expected, atol=1e-6)


def test_gabor_filters_answer_to_their_own_wave():
    size, wavelength = 32, 4.0
    y, x = np.mgrid[:size, :size]
    answers = []
    for degrees in (0, 45, 90, 135):
        angle = np.deg2rad(degrees)
        kernel = linear_filters.gabor(wavelength, angle)
        np.testing.assert_allclose(np.abs(kernel).sum((0, 1, 2)), 1)
        np.testing.assert_allclose(kernel.sum((0, 1, 2)), 0, atol=1e-12)
        np.testing.assert_allclose(kernel[::-1, ::-1, :, 0], kernel[..., 0], atol=1e-12)
        np.testing.assert_allclose(kernel[::-1, ::-1, :, 1], -kernel[..., 1], atol=1e-12)
        row = []
        for other in (0, 45, 90, 135):
            turn = np.deg2rad(other)
            wave = np.cos(2 * np.pi * (x * np.cos(turn) + y * np.sin(turn)) / wavelength)
            h = tf.nn.convolution(wave[None, ..., None], kernel).numpy()
            row.append(np.sqrt(np.square(h).sum(-1)).max())
        answers.append(row)
    answers = np.array(answers)
    assert (answers.argmax(0) == np.arange(4)).all()
    assert (np.diag(answers) > 0.6).all() and (answers - np.diag(np.diag(answers)) < 0.1).all()


def test_a_difference_of_gaussians_sees_spots_and_no_light():
    kernel = linear_filters.difference_of_gaussians(1.5)
    assert abs(kernel.sum()) < 1e-12 and abs(np.abs(kernel).sum() - 1) < 1e-12
    assert kernel.argmax() == kernel.size // 2


@pytest.mark.parametrize(("response", "count"), [("relu", 18), ("absolute", 9), ("bins", 45)])
def test_linear_banks_have_units_of_grey_levels(response, count):
    how = Preprocessing(mean=128.0, basis=((0.0, 2.0, 0.0),))
    bank = banks.make("linear", wavelengths=(4,), orientations=3, differences=(1.0, 2.0),
                      response=response, bins=5, **how.affine(1))  # fmt: skip
    net = ScoringNetwork([Layer(1, 1, relu=False)], 2, bank=bank)
    net.build((None, 16, 16, 1))
    x = tf.random.stateless_normal([1, 16, 16, 1], (4, 4), stddev=10.0)
    maps = net.responses(x)
    assert sum(maps[i].shape[-1] for i in bank.taps) == count
    if response != "bins":
        # One unit of x is two grey levels here; the intensity is the last filter.
        seen = 2 * (tf.abs(x) if response == "absolute" else tf.nn.relu(x))
        np.testing.assert_allclose(maps[bank.taps[-1]][..., :1], seen, rtol=1e-6)


def test_neighbours_are_half_the_differences_along_both_axes():
    x = np.random.default_rng(5).normal(size=(1, 7, 8, 1)).astype(np.float32)
    how = {"wavelengths": (), "differences": (), "intensity": False, "neighbours": True}
    bank = banks.make("linear", **how)
    net = ScoringNetwork([Layer(1, 1, relu=False)], 2, "valid", bank=bank)
    net(x)
    row, column = (np.abs(np.diff(x, axis=axis))[:, :6, :7] / 2 for axis in (2, 1))
    received = net.responses(x)[bank.taps[0]]
    np.testing.assert_allclose(received, np.concatenate([row, column], -1), atol=1e-6)
    assert linear_filters.names(**how) == [["next in the row", "next in the column"]]


def config(saved, **bank):
    return {"layers": [{"filters": 1, "kernel": 1, "relu": False}], "weight_scale": 0.1, "size": 24,
            "bank": {"filters": saved, "layers": ["low", "high"], **bank},
            "preprocessing": {"mean": [90.0, 100.0, 110.0]},
            "sampler": {"steps": 3, "start_std": 30.0}}  # fmt: skip


def test_a_preset_holds_the_top_and_the_hash_of_the_filters(saved, tmp_path, monkeypatch):
    model = gct.GenerativeConvNet(**config(saved))
    model.save_to_preset(tmp_path / "frame")
    held = json.loads((tmp_path / "frame" / "config.json").read_text())["config"]["bank"]
    assert len(held["sha256"]) == 64
    assert (tmp_path / "frame" / "model.weights.h5").stat().st_size < 30_000
    monkeypatch.setattr(banks, "_READ", {})
    again = gct.GenerativeConvNet.from_preset(tmp_path / "frame")
    np.testing.assert_array_equal(again.sample(1, seed=3), model.sample(1, seed=3))
    model.export(tmp_path / "saved" / "1")
    loaded = gct.export.ExportedModel(tmp_path / "saved" / "1")
    np.testing.assert_array_equal(loaded.sample(1, seed=3), model.sample(1, seed=3))


def test_other_filters_are_refused_and_a_folder_is_searched(saved, tmp_path, monkeypatch):
    digest = gct.GenerativeConvNet(**config(saved)).get_config()["bank"]["sha256"]
    monkeypatch.setattr(banks, "_READ", {})
    with pytest.raises(ValueError, match="that the model was learned on"):
        gct.GenerativeConvNet(**config(saved, sha256="0" * 64))
    moved = config("elsewhere/chain.keras", sha256=digest)
    with pytest.raises(ValueError, match="GENCONV_HOME"):
        gct.GenerativeConvNet(**moved)
    monkeypatch.setenv("GENCONV_HOME", str(tmp_path))
    shutil.copy(saved, tmp_path / "chain.keras")
    gct.GenerativeConvNet(**moved)
    monkeypatch.setattr(banks, "_READ", {})
    monkeypatch.delenv("GENCONV_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".genconv").mkdir()
    shutil.move(tmp_path / "chain.keras", tmp_path / ".genconv")
    gct.GenerativeConvNet(**moved)


@pytest.mark.parametrize(("changes", "message"), [
    ({"layers": ["middle"]}, "Expected layers of low, pool, high, top"),
    ({"layers": []}, "names of layers"),
    ({"filters": "vgg11"}, "Expected filters of linear, vgg16, vgg19"),
    ({"colour": 1}, "Received: colour"),
    ({"filters": "linear", "layers": []}, "arguments of linear filters"),
])  # fmt: skip
def test_banks_that_do_not_exist_are_refused(saved, changes, message):
    with pytest.raises(ValueError, match=message):
        gct.GenerativeConvNet(**config(saved, **changes))


def test_filters_larger_than_the_image_are_refused():
    bank = {"filters": "linear", "wavelengths": [16], "orientations": 2}
    model = gct.GenerativeConvNet([{"filters": 1, "kernel": 1}], bank=bank, channels=1, size=64)
    with pytest.raises(ValueError, match="size of at least"):
        model.sample(1, size=8)


def test_a_network_that_is_no_chain_is_refused(tmp_path):
    image = keras.Input((8, 8, 3))
    path = tmp_path / "normalised.keras"
    keras.Model(image, keras.layers.LayerNormalization(name="d")(image)).save(path)
    with pytest.raises(ValueError, match="Expected a chain of Conv2D"):
        banks.make(str(path), layers=["d"])


@pytest.mark.parametrize("given", [{"weights": "own.npz"}, {"pooling": "max"}])
def test_a_network_of_ones_own_is_given_no_weights_and_no_pooling(saved, given):
    with pytest.raises(ValueError, match="Expected neither weights nor pooling"):
        banks.make(saved, layers=["low"], **given)


@pytest.mark.parametrize(("settings", "message"), [
    ({"wavelengths": [2]}, "above 2 pixels"),
    ({"response": "square"}, "Expected a response of"),
    ({"differences": [-1.0]}, "above 0"),
    ({"wavelengths": [], "differences": [], "intensity": False}, "at least one filter"),
])  # fmt: skip
def test_linear_filters_that_cannot_be_made_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        linear_filters.layers(**settings)


def test_a_preset_says_which_filters_it_needs(saved, tmp_path, monkeypatch, capsys):
    """They are looked for before anything is served, and named where presets are listed."""
    from genconv_tf import catalogue
    from genconv_tf.cli.main import main
    from genconv_tf.serving import models

    moved = tmp_path / "own" / pathlib.Path(saved).name
    moved.parent.mkdir()
    shutil.copyfile(saved, moved)
    monkeypatch.setenv("GENCONV_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "presets" / "frame-tiny"
    gct.GenerativeConvNet(**config(str(moved))).save_to_preset(folder)
    assert f"filters, not among these files: filters {moved}" in (folder / "README.md").read_text()
    named = {"frame-tiny": folder}
    assert catalogue.list_presets("frame-tiny")["frame-tiny"]["needs"] is None
    assert models.servable(named, True) == (named, {})
    moved.unlink()
    assert catalogue.list_presets("frame-tiny")["frame-tiny"]["needs"] == str(moved)
    assert main(["list", "frame-tiny"]) == 0
    assert f"(needs {moved})" in capsys.readouterr().out
    served, left = models.servable({**named, "other": tmp_path}, False)
    assert served == {"other": tmp_path} and left == {"frame-tiny": str(moved)}
    with pytest.raises(ValueError, match="Expected the filters of frame-tiny"):
        models.servable(named, True)
    shutil.copyfile(saved, tmp_path / "home" / moved.name)
    assert catalogue.list_presets("frame-tiny")["frame-tiny"]["needs"] is None
