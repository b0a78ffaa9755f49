"""Calibrations against NumPy, against known filters and curves, and as part of a model."""

import dataclasses
import gc
import itertools
from statistics import NormalDist

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from genconv_tf import GenerativeConvNet, blending, calibration, noise, parts, pyramid, synthesis
from genconv_tf.calibration import KNOTS, MOST_SHIFT, Calibration
from genconv_tf.export import ExportedModel
from genconv_tf.resample import downsample

LENGTHS = {1: (90,), 2: (40, 33), 3: (8, 26, 30)}


def draw(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def blurred(x, weight):
    """`x` and `weight` times its neighbours along every spatial axis, on a torus."""
    for axis in range(1, x.ndim - 1):
        x = x + weight * (np.roll(x, 1, axis) + np.roll(x, -1, axis))
    return x


def learned(chains, data, torus=True):
    """A calibration that has seen these once, the chains after it, and what it remembers."""
    made = Calibration(chains.shape[-1], chains.shape[1:-1], (torus,) * (chains.ndim - 2))
    spectra, seen = made.begin(), [made.observe(tf.constant(data))]
    return made, made.learn(tf.constant(chains), seen, spectra, 0).numpy(), spectra


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_spectrum_is_that_of_numpy(rank):
    x, window = draw((2, *LENGTHS[rank], 2)) + 3.0, [min(24, n) for n in LENGTHS[rank]]
    window[-1] = 36  # longer than some axes: filled up with zeros
    lengths = [min(n, have) for n, have in zip(window, LENGTHS[rank])]
    power, count = 0.0, 0
    starts = [range(0, have - n + 1, n // 2) for have, n in zip(LENGTHS[rank], lengths)]
    for begin in itertools.product(*starts):
        place = tuple(slice(b, b + n) for b, n in zip(begin, lengths))
        part = (x - x.mean(tuple(range(rank + 1))))[(slice(None), *place)]
        for axis, n in enumerate(lengths, start=1):
            hann = np.hanning(n + 2)[1:-1]
            hann = hann / np.sqrt(np.sum(hann**2))
            part = part * hann.reshape([-1 if a == axis else 1 for a in range(rank + 2)])
        waves = np.fft.fftn(part, window, axes=range(1, rank + 1))
        power, count = power + np.sum(np.abs(waves) ** 2, 0), count + len(x)
    received = calibration.spectrum(tf.constant(x), window)
    np.testing.assert_allclose(received, power / count, rtol=1e-3, atol=1e-4)


def test_quantiles_are_those_of_numpy():
    x = draw((3, 50, 41, 2))
    at = calibration.QUANTILES
    assert len(at) == KNOTS and (np.diff(at) > 0).all()
    for channel, knots in enumerate(calibration.quantiles(tf.constant(x)).numpy()):
        expected = np.quantile(x[..., channel], at, method="nearest")
        # A quantile just between two values is one or the other.
        np.testing.assert_allclose(knots, expected, atol=0.02)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_new_one_changes_nothing(rank):
    x = draw((2, *LENGTHS[rank], 2))
    made = Calibration(2, LENGTHS[rank], (True,) * rank)
    np.testing.assert_allclose(made(tf.constant(x)), x, atol=1e-5)


@pytest.mark.parametrize("torus", [True, False])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_filter_is_the_convolution_of_scipy(rank, torus):
    x, taps = draw((2, *LENGTHS[rank], 2)), draw((*[17, 5, 3][:rank], 2), 1)
    received = calibration.filtered(tf.constant(x), tf.constant(taps), (torus,) * rank)
    for i, channel in np.ndindex(2, 2):
        mode = "grid-wrap" if torus else "nearest"
        expected = ndimage.correlate(x[i, ..., channel], taps[..., channel], mode=mode)
        np.testing.assert_allclose(received[i, ..., channel], expected, atol=1e-3)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("torus", [True, False])
def test_chains_get_the_spectrum_and_the_values_of_the_data(rank, torus):
    size = {1: (20_000,), 2: (200, 200)}[rank]
    x = blurred(draw((1, *size, 1)), 0.12)
    data = blurred(draw((1, *size, 1), 1), -0.08)
    _, x, _ = learned(x, data, torus)
    window = [24] * rank
    have, want = (calibration.spectrum(tf.constant(each), window) for each in (x, data))
    # Each is a mean over some 1,600 windows (of 2 degrees of freedom, half of them shared) in one
    # dimension and 250 in two: five times the standard error of the ratio's root.
    assert np.abs(np.sqrt(have / want) - 1).max() < 5 / np.sqrt({1: 800, 2: 125}[rank])
    for share in (0.01, 0.2, 0.5, 0.7, 0.99):
        # Five standard errors of the difference of two quantiles of 20,000 Gaussian values each.
        density = np.exp(-0.5 * NormalDist().inv_cdf(share) ** 2) / np.sqrt(2 * np.pi)
        error = np.sqrt(2 * share * (1 - share) / 20_000) / density
        assert abs(np.quantile(x, share) - np.quantile(data, share)) < 5 * error * data.std()


def test_skewed_data_are_met_by_the_curve_alone():
    x, data = draw((1, 150, 150, 2)), np.exp(0.05 * draw((1, 150, 150, 2), 1))
    x *= data.std()
    made, _, _ = learned(x + 1.0, data)
    fresh = made(tf.constant(1.0 + data.std() * draw((1, 150, 150, 2), 2))).numpy()
    skew = np.mean((fresh - fresh.mean()) ** 3) / fresh.std() ** 3
    expected = np.mean((data - data.mean()) ** 3) / data.std() ** 3
    # Of 45,000 values, the standard error of either skewness is about 0.012.
    assert expected > 0.1 and abs(skew - expected) < 0.05


@pytest.mark.parametrize("torus", [True, False])
def test_what_is_longer_than_the_filter_is_corrected_at_a_coarser_size(torus):
    """Waves of 32 samples, too weak in the chains: a filter of 17 samples hardly tells them from
    what is longer or shorter; at an eighth of the size they are 4 samples long."""
    place, sides = np.arange(128, dtype=np.float32), (torus, torus)
    waves = np.sin(2 * np.pi * place / 32)[None, :, None, None]
    chains, data = (
        draw((1, 128, 128, 1)) + waves,
        tf.constant(draw((1, 128, 128, 1), 1) + 1.5 * waves),
    )

    def amplitude(x):
        return 2 * np.mean(x * waves)

    received = {}
    for factors in ([(1, 1)], [(8, 8), (1, 1)]):
        made = Calibration(1, (128, 128), sides, factors)
        sizes = [(band, downsample(data, f)) for band, f in zip(made.bands, factors)]
        seen = [(calibration.quantiles(x), calibration.spectrum(x, b.window)) for b, x in sizes]
        x = made.learn(tf.constant(chains), seen, made.begin(), 0)
        received[len(factors)] = amplitude(x.numpy())
        fresh = made(tf.constant(draw((1, 128, 128, 1), 2) + waves)).numpy()
        assert abs(amplitude(fresh) - received[len(factors)]) < 0.1
    assert abs(received[2] - 1.5) < 0.15 and abs(received[2] - 1.5) < abs(received[1] - 1.5)


def test_corrections_are_small():
    data = draw((1, 64, 64, 1))
    made, x, _ = learned(0.1 * data, data)
    assert np.abs(made.bands[0].taps).sum() < 1.1 * calibration.MOST_GAIN
    assert x.std() < calibration.MOST_GAIN * (0.1 + 1.1 * MOST_SHIFT)
    _, x, _ = learned(data + 9.0, data)
    np.testing.assert_allclose(x.mean(), 9 - MOST_SHIFT, atol=0.05)


def curved(x, band):
    return calibration.curved(tf.constant(x), band.sampled.value, band.observed.value)


def test_means_run_over_updates():
    made = Calibration(1, (48, 48), (True, True))
    band, spectra, expected = made.bands[0], made.begin(), {}
    for t in range(4):
        chains, data = draw((1, 48, 48, 1), t), 2 * draw((1, 48, 48, 1), 10 + t)
        made.learn(tf.constant(chains), [made.observe(tf.constant(data))], spectra, t)
        now = {
            "chains": calibration.spectrum(curved(chains, band), [24, 24]),
            "data": calibration.spectrum(tf.constant(data), [24, 24]),
            "values": calibration.quantiles(tf.constant(data)),
        }
        keep = t / (10 + t)
        for name, value in now.items():
            expected[name] = keep * expected.get(name, 0.0) + (1 - keep) * value.numpy()
    np.testing.assert_allclose(spectra[0][0], expected["chains"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(spectra[0][1], expected["data"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(band.observed, expected["values"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("torus", [(True, True), (False, True)])
def test_a_large_canvas_is_calibrated_in_parts(torus, monkeypatch):
    made = learned(draw((1, 64, 64, 2)), blurred(draw((1, 64, 64, 2), 1), 0.1))[0]
    made.torus = torus
    x = tf.constant(draw((2, 40, 31, 2), 2))
    whole = made(x)
    monkeypatch.setattr(parts, "LARGEST", 400)
    np.testing.assert_allclose(made(x), whole, atol=1e-5)
    any_size = tf.function(made.call, input_signature=[tf.TensorSpec([None, None, None, 2])])
    np.testing.assert_allclose(any_size(x), whole, atol=1e-5)
    moved, expected = made(tf.roll(x, [7, 5], [1, 2])), tf.roll(whole, [7, 5], [1, 2])
    # What comes round an edge that is repeated sees another neighbourhood than before.
    rows = slice(None) if torus[0] else slice(7 + 8, -8)
    np.testing.assert_allclose(moved[:, rows], expected[:, rows], atol=1e-5)


def made_model(seed=0, **changes):
    """A model whose calibrations change every sample visibly."""
    arguments = {"layers": [{"filters": 8, "kernel": 5}], "levels": 2, "size": 32, "seed": seed,
                 "sampler": {"steps": [4, 3], "start_std": 20.0, "calibrated": True},
                 "learning": {"rejuvenation": 1.0}}  # fmt: skip
    model = GenerativeConvNet(**{**arguments, **changes})
    rng = np.random.default_rng(seed)
    for own in (band for each in model.calibrations for band in each.bands):
        own.taps.assign(own.taps + 0.05 * rng.standard_normal(own.taps.shape))
        own.sampled.assign(np.sort(30 * rng.standard_normal(own.sampled.shape)))
        own.observed.assign(own.sampled + 5 * rng.standard_normal(own.sampled.shape))
    return model


@pytest.fixture(scope="module")
def model():
    return made_model()


def test_a_sample_is_calibrated_at_every_level_that_has_taken_its_steps(model):
    seeds, plain = noise.row_seeds(3, 2), [
        dataclasses.replace(level, calibration=None) for level in model.levels
    ]  # fmt: skip
    coarse = plain[0].langevin(plain[0].start(noise.fold(seeds, 0), (16, 16), 3),
                               noise.fold(seeds, 0), fresh=True)  # fmt: skip
    coarse = model.calibrations[0](coarse)
    row = noise.fold(seeds, 1)
    fine = plain[1].langevin(plain[1].start(row, (32, 32), 3, coarse), row, fresh=True)
    expected = model.calibrations[1](fine)
    received = pyramid.generate(model.levels, seeds, (32, 32), 3)
    np.testing.assert_allclose(received, expected, atol=1e-3)
    stopped = pyramid.generate(model.levels, seeds, (32, 32), 3, until=tf.constant(6))
    other = pyramid.generate([model.levels[0], plain[1]], seeds, (32, 32), 3,
                             until=tf.constant(6))  # fmt: skip
    np.testing.assert_allclose(stopped, other, atol=1e-3)


def test_what_is_known_is_not_calibrated(model):
    media = model.sample(1, seed=1)
    mask = np.zeros((1, 32, 32), np.uint8)
    mask[:, 4:12, 6:20] = 1
    filled = model.recover(media, mask, seed=2)
    np.testing.assert_array_equal(filled[mask == 0], media[mask == 0])
    assert (filled[mask == 1] != media[mask == 1]).any()


def test_a_blend_of_one_model_is_the_model(model):
    plain = GenerativeConvNet(**{**model.get_config(), "name": "plain"})
    blend = blending.blend([model, model], weights=(0.3, 0.7), num=1, seed=4)
    sample = model.sample(1, seed=4)
    assert np.abs(blend.astype(int) - sample).max() <= 1
    assert np.abs(plain.sample(1, seed=4).astype(int) - sample).mean() > 5


def test_a_model_samples_where_another_one_was_before():
    first = made_model()
    expected = first.sample(1, seed=4)
    del first
    gc.collect()
    np.testing.assert_array_equal(made_model().sample(1, seed=4), expected)


def test_an_export_samples_what_the_model_samples(model, tmp_path):
    model.export(tmp_path / "1")
    exported = ExportedModel(tmp_path / "1")
    np.testing.assert_array_equal(exported.sample(2, size=(40, 32)), model.sample(2, (40, 32)))


def test_a_plain_model_is_calibrated_later(model):
    sampler, data = dataclasses.asdict(model.sampler), 20 * draw((1, 40, 40, 3))
    plain, expected = model.twin(sampler={**sampler, "calibrated": False}), model.twin()
    later = plain.twin(sampler=sampler)
    np.testing.assert_array_equal(later.sample(2, seed=4), plain.sample(2, seed=4))
    for each in (later, expected):
        each.calibrate(data)
    for mine, its in zip(expected.get_weights(), later.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)
    assert np.abs(later.sample(2, seed=4).astype(int) - plain.sample(2, seed=4)).max() > 10


def test_f_learns_from_chains_as_they_were_before_calibration(model):
    model.build_chains((40, 40))
    observed = pyramid.levels_of(tf.constant(20 * draw((1, 40, 40, 3))), model.levels)
    weights = [own.get_weights() for own in model.calibrations]
    how = model.learning, observed, noise.row_seeds(5, 1), tf.constant(0)
    chains, shown = synthesis.advance(model.levels, model.chains, *how)
    for level, moved, learned_from in zip(model.levels, chains, shown):
        np.testing.assert_allclose(level.calibration(learned_from), moved, atol=1e-3)
        assert np.abs(learned_from - moved).max() > 1
    for own, before in zip(model.calibrations, weights):
        own.set_weights(before)


def test_fit_ends_with_the_calibrations_of_its_weights():
    model, data = (
        made_model(learning={"rejuvenation": 1.0, "updates": 2}),
        20 * draw((1, 40, 40, 3)),
    )
    model.fit(tf.data.Dataset.from_tensors(data).repeat(), steps_per_epoch=2, verbose=0)
    ended = [each.numpy() for each in model.calibrations[-1].weights]
    model.calibrate(data)
    again = [each.numpy() for each in model.calibrations[-1].weights]
    for a, b in zip(ended, again):
        np.testing.assert_array_equal(a, b)
    samples = [model.preprocessing.encode(model.sample(8, seed=s)) for s in range(2)]
    spread = np.std(samples)
    for band in model.calibrations[-1].bands:
        band.sampled.assign(band.observed)
    assert spread > np.std([model.preprocessing.encode(model.sample(8, seed=s)) for s in range(2)])


def test_fit_takes_what_keras_takes():
    data = 20 * draw((2, 40, 40, 3))

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return (data,)

    def endless():
        while True:
            yield (data,)

    ends = []
    for x in (data, tf.data.Dataset.from_tensors(data), Batches(), endless()):
        model = made_model(levels=1, sampler={"steps": 3, "start_std": 20.0, "calibrated": True})
        model.build_chains((40, 40))
        model.fit(x, steps_per_epoch=1, verbose=0)
        ends.append(model.calibrations[0].bands[0].sampled.numpy())
    for end in ends[1:3]:
        np.testing.assert_array_equal(end, ends[0])
    assert np.abs(ends[3] - ends[0]).max() > 0.1  # those of the training: one chain, not eight


@pytest.mark.parametrize("changes, expected", [
    ({"sampler": {"calibrated": True, "adjusted": True}}, "adjusted, so exact, or calibrated"),
    ({"sampler": {"calibrated": True}, "learning": {"hidden": 4}}, "not calibrated where"),
])  # fmt: skip
def test_refused(changes, expected):
    with pytest.raises(ValueError, match=expected):
        GenerativeConvNet([{"filters": 2, "kernel": 3}], **changes)
