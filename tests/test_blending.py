"""Blends against closed forms and against their own models."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL

import genconv_tf as gct
from genconv_tf import noise, pyramid
from genconv_tf.blending import BlendedLevel, coordinates_of, drawer, sampler_of

GREY = {"basis": ((1.0, 1.0, 1.0),), "mean": (100.0, 100.0, 100.0)}
COLOUR = {
    "mean": (120.0, 110.0, 90.0),
    "basis": ((0.9, 1.0, 0.97), (0.35, -0.04, -0.29), (0.08, -0.2, 0.13)),
}


def made(seed=0, **changes):
    if changes.get("levels") == 1:
        changes = {"sampler": {"steps": 4, "start_std": 20.0}, **changes}
    return gct.GenerativeConvNet(**{**SMALL, "seed": seed, "weight_scale": 1.0, **changes})


def linear(slope, **changes):
    """A model of one level and one channel with f(x) = the sum of slope · x."""
    model = gct.GenerativeConvNet(
        [{"filters": 1, "kernel": 1, "relu": False}],
        channels=1,
        sampler={"steps": 40, "step_size": 0.6, "start": "zero", **changes.pop("sampler", {})},
        **{"preprocessing": {"low": -1e6, "high": 1e6, "dtype": "float32"}, "size": 24, **changes},
    )
    kernel = model.networks[0].kernels[0]
    kernel.assign(tf.fill(kernel.shape, slope))
    return model


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.5, 0.5), (0.2, 0.8)])
def test_two_linear_models_have_the_mean_and_variance_of_their_sum(weights):
    """f = b x and s = 1: N(w·b, 1), which steps of 0.6 widen to 1 / (1 - 0.6² / 4)."""
    b = np.array([3.0, -5.0])
    x = gct.blend([linear(b[0]), linear(b[1])], weights, num=4, seed=3)
    variance = 1 / (1 - 0.6**2 / 4)
    # Of the transient exp(-40 · 0.18) is left.
    assert abs(x.mean() - np.dot(weights, b)) < 5 * np.sqrt(variance / x.size) + 0.01
    assert abs(x.var() - variance) < 5 * variance * np.sqrt(2 / x.size)


def test_models_of_other_units_are_blended_in_media():
    """Media 10 + 2 x and -4 + x of the same N(b, 1): step by step, in NumPy."""
    one = {"mean": 10.0, "scale": 2.0, "low": -1e6, "high": 1e6, "dtype": "float32"}
    other = {**one, "mean": -4.0, "scale": 1.0}
    few = {"sampler": {"steps": 3, "step_size": [0.6], "final_step_size": [0.3]}}
    models = [linear(2.0, preprocessing=one, **few), linear(-1.0, preprocessing=other, **few)]
    received = gct.blend(models, [0.3, 0.7], seed=5)
    y = np.full((1, 24, 24, 1), 0.3 * 10 - 0.7 * 4)
    row = noise.fold(noise.row_seeds(5, 1), 0)
    for t, e in enumerate(np.geomspace(0.6, 0.3, 3)):
        z = noise.normal(row, [24, 24, 1], t).numpy()
        moved = []
        for b, mean, scale in ((2.0, 10.0, 2.0), (-1.0, -4.0, 1.0)):
            x = (y - mean) / scale
            moved.append(mean + scale * (x + e**2 / 2 * (b - x) + e * z))
        y = 0.3 * moved[0] + 0.7 * moved[1]
    np.testing.assert_allclose(received, y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_one_model_is_what_it_samples_itself(momentum):
    sampler = {**SMALL["sampler"], "momentum": momentum}
    model = made(preprocessing=COLOUR, sampler=sampler)
    how = {"num": 2, "size": (37, 50), "seed": 4}
    expected = model.sample(**how)
    np.testing.assert_array_equal(gct.blend([model], [1.0], **how), expected)
    np.testing.assert_array_equal(gct.blend([model, model], [0.5, 0.5], **how), expected)


def test_the_score_of_a_blend_is_the_sum_of_scores():
    """Langevin on a level whose f is the weighted sum of the two, computed as one function."""
    models = [made(seed, levels=1) for seed in (0, 9)]
    weights = (0.3, 0.7)

    def score(x):
        return sum(w * m.score(x) for w, m in zip(weights, models))

    level = pyramid.Level(score, models[0].reference, (1, 1), models[0].finest.sampler)
    start = models[0].finest.start(noise.fold(noise.row_seeds(2, 1), 0), (32, 32), 3)
    expected = level.langevin(start, noise.fold(noise.row_seeds(2, 1), 0))
    media = models[0].preprocessing.decode(expected).numpy().astype(int)
    assert np.abs(gct.blend(models, weights, seed=2).astype(int) - media).max() <= 1


def test_a_map_gives_each_model_its_region():
    models = [linear(4.0), linear(-4.0)]
    first = np.zeros((24, 24))
    first[:, :12] = 1
    x = gct.blend(models, np.stack([first, 1 - first]), seed=1)
    assert abs(x[:, :, :12].mean() - 4) < 0.5 and abs(x[:, :, 12:].mean() + 4) < 0.5


def test_grey_and_colour_models_meet_in_pixels():
    """Where the grey model has all the weight there is no colour, elsewhere there is."""
    grey = made(channels=1, preprocessing=GREY)
    colour = made(7, preprocessing=COLOUR)
    labels = np.repeat([[0] * 20 + [1] * 20], 32, 0)
    image = gct.blend([grey, colour], guide=labels, size=(32, 40), num=2, soften=0.5)
    assert image.shape == (2, 32, 40, 3) and image.dtype == np.uint8
    spread = np.ptp(image.astype(int), axis=-1)
    assert spread[:, :, 6:14].max() <= 1 < spread[:, :, 26:34].mean()
    second = drawer([grey, colour], guide=labels, size=(32, 40), soften=0.5)(first=1)
    np.testing.assert_array_equal(second, image[1:])


def test_coordinates_undo_themselves():
    models = [made(preprocessing=COLOUR), made(channels=1, preprocessing=GREY)]
    _, channels, coordinates = coordinates_of(models)
    assert channels == 3
    for model, each in zip(models, coordinates):
        x = np.random.default_rng(0).normal(0, 20, (1, 4, 4, model.channels)).astype(np.float32)
        np.testing.assert_allclose(each.into(each.out(x)), x, atol=1e-3)
        decoded = np.clip(np.round(each.out(x)), 0, 255)
        np.testing.assert_array_equal(decoded, model.preprocessing.decode(x))


def test_a_row_depends_on_its_seed_alone_and_bounds_are_kept():
    """Steps that throw chains far out: each model puts them back into its own box."""
    sampler = {"steps": [2, 2], "step_size": 3.0, "start_std": 200.0, "bounded": True}
    models = [made(seed, preprocessing=p, sampler=sampler) for seed, p in ((1, COLOUR), (2, {}))]
    _, _, coordinates = coordinates_of(models)
    pair = tuple(m.levels[0] for m in models)
    level = BlendedLevel(pair, coordinates, tf.constant([0.25, 0.75], shape=(2, 1, 1, 1)))
    seeds = noise.row_seeds(6, 3)

    def moved(seeds):
        x = level.start(seeds, (16, 16), 3)
        return x, level.langevin(x, seeds)

    (start, many), (_, few) = moved(seeds), moved(seeds[:1])
    np.testing.assert_array_equal(many[:1], few)
    assert not np.array_equal(many[0], many[1])
    # The corners of the two boxes in media, weighted.
    low, high = (0.0, 255.0)
    corners = np.array(np.meshgrid(*zip(*pair[0].box), indexing="ij")).reshape(3, -1).T
    corners = coordinates[0].out(corners.astype(np.float32)).numpy()
    least, most = 0.25 * corners.min(0) + 0.75 * low, 0.25 * corners.max(0) + 0.75 * high
    assert np.any(start < least) and np.any(start > most)
    assert np.all(many >= least - 0.1) and np.all(many <= most + 0.1)


def test_a_video_has_one_guide_for_all_frames():
    models = [linear(slope, rank=3, size=(6, 12, 16)) for slope in (4.0, -4.0)]
    guide = np.repeat([[1] * 8 + [0] * 8], 12, 0)
    x = gct.blend(models, guide=guide, soften=0.1)
    assert x.shape == (1, 6, 12, 16, 1)
    assert abs(x[:, :, :, :8].mean() + 4) < 0.5 and abs(x[:, :, :, 8:].mean() - 4) < 0.5


@pytest.mark.parametrize("changes, message", [
    ({"levels": 1}, "same number of levels. Received: 2, 1"),
    ({"factor": 3}, "same factor"),
    ({"boundary": "same"}, "same boundary"),
    ({"rank": 1, "size": 32, "channels": 3}, "same rank. Received: 2, 1"),
    ({"channels": 1}, "same channels of media"),
    ({"preprocessing": {"high": 1.0}}, "same range"),
])  # fmt: skip
def test_models_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        sampler_of([made(), made(**changes)])


@pytest.mark.parametrize("weights, message", [
    ([0.5, 0.6], "sum to 1"), ([1.5, -0.5], "at least 0"), ([1.0], "2 weights"), (0.5, "2 weights"),
    (np.full((2, 9, 9), 0.5), r"maps of \(32, 32\)"), ([np.nan, 1.0], "sum to 1"),
])  # fmt: skip
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        gct.blend([made(), made(1)], weights)
