"""Chains that start from an image: where they start, and how far they go."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL

from genconv_tf import GenerativeConvNet, noise, pyramid


@pytest.fixture
def media():
    return np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)


def test_the_finest_level_alone_continues_the_chain(fixed, media):
    seeds = noise.fold(noise.row_seeds(3, 2), 1)
    x = fixed.continue_chain(fixed.preprocessing.encode(media), seeds, tf.constant(0))
    np.testing.assert_array_equal(fixed.vary(media, 0.5, seed=3), fixed.preprocessing.decode(x))


def test_where_a_strength_begins():
    assert pyramid.entry(4, 1.0) == (0, 0.0)
    assert pyramid.entry(4, 0.25) == (3, pytest.approx(0))
    assert pyramid.entry(4, 0.625) == (1, pytest.approx(0.5))
    assert pyramid.entry(3, 1 / 3) == (2, pytest.approx(0, abs=1e-5))
    assert pyramid.entry(1, 0.1) == (0, pytest.approx(0.9))
    for strength in (0, 1.01, -1, float("nan")):
        with pytest.raises(ValueError, match="Expected a strength"):
            pyramid.entry(4, strength)


@pytest.mark.parametrize("strength, left_out", [(0.8, 1), (1.0, 0), (0.6, 2), (0.01, 4)])
def test_a_part_of_a_level_runs_its_last_steps(strength, left_out):
    """f = 0 and a flat reference: the last steps of the schedule, in NumPy."""
    model = GenerativeConvNet(
        [{"filters": 1, "kernel": 1}],
        size=8,
        weight_scale=0.0,
        reference={"kind": "uniform"},
        sampler={"steps": 5, "step_size": 8.0, "final_step_size": 0.5},
        preprocessing={"dtype": "float32", "low": -1e6, "high": 1e6},
    )
    start = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
    expected, row = start.astype(np.float64), noise.fold(noise.row_seeds(7, 1), 0)
    for t in range(left_out, 5):
        expected += np.geomspace(8.0, 0.5, 5)[t] * noise.normal(row, [8, 8, 3], t).numpy()
    np.testing.assert_allclose(model.vary(start, strength, seed=7), expected, atol=1e-3)


def test_a_coarser_start_is_the_average(media):
    """With hardly any step what comes out is the image averaged down and upsampled again."""
    sampler = {"steps": [1, 1], "step_size": 1e-6}
    model = GenerativeConvNet(**{**SMALL, "sampler": sampler})
    flat = np.repeat(np.repeat(media[:, :1, :1], 32, 1), 32, 2)
    np.testing.assert_array_equal(model.vary(flat, 1.0), flat)
    # Of blocks of 2x2 that are alike nothing is lost but what the cubic interpolation smooths.
    coarse = media.astype(float).reshape(2, 16, 2, 16, 2, 3).mean((2, 4))
    made = model.vary(media, 1.0).astype(float).reshape(2, 16, 2, 16, 2, 3).mean((2, 4))
    assert np.corrcoef(made.ravel(), coarse.ravel())[0, 1] > 0.98
    assert not np.array_equal(model.vary(media, 0.5), model.vary(media, 1.0))
    np.testing.assert_array_equal(model.vary(media, 0.5), media)


def test_the_further_the_stronger_on_a_published_model():
    model = GenerativeConvNet.from_preset("texture-brick")
    image = model.sample(1, size=96, seed=1)
    distance = [
        np.abs(model.vary(image, s, seed=2).astype(float) - image).mean() for s in (0.1, 0.25, 1.0)
    ]
    assert distance == sorted(distance) and distance[-1] > 4 * distance[0]


def test_variations_depend_on_their_seeds(fixed, media):
    twice = np.repeat(media[:1], 2, 0)
    both = fixed.vary(twice, 1.0, seed=4)
    assert not np.array_equal(*both)
    np.testing.assert_array_equal(fixed.vary(media[:1], 1.0, seed=4), both[:1])
    assert not np.array_equal(fixed.vary(media[:1], 1.0, seed=5), both[:1])


def test_media_that_do_not_fit_are_refused(fixed, media):
    with pytest.raises(ValueError, match=r"Expected media of \(batch, 2 lengths, 3\)"):
        fixed.vary(media[..., :1])
    with pytest.raises(ValueError, match="size of at least"):
        fixed.vary(media[:, :3])
