"""Statistics that FRAME models match, filter by filter."""

import json

import numpy as np
import pytest

from genconv_tf import GenerativeConvNet, statistics
from genconv_tf.cli.main import main

BANK = {"filters": "linear", "wavelengths": [4], "differences": [1.0], "response": "absolute"}
RECIPE = """
[recipe]
name = "classical"
summary = "Classical FRAME in seconds"
[model]
layers = [{filters = 1, kernel = 1, relu = false}]
weight_scale = 0.0
levels = 2
bank = {filters = "linear", wavelengths = [4], differences = [1.0], response = "absolute"}
[reference]
std = 30.0
[sampler]
start_std = 30.0
steps = 4
step_size = 6.0
[learning]
updates = 3
chains = 2
rejuvenation = 1.0
"""


def model(kernel, boundary):
    layers = [{"filters": 1, "kernel": kernel, "relu": False}]
    return GenerativeConvNet(layers, channels=1, levels=1, boundary=boundary, bank=BANK, size=20)


@pytest.mark.parametrize(("kernel", "boundary"), [(1, "valid"), ("full", "same")])
def test_errors_of_filters_are_those_of_their_mean_responses(kernel, boundary):
    level = model(kernel, boundary).finest
    rng = np.random.default_rng(0)
    data, x = (rng.normal(0, scale, (3, 20, 20, 1)).astype(np.float32) for scale in (20, 30))
    frame = model(kernel, boundary)
    (observed,) = statistics.observe(frame, data)
    maps = [[np.asarray(level.network.responses(each, boundary)[tap]) for each in (x, data)]
            for tap in level.network.bank.taps]  # fmt: skip
    axes = (0, 1, 2) if kernel == 1 else 0
    for errors, chance, (made, seen) in zip(*statistics.relative_errors(level, observed, x), maps):
        rows = [each.mean(axes[1:] if kernel == 1 else ()) for each in (made, seen)]
        rows = [each.reshape(3, -1, each.shape[-1]) for each in rows]
        made, seen = (each.mean(0) for each in rows)
        whole = np.linalg.norm(seen, axis=0)
        np.testing.assert_allclose(errors, np.linalg.norm(made - seen, axis=0) / whole, rtol=2e-3)
        # Of the mean of three samples, as their differences tell: sums over three pairs.
        pairs = rows[0] - np.roll(rows[0], 1, axis=0)
        variance = np.sum(pairs**2, axis=(0, 1)) / (2 * 3) / 3
        np.testing.assert_allclose(chance, np.sqrt(variance) / whole, rtol=2e-3)
    for errors in statistics.relative_errors(level, observed, data)[0]:
        np.testing.assert_allclose(errors, 0, atol=1e-5)


def test_errors_of_samples_that_match_are_as_large_as_chance():
    """Of sixty draws of eight samples of what was observed; filters respond together, so that a
    draw may tell no more than one number does, and the ratio has an error of up to 0.09."""
    frame = model(1, "valid")
    rng = np.random.default_rng(0)

    def draw(count):
        return rng.normal(0, 20, (count, 20, 20, 1)).astype(np.float32)

    (observed,) = statistics.observe(frame, draw(2000))
    squares = np.zeros(2)
    for _ in range(60):
        parts = statistics.relative_errors(frame.finest, observed, draw(8))
        squares += [np.sum(np.concatenate(part) ** 2) for part in parts]
    assert np.sqrt(squares[0] / squares[1]) == pytest.approx(1.0, abs=0.25)


def test_chance_is_not_told_of_a_single_sample():
    frame = model(1, "valid")
    data = np.random.default_rng(0).normal(0, 20, (1, 20, 20, 1)).astype(np.float32)
    _, chance = statistics.relative_errors(frame.finest, statistics.observe(frame, data)[0], data)
    assert not np.concatenate(chance).any()


def test_a_filter_that_hardly_responds_is_measured_by_its_layer():
    frame = model(1, "valid")
    data = np.random.default_rng(0).normal(0, 20, (1, 20, 20, 1)).astype(np.float32)
    (observed,) = statistics.observe(frame, data)
    silent = [np.array(mean) for mean in observed.means]
    silent[0][..., 0] = 0.0
    object.__setattr__(observed, "means", silent)
    errors = statistics.relative_errors(frame.finest, observed, data)[0][0]
    rest = silent[0][0, 0, 1:]
    mean = statistics.statistics(frame.finest.network, data)[0][0, 0, 0, 0]
    least = 0.1 * np.sqrt(np.sum(rest**2) / silent[0].size)
    np.testing.assert_allclose(errors[0], mean / least, rtol=1e-4)


def test_an_experiment_says_how_well_statistics_are_matched(picture, tmp_path):
    (tmp_path / "classical.toml").write_text(RECIPE)
    folder = tmp_path / "out"
    words = ["experiment", str(tmp_path / "classical.toml"), str(picture), "--num", "2", "--quiet"]
    assert main([*words, "--output", str(folder)]) == 0
    rows = json.loads((folder / "statistics.json").read_text())
    frame = GenerativeConvNet.from_preset(folder / "run")
    filters = [frame.finest.network.kernels[top].shape[-2] for top in frame.finest.network.tops]
    assert [row["level"] for row in rows] == [n for n in (1, 2) for _ in filters]
    assert [len(row["relative_errors"]) for row in rows] == 2 * filters
    assert all(np.isfinite(row["relative_errors"]).all() for row in rows)
    assert all(len(row["chance"]) == len(row["relative_errors"]) for row in rows)
    assert all(np.max(row["chance"]) > 0 for row in rows)
    page = (folder / "README.md").read_text()
    assert "of the statistics of 2 fresh chains" in page and page.count("| linear, ") == len(rows)


def test_f_is_linear_where_the_top_is():
    assert statistics.linear(model(1, "valid").finest.network)
    rectified = GenerativeConvNet([{"filters": 2, "kernel": 3}], bank=BANK, size=20)
    assert not statistics.linear(rectified.finest.network)
    with pytest.raises(ValueError, match="with a bank of given filters"):
        statistics.check(GenerativeConvNet([{"filters": 2, "kernel": 3}], size=20).finest.network)
