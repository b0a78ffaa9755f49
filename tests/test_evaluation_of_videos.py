"""Measures of videos on patterns whose motion and likeness are known."""

import json

import numpy as np
import pytest

from genconv_tf import evaluation
from genconv_tf.cli.main import main
from genconv_tf.data.video_files import write_video
from genconv_tf.evaluation_of_videos import (
    change,
    evaluate,
    log_motion_spectrum,
    log_temporal_spectrum,
    mean_spectrum,
)

FRAMES, SIDE = 32, 48


def drift(seed, speed=2, frames=FRAMES):
    """Coloured clouds that move to the right by `speed` pixels a frame and change slowly."""
    rng, clouds = np.random.default_rng(seed), []
    for _ in range(2):
        noise = rng.standard_normal((SIDE, SIDE, 3))
        for axis in (0, 1):
            noise = sum(np.roll(noise, k, axis) for k in range(5))
        clouds.append(noise / noise.std())
    turn = 0.1 * np.arange(frames)
    video = [
        np.roll(np.cos(a) * clouds[0] + np.sin(a) * clouds[1], speed * t, axis=1)
        for t, a in enumerate(turn)
    ]
    return np.clip(128 + 40 * np.stack(video), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def exemplar():
    return drift(0)


def test_a_wave_has_its_power_at_its_frequency():
    t = np.arange(64)
    grey = 128 + 50 * np.cos(2 * np.pi * t / 8)[:, None, None, None] * np.ones((1, 32, 32, 3))
    assert log_temporal_spectrum(grey, 16).argmax() == 1  # of 1/16, 2/16, ...


def test_motion_lies_on_a_plane_of_space_and_time():
    """A wave of 8 pixels that moves by 2 pixels a frame to the right: 1/8 and -1/4."""
    t, x = np.arange(32)[:, None, None], np.arange(32)[None, None]
    wave = 128 + 50 * np.cos(2 * np.pi * (x - 2 * t) / 8) + np.zeros((1, 32, 1))
    spectrum = log_motion_spectrum(np.repeat(wave[..., None], 3, -1), 16)
    time, height, width = np.unravel_index(spectrum.argmax(), spectrum.shape)
    assert time + 1 == 4 and min(height, 32 - height) <= 1 and abs(width - 28) <= 1


def test_the_spectrum_of_frames_is_that_of_images_and_a_blur_is_seen(exemplar):
    still = np.repeat(exemplar[:1], 3, axis=0)
    np.testing.assert_allclose(mean_spectrum(still, 32), evaluation.log_spectrum(exemplar[0], 32))
    blurred = sum(np.roll(drift(1).astype(float), k, axis=1) for k in range(3)) / 3
    good, bad = (evaluate(exemplar, [video])["spectrum"] for video in (drift(1), blurred))
    assert bad["value"] > 2 * good["value"]


def test_change_is_the_rms_of_differences():
    video = np.zeros((3, 32, 32, 3)) + np.array([0.0, 3.0, -1.0])[:, None, None, None]
    np.testing.assert_allclose(change(video), np.sqrt((9 + 16) / 2))


def test_another_draw_of_the_same_process_is_close(exemplar):
    figures = evaluate(exemplar, [drift(1), drift(2)])
    assert figures["motion"]["ratio"] < 1.5
    np.testing.assert_allclose(figures["change"]["value"], 1, atol=0.15)
    assert figures["copy_ncc"]["value"] < 0.8


def test_a_copy_is_found_before_ground_that_stands_still(exemplar):
    """The ground is the same in every sample; what moves is so in a copy alone."""
    ground = 2.0 * drift(9)[:1] - 128
    scene, other = (0.8 * ground + 0.2 * video for video in (exemplar, drift(1)))
    copy, fresh = (evaluate(scene, [one]) for one in (np.roll(scene, 5, 0), other))
    assert copy["copy_ncc"]["value"] - fresh["copy_ncc"]["value"] < 0.1
    assert copy["moving_ncc"]["value"] > 0.8 and fresh["moving_ncc"]["value"] < 0.7
    assert copy["moving_ncc"]["ratio"] > 1.3 * fresh["moving_ncc"]["ratio"]


def test_the_change_of_the_halves_is_their_own_measure(exemplar):
    figures = evaluate(exemplar, np.array_split(exemplar, 2))
    assert figures["change"]["self"] == figures["change"]["value"] != 1


def test_the_opposite_motion_is_seen_though_every_frame_is_right(exemplar):
    good, back = (evaluate(exemplar, [video]) for video in (drift(1), drift(1)[::-1]))
    assert back["motion"]["value"] > 2 * good["motion"]["value"]
    for name in ("random_gram", "temporal", "change"):
        np.testing.assert_allclose(back[name]["value"], good[name]["value"], rtol=0.1)


def test_a_still_and_a_still_with_noise_are_not_motion(exemplar):
    still = np.repeat(drift(1)[:1], FRAMES, axis=0)
    noise = np.random.default_rng(0).normal(0, 20, still.shape)
    noisy = np.clip(still + noise, 0, 255)
    assert evaluate(exemplar, [still])["change"]["value"] == 0
    good, bad = (evaluate(exemplar, [video]) for video in (drift(1), noisy))
    for name in ("temporal", "motion"):
        assert bad[name]["value"] > 2 * good[name]["value"]


def test_a_copy_is_found_wherever_it_lies(exemplar):
    copied = evaluate(exemplar, [exemplar[8:24, 4:44, 6:46]])
    np.testing.assert_allclose(copied["copy_ncc"]["value"], 1, atol=1e-3)


@pytest.mark.parametrize("shape", [(15, 40, 40, 3), (20, 31, 40, 3), (20, 40, 40)])
def test_what_is_too_small_is_refused(exemplar, shape):
    with pytest.raises(ValueError, match="Expected an RGB exemplar of at least 16 frames"):
        evaluate(np.zeros(shape), [exemplar])
    with pytest.raises(ValueError, match="Expected an RGB sample of at least 8 frames"):
        evaluate(exemplar, [exemplar[:7]])


def test_the_command_measures_files_and_folders(tmp_path, exemplar, capsys):
    write_video(tmp_path / "exemplar.mp4", exemplar)
    write_video(tmp_path / "sample", drift(1, frames=8))
    words = [str(tmp_path / "exemplar.mp4"), str(tmp_path / "sample")]
    assert main(["evaluate", *words, "--json", str(tmp_path / "figures.json")]) == 0
    assert "motion" in capsys.readouterr().out
    assert 0.5 < json.loads((tmp_path / "figures.json").read_text())["change"]["value"] < 2
    assert main(["evaluate", words[0], str(tmp_path / "missing.mp4")]) == 2
    assert "no such file" in capsys.readouterr().err
