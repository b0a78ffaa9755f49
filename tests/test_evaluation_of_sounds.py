"""Measures of sounds against closed forms, and on sounds whose likeness is known."""

import itertools
import json

import numpy as np
import pytest

from genconv_tf.cli.main import main
from genconv_tf.data.generated import crackle, rain, wind
from genconv_tf.data.sounds import RATE, write_sound
from genconv_tf.evaluation_of_sounds import (
    copy_correlation,
    correlations,
    crest_factor,
    envelopes,
    evaluate,
    kurtosis,
    log_modulations,
    log_moments,
)

RNG = np.random.default_rng(0)


def test_envelopes_of_noise_are_rayleigh():
    """Kurtosis 3.245; the highest thousandth lies at sqrt(ln 1000) of the root mean square; a
    standard deviation of sqrt(4/π - 1) of the mean; bands that do not overlap go their own ways."""
    bands = envelopes(RNG.normal(size=20 * RATE), RATE)[4:]
    np.testing.assert_allclose(np.median(kurtosis(bands)), 3.245, rtol=0.05)
    np.testing.assert_allclose(np.median(crest_factor(bands)), np.sqrt(np.log(1000)), rtol=0.05)
    variation = log_moments(bands)[len(bands) :]
    np.testing.assert_allclose(np.median(np.exp(variation)), np.sqrt(4 / np.pi - 1), rtol=0.05)
    assert np.abs(correlations(bands[::2])).max() < 0.1


def test_bands_that_swell_together_are_told_from_bands_that_swell_in_turn():
    """The same bands and modulations, in phase or at phases of their own: the same spectrum."""
    t, edges = np.arange(8 * RATE) / RATE, np.geomspace(100, 5000, 9)
    hertz = np.fft.rfftfreq(len(t), 1 / RATE)

    def swelling(phases, seed):
        noise = np.fft.rfft(np.random.default_rng(seed).normal(size=len(t)))
        bands = [np.fft.irfft(noise * ((hertz >= low) & (hertz < high)), len(t))
                 for low, high in itertools.pairwise(edges)]  # fmt: skip
        return sum(b * (1 + 0.9 * np.sin(2 * np.pi * 3 * t + p)) for b, p in zip(bands, phases))

    together, turns = np.zeros(8), 2.4 * np.arange(8)
    good, bad = (evaluate(swelling(together, 0), [swelling(phases, 1)], RATE)
                 for phases in (together, turns))  # fmt: skip
    assert bad["correlation"]["ratio"] > 5 > 2 > good["correlation"]["ratio"]
    assert bad["spectrum"]["value"] < 1.5 * good["spectrum"]["value"]


def test_the_envelope_of_a_tone_is_its_amplitude_and_its_modulation_is_seen():
    t = np.arange(8 * RATE) / RATE
    tone = 0.25 * np.sin(2 * np.pi * 1000 * t)
    band = envelopes(tone, RATE).argmax(axis=0)[len(t) // 2]
    gain = envelopes(tone, RATE)[band]
    np.testing.assert_allclose(gain, gain.mean(), rtol=1e-3)
    trembling = tone * (1 + 0.5 * np.sin(2 * np.pi * 6 * t))
    octaves = log_modulations(envelopes(trembling, RATE), RATE).reshape(-1, 7)[band]
    assert octaves.argmax() == 3  # 4 to 8 Hz


@pytest.mark.parametrize("make", [rain, crackle, wind])
def test_another_draw_of_the_same_process_is_as_close_as_a_half(make):
    figures = evaluate(make(30.0, seed=0), [make(30.0, seed=k) for k in (1, 2)], RATE)
    for name in ("spectrum", "envelope", "modulation", "correlation"):
        assert figures[name]["ratio"] < 1.5, name
    # Loudness is log-normal: the fourth moment of 30 s still varies by half.
    assert 0.5 < figures["kurtosis"]["value"] < 2 and 0.7 < figures["crest"]["value"] < 1.4
    assert figures["copy_ncc"]["value"] < 0.9


def test_the_events_of_the_halves_are_their_own_measure():
    exemplar = crackle(8.0, seed=0)
    figures = evaluate(exemplar, np.array_split(exemplar, 2), RATE)
    for name in ("kurtosis", "crest"):
        assert figures[name]["self"] == figures[name]["value"] != 1


def test_halves_that_cannot_be_compared_are_named():
    exemplar = rain(6.0)
    exemplar[len(exemplar) // 2 :] = 0
    with pytest.raises(ValueError, match="sound in both of its halves"):
        evaluate(exemplar, [rain(6.0, seed=1)], RATE)


def test_noise_of_the_same_spectrum_has_lost_its_events():
    """Phases at random keep every power and lose every crackle."""
    exemplar = crackle(8.0, seed=0)
    spectrum = np.fft.rfft(exemplar)
    phases = np.exp(2j * np.pi * RNG.random(len(spectrum)))
    phases[0] = 1
    figures = evaluate(exemplar, [np.fft.irfft(spectrum * phases, len(exemplar))], RATE)
    assert figures["spectrum"]["value"] < 0.3
    assert figures["kurtosis"]["value"] < 0.5 and figures["crest"]["value"] < 0.8
    assert len(figures["kurtosis"]["bands"]) == 16 and max(figures["kurtosis"]["bands"]) < 1.1
    assert figures["modulation"]["ratio"] > 1.5


def test_a_copy_is_found_wherever_it_lies():
    exemplar = rain(6.0)
    np.testing.assert_allclose(
        copy_correlation(np.roll(exemplar, 999), exemplar, RATE), 1, atol=0.1
    )
    for offset in (0.0, 0.5):  # by which nothing is alike
        noise = offset + 0.1 * RNG.normal(size=len(exemplar))
        assert copy_correlation(noise, exemplar + offset, RATE) < 0.2
    assert copy_correlation(np.roll(exemplar, 99) + 0.5, exemplar + 0.2, RATE) > 0.9


def test_rates_too_low_for_the_measures_are_named():
    with pytest.raises(ValueError, match="Expected a rate of at least 2048 Hz"):
        evaluate(RNG.normal(size=9000), [RNG.normal(size=9000)], 150)


def test_the_command_measures_sound_files(tmp_path, capsys):
    for k in range(2):
        write_sound(tmp_path / f"{k}.wav", rain(4.0, seed=k))
    write_sound(tmp_path / "silent.wav", np.zeros(5 * RATE))
    exemplar, sample, silent = (str(tmp_path / f"{n}.wav") for n in ("0", "1", "silent"))
    assert main(["evaluate", exemplar, sample, "--json", str(tmp_path / "figures.json")]) == 0
    assert "kurtosis" in capsys.readouterr().out
    assert json.loads((tmp_path / "figures.json").read_text())["copy_ncc"]["ratio"] > 0
    assert main(["evaluate", exemplar, silent]) == 2
    assert "not silent" in capsys.readouterr().err
