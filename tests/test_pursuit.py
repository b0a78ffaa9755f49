"""Sparse FRAME models: which units are selected, what they gain, and that the mask holds."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import genconv_tf as gct
from genconv_tf import banks, noise, pyramid, sparsity
from genconv_tf.cli.main import main
from genconv_tf.cli.pursue import picture, ticks
from genconv_tf.data.decode import read_image
from genconv_tf.layers import Layer
from genconv_tf.network import ScoringNetwork
from genconv_tf.units import Units

RNG = np.random.default_rng(0)
SIX = np.stack(
    [
        np.outer(a, b)
        for a, b in [
            ((1, 0, -1), (1, 1, 1)),
            ((1, 1, 1), (1, 0, -1)),
            ((1, 0, -1), (1, 0, -1)),
            ((1, -2, 1), (1, 1, 1)),
            ((1, 1, 1), (1, -2, 1)),
            ((1, -2, 1), (1, -2, 1)),
        ]
    ],
    -1,
)
SIX = (SIX / np.linalg.norm(SIX, axis=(0, 1)))[:, :, None].astype(np.float32)  # fmt: skip


def bank(path, kernel, activation):
    """A .keras file of one layer of filters; the pooling of one position does nothing."""
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((None, None, 1)),
        layers.Conv2D(kernel.shape[-1], 3, activation=activation, use_bias=False, name="conv"),
        layers.AveragePooling2D(1, name="filters"),
    ])  # fmt: skip
    model.layers[0].kernel.assign(kernel)
    model.save(path)
    return {"filters": str(path), "layers": ["filters"]}


def make(bank, kernel=1, std=1.0, step_size=0.5, rate=0.02, **settings):
    adam = {"name": "adam", "learning_rate": rate, "beta_1": 0.0, "beta_2": 0.99}
    return gct.GenerativeConvNet(
        [{"filters": 1, "kernel": kernel, "relu": False}],
        channels=1,
        bank=bank,
        weight_scale=0.0,
        reference={"std": std},
        sampler={
            "start_std": std,
            "steps": 6,
            "step_size": step_size * std,
            **settings.pop("sampler", {}),
        },
        learning={"chains": 4, "optimizer": adam, **settings.pop("learning", {})},
        **settings,
    )


def data_of(x):
    return tf.data.Dataset.from_tensors(tf.constant(x, tf.float32))


INTENSITY = {"filters": "linear", "wavelengths": [], "differences": []}


# -- units -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [1, "full"])
def test_f_is_linear_in_the_features_of_the_units(kernel, tmp_path):
    layers = keras.layers
    path = tmp_path / "two.keras"
    keras.Sequential([
        keras.Input((None, None, 2)), layers.Conv2D(3, 3, activation="relu", name="low"),
        layers.MaxPooling2D(2), layers.Conv2D(4, 3, activation="relu", name="high"),
    ]).save(path)  # fmt: skip
    own = [Layer(1, kernel, relu=False)]
    net = ScoringNetwork(own, 2, "valid" if kernel == "full" else "torus", weight_scale=1.0,
                         bank=banks.make(str(path), layers=["high", "low"]))  # fmt: skip
    net.build((None, 16, 16, 2))
    units = Units(net)
    x = tf.random.stateless_normal([3, 16, 16, 2], (1, 2))
    features = units.features(x)
    assert features.shape == (3, units.count, 1) and (units.count == 7) == (kernel == 1)
    f = 256 * tf.einsum("nub,ub->n", features, units.weights())
    np.testing.assert_allclose(f, net(x), rtol=1e-4)
    weights = tf.random.stateless_normal([units.count, 1], (3, 4))
    units.assign(weights)
    np.testing.assert_array_equal(units.weights(), weights)
    f = 256 * tf.einsum("nub,ub->n", features, weights)
    np.testing.assert_allclose(f, net(x), rtol=1e-3, atol=1e-3)
    assert units.describe(0)["name"] == "low filter 0"  # bottom up, however they were named
    assert units.describe(units.count - 1)["name"] == "high filter 3"


def test_units_are_named_by_filter_channel_and_place():
    settings = {"wavelengths": (4,), "orientations": 2, "response": "bins", "bins": 3}
    made = banks.make("linear", matrix=np.eye(2, 3), **settings)
    net = ScoringNetwork([Layer(1, 1, relu=False)], 2, bank=made)
    net.build((None, 32, 32, 2))
    units = Units(net)
    assert (units.count, units.bins, units.counts) == (12, 3, [8, 2, 2])
    assert units.describe(1) == {"name": "Gabor of 4 pixels, 0 degrees, sine, channel 0"}
    assert units.describe(6) == {"name": "Gabor of 4 pixels, 90 degrees, cosine, channel 1"}
    assert units.describe(11) == {"name": "intensity, channel 1"}
    for boundary, first in (("same", 0), ("valid", 7)):
        made = banks.make("linear", differences=[], intensity=False)
        net = ScoringNetwork([Layer(1, "full", relu=False)], 2, boundary, bank=made)
        net.build((None, 24, 32, 1))
        about = Units(net).describe(12 * (2 if boundary == "valid" else 16))
        assert about["position"] == [first, 2 + first if first else 16]


# -- gains -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [1, "full"])
def test_the_gain_of_a_linear_filter_of_white_noise(kernel, tmp_path):
    # f = w H with H = Σ_y c_y I(y): log Z = s² w² ‖c‖² / 2, so that the best w gains
    # (H - E H)² / (2 s² ‖c‖²) over white noise. Of a filter at all places c is its sum.
    b = RNG.normal(size=(3, 3, 1, 2)).astype(np.float32)
    s, n, count = 3.0, 96 if kernel == 1 else 6, 8 if kernel == 1 else 4000
    model = make(bank(tmp_path / "b.keras", b, "linear"), kernel, size=n,
                 boundary="torus" if kernel == 1 else "valid")  # fmt: skip
    units = Units(model.networks[0])
    chains = tf.random.stateless_normal([count, n, n, 1], (1, 2), stddev=s)
    curvature = units.moments(chains)[1]
    c = np.square(b).sum((0, 1, 2)) if kernel == "full" else np.square(b.sum((0, 1, 2)))
    exact = s**2 * (np.tile(c, 16) / n**2 if kernel == "full" else c)
    degrees = 16 * count - 1 if kernel == 1 else count - 1
    tolerance = 5 * math.sqrt(2 / degrees)
    pooled = 0.9 * exact + 0.1 * exact.mean()
    np.testing.assert_allclose(curvature[:, 0, 0], pooled, rtol=tolerance)
    difference = tf.random.stateless_normal([units.count, 1], (5, 6))
    np.testing.assert_allclose(sparsity.gains(difference, curvature),
                               difference[:, 0] ** 2 / 2 / pooled, rtol=2 * tolerance)  # fmt: skip


def test_gains_and_costs_of_histograms_against_linear_algebra():
    counts = RNG.multinomial(30, [0.1, 0.4, 0.3, 0.2], size=(5, 200)) / 30
    curvature = np.stack([np.cov(each.T) for each in counts])
    difference = RNG.normal(size=(5, 4))
    difference -= difference.mean(-1, keepdims=True)
    exact = [d @ np.linalg.pinv(c) @ d / 2 for d, c in zip(difference, curvature)]
    args = tf.constant(difference, tf.float32), tf.constant(curvature, tf.float32)
    np.testing.assert_allclose(sparsity.gains(*args), exact, rtol=0.02)
    best = sparsity.ascent(*args)
    # What a step of C⁻¹ Δ gains in all is what its loss costs.
    np.testing.assert_allclose(sparsity.costs(best, args[1]), exact, rtol=0.02)


def test_what_does_not_respond_promises_nothing():
    difference = tf.constant([[1.0], [2.0]])
    gains = sparsity.gains(difference, tf.constant([[[0.0]], [[0.5]]]))
    np.testing.assert_allclose(gains, [0, 4])
    assert not sparsity.ascent(tf.ones((1, 3)), tf.zeros((1, 3, 3))).numpy().any()


# -- the methods -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_of_six(tmp_path_factory):
    """Samples of a model with two of six filters, and its bank."""
    own = bank(tmp_path_factory.mktemp("six") / "six.keras", SIX, "relu")
    model = make(own, size=40)
    Units(model.networks[0]).assign(tf.constant([0, -0.9, 0, 0, 0, 0.6])[:, None])
    draw = tf.function(lambda: pyramid.generate(
        model.levels, noise.row_seeds(7, 4), (48, 48), 1, 120))  # fmt: skip
    return own, draw()


def test_pursuit_finds_the_two_filters_that_made_the_data(two_of_six, tmp_path):
    own, x = two_of_six
    model = make(own, rate=0.05, size=40)
    result = gct.pursue(model, data_of(x), count=3, updates=20)
    assert {each["unit"] for each in result.selected[0][:2]} == {1, 5}
    assert [row["filters"] for row in result.curve] == [[0], [1], [2], [3]]
    weights = Units(model.networks[0]).weights().numpy()[:, 0]
    kept = [each["unit"] for each in result.selected[0]]
    assert not np.delete(weights, kept).any() and weights[5] > 0.3 and weights[1] < -0.3
    steps = np.diff([row["gain"][0] for row in result.curve])
    assert (steps[:2] > 0.02).all() and steps[2] < 0.3 * steps[:2].min()
    promised = [each["gain"] for each in result.selected[0]]
    np.testing.assert_allclose(steps[0], promised[0], rtol=0.5)  # of second order
    # An ordinary model: as a preset and as a SavedModel.
    model.save_to_preset(tmp_path / "sparse")
    again = gct.GenerativeConvNet.from_preset(tmp_path / "sparse")
    again.export(tmp_path / "saved" / "1")
    alone = gct.export.ExportedModel(tmp_path / "saved" / "1")
    np.testing.assert_array_equal(alone.sample(1, seed=3), model.sample(1, seed=3))


def test_elimination_drops_what_has_no_weight_first(two_of_six):
    own, x = two_of_six
    model = make(own, size=40)
    units = Units(model.networks[0])
    units.assign(tf.constant([0.05, -0.9, 0.1, 0.0, 0.02, 0.6])[:, None])
    seen = []
    result = gct.pursue(model, data_of(x), "elimination", count=2, updates=8, batch=2, first=0,
                        progress=lambda *args: seen.append(args))  # fmt: skip
    dropped = [each["unit"] for each in result.dropped[0]]
    assert dropped[0] == 3 and set(dropped) == {0, 2, 3, 4}
    assert [each["unit"] for each in result.selected[0]] == [5, 1]
    assert [row["filters"][0] for row in result.curve] == [6, 4, 2]
    assert not units.weights().numpy()[dropped].any()
    assert abs(result.curve[-1]["gain"][0]) < 0.1  # hardly anything was lost
    assert len(seen) == 8 + 2 * 8 + 2 and seen[0][:2] == (1, 26)


def test_every_level_selects_its_own_filters():
    model = make(INTENSITY | {"differences": [1.0]}, size=12, levels=2)
    x = np.random.default_rng(2).normal(size=(1, 24, 24, 1))
    result = gct.pursue(model, data_of(2 * x), count=1, updates=3)
    assert [len(chosen) for chosen in result.selected] == [1, 1]
    assert [row["filters"] for row in result.curve] == [[0, 0], [1, 1]]
    for units in map(Units, model.networks):
        assert np.count_nonzero(units.weights()) == 1


def known(tmp_path, n=6, s=2.0):
    """A model of f = Σ_u w_u ⟨B_u, I⟩, which gives white noise the mean s² Σ_u w_u B_u: everything
    is known. Beside it data of weights 1.2 and -0.8 of units 5 and 20, the mean ⟨B_u, I⟩ of them,
    and a function of weights to the gain that they have per sample."""
    rng = np.random.default_rng(5)
    model = make(bank(tmp_path / "b.keras", SIX[..., :2], "linear"), "full", s, step_size=0.8,
                 rate=0.04, size=n, boundary="valid", learning={"chains": 64})  # fmt: skip
    units = Units(model.networks[0])
    b = n**2 * units.features(tf.reshape(tf.eye(n**2), [-1, n, n, 1])).numpy()[..., 0].T
    truth = np.zeros(units.count)
    truth[[5, 20]] = 1.2, -0.8
    x = s**2 * truth @ b + s * rng.normal(size=(256, n**2))
    h = b @ x.mean(0)
    alone = np.square(h) / (2 * s**2 * np.square(b).sum(-1)) / n**2

    def gain(w):
        return (w @ h - s**2 * np.square(w @ b).sum() / 2) / n**2

    return model, units, data_of(x.reshape(-1, n, n, 1)), alone, gain


@pytest.mark.parametrize("method", ["pursuit", "boosting"])
def test_selection_and_gain_against_the_closed_form(method, tmp_path):
    model, units, data, alone, gain = known(tmp_path)
    result = gct.pursue(model, data, method, count=2, updates=24)
    first = result.selected[0][0]
    assert first["unit"] == alone.argmax() == 5
    np.testing.assert_allclose(first["gain"], alone[5], rtol=0.3)
    assert result.selected[0][1]["unit"] == 20
    w = units.weights().numpy()[:, 0]
    assert set(np.flatnonzero(w)) == {5, 20}
    last = result.curve[-1]
    assert last["gain"][0] > 0.1
    # Beside the noise, what the trapezoids of the integral leave out.
    assert abs(last["gain"][0] - gain(w)) < 4 * last["error"][0] + 0.002
    assert [row["filters"][0] for row in result.curve] == [0, 1, 2]


def test_gain_of_an_elimination_against_the_closed_form(tmp_path):
    model, units, data, _, gain = known(tmp_path)
    result = gct.pursue(model, data, "elimination", count=2, updates=24, batch=10)
    w = units.weights().numpy()[:, 0]
    assert set(np.flatnonzero(w)) == {5, 20}
    last = result.curve[-1]
    assert abs(last["gain"][0] - gain(w)) < 4 * last["error"][0] + 0.002
    assert [row["filters"][0] for row in result.curve] == [32, 22, 12, 2]


def test_all_batches_are_matched(tmp_path):
    kinds = {"wavelengths": [4], "orientations": 2, "differences": [], "intensity": False}
    x = RNG.normal(size=(4, 24, 24, 1)).astype(np.float32)
    selected = []
    for batch in (4, 2):
        model = make({"filters": "linear", **kinds}, "full", size=24, boundary="valid")
        data = tf.data.Dataset.from_tensor_slices(x).batch(batch)
        result = gct.pursue(model, data, "matching", count=3, updates=1, batch=3)
        selected.append([each["unit"] for each in result.selected[0]])
    assert selected[0] == selected[1]
    with pytest.raises(ValueError, match="data that end"):
        gct.pursue(model, data.repeat(), "matching", count=3, updates=1)


def test_the_gain_is_the_likelihood_of_a_density_that_is_no_gaussian():
    # exp(w |x|) N(0, s²): Z = 2 exp(w² s² / 2) Φ(w s) of every pixel; |x| is a normal number of
    # mean w s² that is positive.
    s, drawn = 2.0, RNG.normal(2.0, 2.0, size=10**5)
    x = np.resize(drawn[drawn > 0], (1, 64, 64, 1)) * RNG.choice([-1, 1], (1, 64, 64, 1))
    model = make(INTENSITY, std=s, step_size=0.2, size=32, sampler={"steps": 30})
    result = gct.pursue(model, data_of(x), count=1, updates=60)
    w = float(Units(model.networks[0]).weights()[0, 0])
    z = 2 * math.exp(w**2 * s**2 / 2) * 0.5 * math.erfc(-w * s / math.sqrt(2))
    exact = w * np.abs(x).mean() - math.log(z)
    last = result.curve[-1]
    assert abs(w - 0.5) < 0.1 and exact > 0.1
    assert abs(last["gain"][0] - exact) < 4 * last["error"][0] + 0.05 * exact


# -- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "arguments", "message"), [
    ({"bank": None}, {}, "on a bank of given filters"),
    ({}, {"method": "magic"}, "Expected a method of"),
    ({}, {"count": 2}, "at most 1 filters"),
    ({}, {"count": 0}, "count >= 1"),
    ({}, {"method": "matching"}, 'kernel "full" for matching'),
    ({"kernel": 3}, {}, "one layer on the bank"),
    ({"learning": {"chains": 1}}, {}, "two chains or more"),
    ({"learning": {"hidden": 4}}, {}, "chains of whole signals"),
])  # fmt: skip
def test_what_cannot_be_pursued_is_refused(changes, arguments, message):
    model = make(**{"bank": INTENSITY, "size": 16, **changes})
    with pytest.raises(ValueError, match=message):
        gct.pursue(model, data_of(np.zeros((1, 16, 16, 1))), **{"count": 1, **arguments})


def test_matching_needs_linear_filters(tmp_path):
    model = make(bank(tmp_path / "six.keras", SIX, "relu"), "full", size=8, boundary="valid")
    with pytest.raises(ValueError, match="bank of linear filters for matching"):
        gct.pursue(model, data_of(np.zeros((1, 8, 8, 1))), "matching", count=1)


# -- the command -----------------------------------------------------------------------------

RECIPE = """
[recipe]
name = "sparse"
[data]
size = 24
colours = "grey"
[model]
layers = [{filters = 1, kernel = "full", relu = false}]
boundary = "same"
[model.bank]
filters = "linear"
wavelengths = [3]
orientations = 2
differences = []
[reference]
std = 20.0
[sampler]
steps = 2
start_std = 20.0
step_size = 5.0
[learning]
updates = 2
chains = 2
optimizer = {name = "adam", learning_rate = 1e-3, use_ema = true}
"""


def test_the_command_writes_a_model_its_curve_and_its_filters(picture, tmp_path, capsys):
    recipe = tmp_path / "sparse.toml"
    recipe.write_text(RECIPE)
    folder = tmp_path / "out"
    words = ["pursue", str(recipe), str(picture), "--output", str(folder), "--quiet"]
    assert main([*words, "--method", "matching", "--filters", "5", "--batch", "3"]) == 0
    model = gct.GenerativeConvNet.from_preset(folder / "preset")
    filters = json.loads((folder / "filters.json").read_text())
    kept = [each["unit"] for each in filters["selected"][0]]
    weights = Units(model.networks[0]).weights().numpy()[:, 0]
    assert len(kept) == 5 and set(np.flatnonzero(weights)) == set(kept)
    assert np.diff(filters["explained"][0]).min() > 0
    assert all(0 <= p < 24 for each in filters["selected"][0] for p in each["position"])
    curve = json.loads((folder / "curve.json").read_text())
    assert [row["filters"] for row in curve] == [[0], [3], [5]]
    assert curve[0]["gain"] == [0] and curve[-1]["updates"] == 7
    assert read_image(folder / "curve.png").ndim == 3
    assert read_image(folder / "samples.png").shape == (52, 52, 3)
    capsys.readouterr()
    assert main([*words, "--filters", "5"]) == 2
    assert "new or empty folder" in capsys.readouterr().err


def test_a_curve_is_drawn_between_round_numbers():
    np.testing.assert_allclose(ticks(0, 7), [0, 2, 4, 6, 8])
    np.testing.assert_allclose(ticks(-0.1, 0.43), [-0.2, 0, 0.2, 0.4, 0.6])
    rows = [{"filters": [n, n], "gain": [g, 2 * g], "error": [0.1, None]}
            for n, g in ((0, 0.0), (1, 0.5), (3, 0.7))]  # fmt: skip
    image = picture(rows)
    assert image.shape[2] == 3 and image.min() < 100
