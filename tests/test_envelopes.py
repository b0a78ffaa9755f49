"""Envelopes of cochlear bands against the NumPy of the evaluation, and as part of a model."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import genconv_tf as gct
from genconv_tf import evaluation_of_sounds as evaluation
from genconv_tf.data import envelopes
from genconv_tf.data.envelopes import EDGE, QUANTILES, Envelopes
from genconv_tf.data.sounds import sounds
from genconv_tf.data.subbands import fit

RATE, COUNT = 11025, 22016


def bursts(seed, strength):
    """Noise whose loudness moves every hundredth of a second: `(COUNT,)`, strongest 0 for none."""
    rng = np.random.default_rng(seed)
    loudness = np.exp(strength * rng.normal(size=COUNT // 110 + 1)).repeat(110)[:COUNT]
    return np.float32(0.05 * np.clip(rng.normal(size=COUNT) * loudness, -20, 20))


RECORDING = bursts(0, 1.0)


def layer():
    return Envelopes(fit(RECORDING[None], 32), RATE)


def levels_of(wave):
    return [np.quantile(e, QUANTILES) for e in evaluation.envelopes(wave, RATE)]


def test_quantiles_are_those_of_numpy():
    waves = np.stack([RECORDING, bursts(1, 0.3)])
    bands = [evaluation.envelopes(wave, RATE)[:, 1000:-1000] for wave in waves]
    received = envelopes.quantiles(tf.constant(waves), RATE, edge=1000).numpy()
    assert received.shape == (envelopes.BANDS, len(QUANTILES))
    for k, quantiles in enumerate(received):
        expected = np.quantile([band[k] for band in bands], QUANTILES, method="nearest")
        np.testing.assert_allclose(quantiles, expected, rtol=0.02)


def test_a_new_one_gives_the_same_sound():
    made, x = layer(), tf.random.stateless_normal((2, 300, 38), (0, 1))
    before, after = made.subbands.decode(x), made.subbands.decode(made(x))
    np.testing.assert_allclose(after, before, atol=1e-4 * np.abs(before).max())


def test_bands_are_as_loud_as_their_curves_say_and_what_no_band_holds_stays():
    curves = np.tile(QUANTILES, (envelopes.BANDS, 1))
    # Whole periods: nothing leaks from band to band.
    for cycles, gain in ((80, 1), (10600, 1), (400, 2), (2000, 2), (7000, 2)):
        wave = np.float32(np.sin(2 * np.pi * cycles * np.arange(COUNT) / COUNT))
        received = envelopes.corrected(tf.constant(wave[None]), RATE, curves, 2 * curves)[0]
        np.testing.assert_allclose(received, gain * wave, atol=1e-3, err_msg=cycles)


def test_fresh_chains_get_the_envelopes_of_the_recording():
    """Curves learned of eight sounds with hardly any bursts serve eight others."""
    made = layer()

    def encoded(first):
        return made.subbands.encode(np.stack([bursts(first + i, 0.3) for i in range(8)])[..., None])

    data = made.subbands.encode(RECORDING[None, :, None])
    seen = [made.observe(data)]
    learned = made.learn(encoded(10), seen, made.begin(), 0)
    np.testing.assert_allclose(made(encoded(10)), learned, atol=0.05)
    targets = np.array(levels_of(RECORDING))
    errors = {}
    for name, x in (("plain", encoded(30)), ("corrected", made(encoded(30)))):
        waves = made.subbands.decode(x)[..., 0].numpy()
        quantiles = np.mean([levels_of(wave) for wave in waves], axis=0)
        errors[name] = np.abs(np.log(quantiles / targets)).mean()
        kurtosis = np.mean([evaluation.kurtosis(evaluation.envelopes(w, RATE)) for w in waves], 0)
        ratios = kurtosis / evaluation.kurtosis(evaluation.envelopes(RECORDING, RATE))
        errors[name, "kurtosis"] = np.abs(np.log(ratios)).mean()
    # Of 2 s there are some 200 bursts, a tenth of which make a tail: 5% to 10% of error are left.
    assert errors["corrected"] < 0.15 < 0.3 < errors["plain"]
    assert errors["corrected", "kurtosis"] < 0.25 < 0.5 < errors["plain", "kurtosis"]


def test_kurtosis_is_that_of_numpy_in_the_mean_over_sounds():
    waves = np.stack([RECORDING, bursts(1, 0.3)])
    expected = np.mean([evaluation.kurtosis(evaluation.envelopes(w, RATE)) for w in waves], 0)
    received = envelopes.kurtosis(tf.constant(waves), RATE)
    np.testing.assert_allclose(received, expected, rtol=1e-3)


def test_powers_bring_each_sound_to_the_kurtosis_of_the_recording(monkeypatch):
    """Curves give eight sounds together the recording's distribution, and each of them another
    kurtosis. What is learned of the eight serves eight others."""
    errors = []
    for passes in (envelopes.CURVES, envelopes.PASSES):
        monkeypatch.setattr(envelopes, "PASSES", passes)
        made = layer()
        of, others = (
            made.subbands.encode(np.stack([bursts(k + i, 0.3) for i in range(8)])[..., None])
            for k in (10, 30)
        )
        seen = made.observe(made.subbands.encode(RECORDING[None, :, None]))
        made.learn(of, [seen], made.begin(), 0)
        for x in (of, others):
            waves = made.subbands.decode(made(x))[..., 0].numpy()
            each = [evaluation.kurtosis(evaluation.envelopes(wave, RATE)) for wave in waves]
            errors.append(np.abs(np.log(np.mean(each, 0) / seen[1])).mean())
    curves, curves_of_others, powers, powers_of_others = errors
    assert powers < 0.03 < curves and powers_of_others < 0.9 * curves_of_others


def test_the_ends_of_a_recording_do_not_count():
    made = layer()
    clicks = RECORDING.copy()
    clicks[[0, -1]] = 1.0
    for_clicks, without = (
        made.observe(made.subbands.encode(wave[None, :, None]))[0].numpy()
        for wave in (clicks, RECORDING)
    )
    assert EDGE * RATE > 1000
    np.testing.assert_allclose(for_clicks, without, rtol=0.1)


def test_the_recipe_learns_the_same_f_and_ends_with_its_envelopes():
    data = sounds(RECORDING, subbands=32)
    changes = {"sampler.steps": 3, "model.precision": "float32"}
    models = [
        gct.GenerativeConvNet.from_recipe("sound", data, **changes, **{"sampler.calibrated": c})
        for c in (True, False)
    ]
    for model in models:
        model.fit(data.repeat(), steps_per_epoch=2, verbose=0)
    calibrated, plain = models
    for one, other in zip(calibrated.trainable_variables, plain.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other)
    ended = calibrated.calibrations[0].get_weights()
    samples = [model.sample(2, size=8000, seed=3) for model in models]
    assert np.abs(samples[0] - samples[1]).max() > 0.01

    later = plain.twin(sampler={**dataclasses.asdict(plain.sampler), "calibrated": True})
    later.calibrate(data)
    for one, other in zip(later.calibrations[0].get_weights(), ended, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="Expected one level where subbands are calibrated"):
        gct.GenerativeConvNet.from_recipe("sound", data, **{"model.levels": 2})
