import dataclasses

import numpy as np
import pytest

import genconv_tf as gct
from genconv_tf.data.sounds import sounds
from genconv_tf.data.subbands import LOUDNESS, Subbands, fit
from genconv_tf.export import ExportedModel

RNG = np.random.default_rng(0)
# Coloured noise with bursts, of a length that is no multiple of a hop.
NOISE = np.convolve(RNG.normal(size=11003), [0.05, 0.1, 0.05, -0.02], "same")
NOISE = np.float32(NOISE * np.exp(RNG.normal(size=11003 // 100 + 1).repeat(100)[:11003]))
NOISE = np.clip(NOISE, -1, 1)


def fitted(hop):
    return fit(NOISE[None], hop), NOISE[: len(NOISE) // hop * hop, None]


@pytest.mark.parametrize("hop", [8, 32, 50])
def test_waves_come_back(hop):
    subbands, wave = fitted(hop)
    x = subbands.encode(wave)
    assert x.shape == (len(wave) // hop, subbands.channels)
    np.testing.assert_allclose(subbands.decode(x), wave, atol=1e-4)
    np.testing.assert_allclose(subbands.decode(x[None])[0], wave, atol=1e-4)


def test_the_transform_is_the_one_of_the_definition():
    # X_k = sqrt(2/N) sum_n w_n x_n cos(pi/N (n + 1/2 + N/2)(k + 1/2)), on a torus.
    hop = 8
    flat = Subbands(hop, (0, hop), (1.0, 1.0), (1.0,) * hop, ((0.0, 1.0),), (0.0, 1.0))
    wave = RNG.normal(size=64)
    n, k = np.arange(2 * hop), np.arange(hop)
    window = np.sin(np.pi / 2 * np.sin(np.pi / (2 * hop) * (n + 0.5)) ** 2)
    basis = np.cos(np.pi / hop * np.outer(n + 0.5 + hop / 2, k + 0.5)) * window[:, None]
    frames = [wave[(t * hop + n) % 64] for t in range(8)]
    expected = np.sqrt(2 / hop) * np.array(frames) @ basis
    np.testing.assert_allclose(flat._bins(np.float32(wave)), expected, atol=1e-5)
    assert np.sum(expected**2) == pytest.approx(np.sum(wave**2))  # orthogonal


def test_loudness_is_gaussian_and_carriers_are_like_the_reference():
    subbands, wave = fitted(32)
    x = subbands.encode(wave).numpy()
    bands = x.shape[1] - 32
    loudness, carriers = x[:, :bands] / LOUDNESS, x[:, bands:]
    kurtosis = np.mean((loudness - loudness.mean(0)) ** 4, 0) / loudness.var(0) ** 2
    np.testing.assert_allclose(loudness.mean(0), 0, atol=0.02)
    np.testing.assert_allclose(loudness.std(0), 1, atol=0.03)
    np.testing.assert_allclose(kurtosis, 3, atol=0.4)
    np.testing.assert_allclose(carriers.std(0), 1, atol=0.25)
    assert np.square(carriers).mean() == pytest.approx(1, abs=1e-3)


def test_the_reference_has_the_spectrum_of_the_recording():
    # White carriers under the recording's loudness, in octaves by an estimate of its own: within
    # two decibels of the recording. Some is lost, as these carriers do not know their loudness.
    subbands, wave = fitted(32)
    x = RNG.normal(size=(len(wave) // 32 * 4, subbands.channels)).astype(np.float32)
    bands = subbands.channels - 32
    x[:, :bands] = subbands.encode(wave).numpy()[:, :bands].repeat(4, 0)
    power = []
    for signal in (wave[:, 0], subbands.decode(x)[:, 0].numpy()):
        frames = signal[: len(signal) // 512 * 512].reshape(-1, 512) * np.hanning(512)
        mean = np.square(np.abs(np.fft.rfft(frames))).mean(0)
        power.append(
            [mean[a:b].mean() for a, b in [(8, 16), (16, 32), (32, 64), (64, 128), (128, 250)]]
        )
    recording, drawn = np.log(power)
    np.testing.assert_allclose(drawn, recording, atol=0.2 * np.log(10))
    assert np.ptp(recording) > 2  # it is far from white


def test_a_sound_is_as_loud_as_x_says():
    subbands, _ = fitted(32)
    x = RNG.normal(size=(2, 40, subbands.channels)).astype(np.float32)
    bands = subbands.channels - 32
    x[..., :bands] = LOUDNESS * x[..., :bands].clip(-2.5, 2.5)
    again = subbands.encode(subbands.decode(x))
    np.testing.assert_allclose(again[..., :bands], x[..., :bands], atol=0.02)
    ratio = again[..., bands : bands + 2] / x[..., bands : bands + 2]  # a band: one factor
    np.testing.assert_allclose(ratio[..., 0], ratio[..., 1], rtol=1e-2)


def test_frames_of_a_mask_are_those_that_its_samples_move():
    flat = dataclasses.replace(fitted(8)[0], spectrum=(1.0, 1.0))
    for sample in (0, 7, 8, 20, 63):
        mask = np.zeros((1, 64), np.float32)
        mask[0, sample] = 1
        moved = np.abs(flat._bins(mask) - flat._bins(0 * mask)).max(-1) > 1e-6
        assert not (moved & (flat.frames(mask).numpy() == 0)).any()
        assert flat.frames(mask).numpy().sum() == 2


def test_bounds_hold_what_was_fitted():
    subbands, wave = fitted(32)
    x = subbands.encode(wave).numpy()
    low, high = (bound[:-32] for bound in subbands.bounds())
    assert (x[:, :-32] >= low - 1e-3).all() and (x[:, :-32] <= high + 1e-3).all()


@pytest.mark.parametrize(
    "wave, hop, says", [(np.zeros(9000), 32, "silent"), (NOISE[:3000], 32, "at least 4096 samples"),
                        (NOISE, 2, "at least 4")],
)  # fmt: skip
def test_errors(wave, hop, says):
    with pytest.raises(ValueError, match=says):
        sounds(np.float32(wave), subbands=hop)


def test_a_model_of_subbands_samples_recovers_and_exports(tmp_path):
    data = sounds(NOISE, subbands=32)
    assert next(iter(data)).shape == (1, 11003 // 32 - 1, 38)
    model = gct.GenerativeConvNet.from_recipe(
        "sound", data=data, **{"sampler.steps": 3, "model.precision": "float32"}
    )
    model.fit(data.repeat(), steps_per_epoch=2, verbose=0)
    wave = model.sample(2, size=1000, seed=3)
    assert wave.shape == (2, 1024, 1) and wave.dtype == np.float32 and np.isfinite(wave).all()
    assert model.sample(1).shape[1] == model.media_size[0] == 344 * 32
    model.export(tmp_path / "1")
    exported = ExportedModel(tmp_path / "1")
    assert exported.metadata["size"] == [344 * 32]
    np.testing.assert_allclose(exported.sample(2, size=1000, seed=3), wave, atol=1e-4)
    model.save_to_preset(tmp_path / "preset")
    again = gct.GenerativeConvNet.from_preset(tmp_path / "preset")
    np.testing.assert_array_equal(again.sample(2, size=1000, seed=3), wave)

    hole = np.zeros((1, 9600), np.float32)
    hole[:, 3000:5000] = 1
    whole = NOISE[None, :9600, None]
    for recovered in (model.recover(whole, hole), exported.recover(whole, hole)):
        np.testing.assert_array_equal(recovered[hole == 0], whole[hole == 0])
        assert np.abs(recovered[hole > 0] - whole[hole > 0]).max() > 1e-3
    with pytest.raises(ValueError, match="whole frames of 32"):
        model.recover(whole[:, :9599], hole[:, :9599])
    with pytest.raises(ValueError, match="Expected a size of at least"):
        model.sample(size=100)
