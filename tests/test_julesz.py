"""Julesz ensembles against NumPy, gradients by the weights, and closed forms."""

import json

import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

import genconv_tf as gct
from genconv_tf import colouring, descent, julesz, noise, statistics
from genconv_tf.banks import Bank
from genconv_tf.cli.main import main
from genconv_tf.energy import Reference
from genconv_tf.layers import Layer
from genconv_tf.network import ScoringNetwork
from genconv_tf.pyramid import Level, levels_of
from genconv_tf.resample import downsample
from genconv_tf.sampler import Sampler

RNG = np.random.default_rng(5)


def bank(rank=2, channels=1):
    """Two random layers, tapped both, at different strides."""
    layers = [Layer(3, 3), Layer(operation="average", kernel=2, stride=2), Layer(4, 2)]
    shapes = [(*[3] * rank, channels, 3), None, (*[2] * rank, 3, 4)]
    weights = [
        shape and (RNG.normal(size=shape).astype(np.float32), np.full(shape[-1], 0.1, np.float32))
        for shape in shapes
    ]
    return Bank(layers, weights, [0, 2], {"filters": "random"})


def network(top, rank=2, boundary="torus", size=12):
    net = ScoringNetwork([top], rank, boundary, weight_scale=1.0, bank=bank(rank))
    net.build((None, *[size] * rank, 1))
    return net


def gradients_by_the_weights(net, x, boundary):
    """Of the mean of f over one image, by the kernel of each top layer's first filter."""
    kernels = [kernel.value for _, _, kernel, _ in net.learned()]
    result = []
    for i in range(len(x)):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(net.mean(x[i : i + 1], boundary))
        result.append([g[..., 0].numpy() for g in tape.gradient(value, kernels)])
    return [np.stack(each) for each in zip(*result)]


@pytest.mark.parametrize("boundary", ["torus", "valid", "same"])
@pytest.mark.parametrize("top", [
    Layer(1, 1, relu=False), Layer(2, 3, relu=False), Layer(1, 3, stride=2, relu=False),
    Layer(1, (3, "full"), relu=False), Layer(2, "full", relu=False),
    Layer(1, 2, padding=1, relu=False),
])  # fmt: skip
def test_statistics_are_the_gradient_of_f_by_the_weights(top, boundary):
    net = network(top, boundary=boundary)
    x = tf.random.stateless_normal([2, 12, 12, 1], (1, 2))
    exact = gradients_by_the_weights(net, x, boundary)
    for statistic, gradient in zip(julesz.statistics(net, x), exact, strict=True):
        np.testing.assert_allclose(statistic, gradient, rtol=1e-4, atol=1e-5)


def test_statistics_in_one_dimension_are_those_of_numpy():
    net = network(Layer(1, 1, relu=False), rank=1)
    x = RNG.normal(size=(2, 12, 1)).astype(np.float32)
    around = np.concatenate([x[:, -1:], x, x[:, :1]], 1)
    kernel, bias = net.bank.weights[0]
    seen = np.stack([around[:, i : i + 12] for i in range(3)], 2)
    low = np.maximum(np.einsum("bpkc,kcf->bpf", seen, kernel) + bias, 0)
    found = julesz.statistics(net, tf.constant(x))
    np.testing.assert_allclose(found[0][:, 0], low.mean(1), rtol=1e-4, atol=1e-6)
    assert [s.shape for s in found] == [(2, 1, 3), (2, 1, 4)]


def test_a_torus_wrapped_once_has_the_responses_of_every_layer_wrapped():
    net = network(Layer(1, 1, relu=False))
    x = tf.random.stateless_normal([1, 12, 12, 1], (1, 2))
    for i, responses in zip((0, 2), net.responses_of([0, 2], x)):
        np.testing.assert_allclose(responses, net.responses(x)[i], atol=1e-5)


def linear(levels=1, size=32, bank=None, **changes):
    """A FRAME model of grey images on small linear filters."""
    given = {"filters": "linear", "wavelengths": [3], "orientations": 2, **(bank or {})}
    return gct.GenerativeConvNet(**{
        "layers": [{"filters": 1, "kernel": 1, "relu": False}], "bank": given, "levels": levels,
        "channels": 1, "size": size, "preprocessing": {"mean": [128.0] * 3, "basis": [[1.0] * 3]},
        "reference": {"kind": "uniform"}, "sampler": {"start_std": 30.0, "bounded": True},
        **changes,
    })  # fmt: skip


def grey(count=1, size=32, std=30.0):
    """Waves with noise, as the model sees them."""
    across = np.arange(size)[None, :, None, None] + np.arange(size)[None, None, :, None] / 2
    wave = std * np.sin(2 * np.pi * across / 6)
    return tf.constant(wave + 10 * RNG.normal(size=(count, size, size, 1)), tf.float32)


def test_what_is_observed_are_means_and_deviations():
    model, x = linear(2), grey(3)
    observed = julesz.observe(model, x)
    for level, here, data in zip(model.levels, observed, levels_of(x, model.levels)):
        responses = level.network.responses(data, "valid")
        for k, tap in enumerate(level.network.bank.taps):
            r = responses[tap].numpy().astype(np.float64)
            np.testing.assert_allclose(here.means[k][0, 0], r.mean((0, 1, 2)), rtol=1e-4)
            np.testing.assert_allclose(here.deviations[k], r.std((0, 1, 2)), rtol=1e-3)
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(1)
    for a, b in zip(observed, julesz.observe(model, dataset)):
        np.testing.assert_allclose(a.means[0], b.means[0], rtol=1e-5)


def test_at_temperature_zero_the_statistics_are_those_observed():
    model, x = linear(2, reference={"std": 40.0}), grey()
    made = julesz.sample(model, x, steps=150)
    assert made.media.shape == (1, 32, 32, 3) and made.media.dtype == np.uint8
    for level in made.errors:
        assert [one["of"] for one in level] == ["responses"] * 3 + ["squares"]
    assert max(one["relative_error"] for one in made.errors[0]) < 1e-3
    # Rounded to grey levels.
    assert max(one["relative_error"] for one in made.errors[1]) < 1e-2
    assert [one["receptive_field"] for one in made.errors[0][:3]] == [(13, 13), (9, 9), (1, 1)]
    # Independently of the module: mean |r| of the filters, ‖x‖² and the pixels themselves.
    y = model.preprocessing.encode(made.media)
    assert np.square(y).mean() == pytest.approx(np.square(x).mean(), rel=1e-2)
    assert np.abs(y).mean() == pytest.approx(np.abs(x).mean(), rel=1e-2)
    assert np.abs(y - x).mean() > 10


def test_a_finer_level_starts_with_as_strong_detail_as_the_data(monkeypatch):
    monkeypatch.setattr(julesz.Matching, "run", lambda self, start, *_: start)
    x = grey(size=64)
    # Where the level below has no structure yet, half of all frequencies are those of the detail.
    made = julesz.sample(linear(2, size=64, sampler={"start": "zero"}), x, 4)
    y = made.media[..., :1].astype(np.float64) - 128
    detail = colouring.lacking(x, downsample(x, 2)).numpy()
    high = np.add.outer(np.abs(np.fft.fftfreq(64)), np.abs(np.fft.fftfreq(64))) > 0.5
    powers = [np.mean(np.abs(np.fft.fft2(a[..., 0])[:, high]) ** 2) for a in (y, detail)]
    # Of 2,000 waves in each of four samples, some of which are tied by the taper.
    assert powers[0] == pytest.approx(powers[1], rel=0.1)


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_at_a_temperature_a_linear_statistic_has_the_variance_of_the_ensemble(temperature):
    """A filter that sees the mean of x alone: Δ is normal of variance T/2, and with the steps e of
    the discretised dynamics of T/2 / (1 - c²/2), where c is e over √(2 / curvature)."""
    ones = (np.ones((1, 1, 1), np.float32), np.full(1, 1e3, np.float32))
    net = ScoringNetwork([Layer(1, 1, relu=False)], 1, bank=Bank([Layer(1, 1)], [ones], [0], {}))
    net.build((None, 16, 1))
    level = Level(net, Reference("uniform"), (1,), Sampler())
    mean = julesz.statistics(net, tf.zeros([1, 16, 1]))[0][0]
    observed = statistics.Observed([mean], [tf.constant([5.0])], (16,), 5.0, np.ones((1, 1, 1)))
    matching, chains = julesz.Matching(level, observed), 2000
    seeds, start = noise.row_seeds(3, chains), tf.zeros([chains, 16, 1])
    x = matching.run(start, seeds, 120, (temperature, temperature))
    difference = matching.differences(x)[0].numpy().ravel()
    np.testing.assert_allclose(difference, x.numpy().mean((1, 2)) * 4 / 5, atol=2e-3)
    exact = temperature / 2 / (1 - julesz.CAUTION**2 / 2)
    assert abs(difference.var() - exact) < 5 * exact * np.sqrt(2 / chains)
    assert abs(difference.mean()) < 5 * np.sqrt(exact / chains)
    # What no statistic sees walks at random.
    seen = x.numpy() - x.numpy().mean((1, 2), keepdims=True)
    walk = 60 * temperature * float(matching.step_size(x)) ** 2
    assert seen.var() == pytest.approx(walk * 15 / 16, rel=5 * np.sqrt(2 / (15 * chains)))


@pytest.mark.parametrize(("levels", "temperature"), [(2, 0.0), (1, (2.0, 0.0))])
def test_a_sample_is_that_of_its_seed_alone(levels, temperature):
    model, x = linear(levels), grey()
    how = {"steps": 12, "temperature": temperature}
    two = julesz.sample(model, x, 2, seed=3, **how).media
    np.testing.assert_array_equal(julesz.sample(model, x, 1, seed=3, **how).media, two[:1])
    assert np.abs(two[0].astype(int) - two[1]).mean() > 5
    other = julesz.sample(model, x, 1, seed=4, **how).media
    assert np.abs(two[0].astype(int) - other[0]).mean() > 5
    # Whatever the weights are, and larger than the data.
    model.set_weights([w + 1 for w in model.get_weights()])
    np.testing.assert_array_equal(julesz.sample(model, x, 1, seed=4, **how).media, other)
    assert julesz.sample(model, x, size=(40, 48), **how).media.shape == (1, 40, 48, 3)


def test_annealed_samples_match_and_their_statistics_are_the_same_everywhere():
    model, x = linear(), grey()
    made = julesz.sample(model, x, 4, size=48, steps=150, temperature=(10.0, 0.0))
    assert all(one["standard_errors"] < 0.5 for one in made.errors[0])
    y = model.preprocessing.encode(made.media).numpy()
    # Stationary: both halves of the samples have the mean |x| of the data.
    for half in (y[:, :24], y[:, 24:]):
        assert np.abs(half).mean() == pytest.approx(np.abs(x).mean(), rel=0.05)


def test_where_a_layer_covers_the_signal_images_match_together_place_by_place():
    model = linear(layers=[{"filters": 2, "kernel": "full", "relu": False}], boundary="valid")
    x = grey(5) * tf.constant(np.linspace(0, 1.5, 32), tf.float32)[None, :, None, None]
    (observed,) = julesz.observe(model, x)
    assert [m.shape for m in observed.means] == [(20, 20, 4), (24, 24, 1), (32, 32, 1)]
    made = julesz.sample(model, x, 3, steps=200)
    assert max(one["standard_errors"] for one in made.errors[0]) < 0.4
    y = model.preprocessing.encode(made.media).numpy()
    apart = [np.abs(np.abs(part).mean(0) - np.abs(x).mean(0)).mean() for part in (y, y[:1])]
    assert apart[0] < 2 and apart[1] > 4
    # An image depends on those that it matches with.
    fewer = julesz.sample(model, x, 2, steps=20).media
    assert np.any(fewer != julesz.sample(model, x, 3, steps=20).media[:2])
    with pytest.raises(ValueError, match=r"size of 32 x 32, .* whole\. Received: 40 x 40"):
        julesz.sample(model, x, size=40)


def test_steps_are_counted():
    seen = []
    julesz.sample(linear(2), grey(), 2, steps=[4, 3], temperature=1.0,
                  progress=lambda *done: seen.append(done))  # fmt: skip
    assert seen[-1] == (14, 14) and [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_chains_of_a_last_temperature_are_not_descended_afterwards(monkeypatch):
    order = []
    for name in ("_descend", "_anneal"):
        own = getattr(julesz.Matching, name)

        def recorded(self, *args, own=own, name=name):
            order.append(name)
            return own(self, *args)

        monkeypatch.setattr(julesz.Matching, name, recorded)
    julesz.sample(linear(1), grey(), 1, steps=5, temperature=(2.0, 1.0))
    assert order == ["_descend", "_anneal"]
    julesz.sample(linear(1), grey(), 1, steps=6, temperature=(2.0, 0.0))
    assert order[2:] == ["_descend", "_anneal", "_descend"]


@pytest.mark.parametrize(("changes", "how", "message"), [
    ({"layers": [{"filters": 1, "kernel": 1}]}, {}, r"linear in its weights.*relu of \[True\]"),
    ({"layers": [{"filters": 2, "kernel": 1}, {"filters": 1, "kernel": 1, "relu": False}]}, {},
     r"relu of \[True, False\]"),
    ({}, {"temperature": -1.0}, "temperature of 0 or more.*Received: -1.0"),
    ({}, {"temperature": (0.0, 1.0)}, "a first and a last one"),
    ({}, {"temperature": float("inf")}, "Received: inf"),
    ({}, {"temperature": float("nan")}, "Received: nan"),
    ({}, {"num": 0}, "num >= 1"),
    ({}, {"steps": 0}, "steps >= 1"),
    ({}, {"temperature": (5.0, 0.0)}, "steps >= 3"),
    ({}, {"size": 4}, "size of at least"),
    ({"reference": {"std": 30.0}, "sampler": {"start_std": 30.0}},
     {"temperature": 1e7, "steps": 20}, "temperature that Langevin steps can follow"),
])  # fmt: skip
def test_what_cannot_be_sampled_is_named(changes, how, message):
    with pytest.raises(ValueError, match=message):
        julesz.sample(linear(**changes), grey(), **{"steps": 2, **how})


def test_a_model_without_a_bank_has_nothing_to_match():
    layers = [{"filters": 1, "kernel": 3, "relu": False}]
    model = gct.GenerativeConvNet(layers, channels=1, size=32)
    with pytest.raises(ValueError, match="Expected a FRAME model, with a bank"):
        julesz.sample(model, grey())


@pytest.mark.parametrize("size", [8, 23])
def test_data_smaller_than_what_a_filter_sees_are_refused(size):
    with pytest.raises(ValueError, match=r"data of at least .*, the receptive field"):
        julesz.observe(linear(2), grey(size=size))


def test_no_data_are_refused_and_constant_ones_have_no_deviation():
    with pytest.raises(ValueError, match="data to observe"):
        julesz.observe(linear(), [])
    (observed,) = julesz.observe(linear(), tf.zeros([1, 32, 32, 1]))
    assert all(np.all(d == 1) for d in observed.deviations)
    made = julesz.sample(linear(), tf.zeros([1, 32, 32, 1]), steps=40)
    assert np.abs(made.media.astype(int) - 128).mean() < 0.5


def rosenbrock(x):
    return scipy.optimize.rosen(x.astype(np.float64)), scipy.optimize.rosen_der(x)


@pytest.mark.parametrize("bounds", [None, (-2.0, 0.7), (1.1, 3.0)])
def test_the_descent_ends_where_that_of_scipy_ends(bounds):
    start = np.full(6, -1.5, np.float32)
    x, value = descent.minimise(rosenbrock, start, 200, 0.1, bounds)
    box = None if bounds is None else [bounds] * 6
    given = np.clip(start, *(bounds or (None, None)))
    exact = scipy.optimize.minimize(scipy.optimize.rosen, given, jac=scipy.optimize.rosen_der,
                                    method="L-BFGS-B", bounds=box)  # fmt: skip
    assert value == pytest.approx(exact.fun, abs=1e-4)
    np.testing.assert_allclose(x, exact.x, atol=2e-2)
    if bounds:
        assert x.min() >= np.float32(bounds[0]) and x.max() <= np.float32(bounds[1])


def test_a_metric_leaves_what_the_function_does_not_see_in_its_proportions():
    """Of all minima on a line, the descent goes to the one that is nearest as the metric has it."""
    metric = np.array([1.0, 4.0])

    def function(x):
        return (x.sum() - 5.0) ** 2, np.full(2, 2 * (x.sum() - 5.0))

    x, value = descent.minimise(function, np.zeros(2), 30, 0.1, metric=lambda q: metric * q)
    assert value < 1e-8
    np.testing.assert_allclose(x, [1.0, 4.0], atol=1e-3)


def test_the_descent_stops_at_a_minimum_and_counts_all_its_steps():
    seen = []
    x, value = descent.minimise(lambda x: (np.square(x - 3).sum(), 2 * (x - 3)), np.zeros((2, 2)),
                                50, 0.1, tick=seen.append)  # fmt: skip
    np.testing.assert_allclose(x, 3, atol=1e-6)
    assert value < 1e-10 and sum(seen) == 50 and len(seen) < 20


RECIPE = """
[data]
mean = [128, 128, 128]
colours = "principal"
[model]
layers = [{filters = 1, kernel = 1, relu = false}]
levels = 2
bank = {filters = "linear", wavelengths = [3], orientations = 2, response = "bins", bins = 5}
[reference]
kind = "uniform"
[sampler]
start_std = 30.0
bounded = true
"""


def test_the_command_writes_samples_and_statistics(tmp_path, picture, capsys):
    recipe = tmp_path / "frame.toml"
    recipe.write_text(RECIPE)
    words = ["julesz", str(recipe), str(picture), "--steps", "6", "--seed", "2"]
    assert main([*words, "--output", str(tmp_path / "a"), "--num", "2", "--size", "40x32"]) == 0
    assert "Wrote 2 samples" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"sample_2_0.png", "sample_2_1.png", "sheet_2.png", "statistics.json"}
    levels = json.loads((tmp_path / "a" / "statistics.json").read_text())
    assert len(levels) == 2 and set(levels[0][0]) == {
        "of", "receptive_field", "relative_error", "standard_errors"}  # fmt: skip
    for name in ("b", "c"):
        assert main([*words, "--output", str(tmp_path / name), "--zero", "--quiet"]) == 0
    assert not capsys.readouterr().out
    b, c = ((tmp_path / name / "sample_2_0.png").read_bytes() for name in ("b", "c"))
    assert b == c


@pytest.mark.parametrize(("words", "message"), [
    (["--set", "model.bank.wavelengths=[30]"], "the receptive field"),
    (["--set", "model.layers=[{filters = 1, kernel = 1}]"], "linear in its weights"),
    (["--steps", "0"], "whole number >= 1"),
])  # fmt: skip
def test_the_command_fails_in_one_line(tmp_path, picture, capsys, words, message):
    recipe = tmp_path / "frame.toml"
    recipe.write_text(RECIPE)
    try:
        code = main(["julesz", str(recipe), str(picture), "--output", str(tmp_path / "a"), *words])
    except SystemExit as exit:
        code = exit.code
    said = capsys.readouterr().err
    assert code == 2 and message in said and said.count("\n") == 1
    assert not (tmp_path / "a").exists()
