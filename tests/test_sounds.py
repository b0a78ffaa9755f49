import numpy as np
import pytest
import soundfile

from genconv_tf import data
from genconv_tf.data.sounds import RATE, read_sound, write_sound

TONE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(22050) / 22050).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_short_wind_is_a_sound(seconds):
    x = next(iter(data.sounds("generated:wind", seconds=seconds)))
    assert np.isfinite(x).all() and np.std(x) > 1


@pytest.mark.parametrize(
    "name, subtype, close",
    [("a.wav", "PCM_U8", 1e-2), ("a.wav", "PCM_16", 1e-3), ("a.wav", "PCM_24", 1e-3),
     ("a.wav", "FLOAT", 1e-3), ("a.flac", "PCM_16", 1e-3), ("a.ogg", "VORBIS", 5e-2),
     ("a.mp3", "MPEG_LAYER_III", 5e-2)],
)  # fmt: skip
def test_every_format_decodes_to_mono_at_the_rate(tmp_path, name, subtype, close):
    stereo = np.stack([TONE, TONE], axis=1)
    soundfile.write(tmp_path / name, stereo, 22050, subtype=subtype)
    wave = read_sound(tmp_path / name)
    assert wave.dtype == np.float32 and abs(len(wave) - RATE) < 0.15 * RATE
    # A tone is known by its spectrum, which the delay of a codec does not change.
    middle = wave[2000:8000] * np.hanning(6000)
    spectrum = np.abs(np.fft.rfft(middle)) / 3000
    peak = spectrum.argmax()
    assert abs(peak * RATE / 6000 - 440) < 3
    level = np.sqrt(2 * np.square(wave[2000:8000]).mean())
    assert abs(level - 0.5) < 0.5 * close + 1e-3


def test_floats_beyond_one_are_made_quieter_and_not_cut_off(tmp_path):
    for peak in (1.6, 30000.0):
        soundfile.write(tmp_path / "a.wav", 2 * peak * TONE, 22050, subtype="FLOAT")
        wave = read_sound(tmp_path / "a.wav", 22050)
        np.testing.assert_allclose(wave, 2 * TONE, atol=1e-4)


@pytest.mark.parametrize("name, form, subtype", [
    ("a.ogg", "OGG", "VORBIS"), ("a.opus", "OGG", "OPUS"), ("a.wav", "RF64", "PCM_16"),
    ("a.w64", "W64", "PCM_16"), ("a.aiff", "AIFF", "PCM_16"), ("a.wav", "WAV", "PCM_16"),
    ("a.wav", "WAV", "FLOAT"),
])  # fmt: skip
def test_cut_files_are_refused_and_whole_ones_are_not(tmp_path, name, form, subtype):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 96000)
    soundfile.write(tmp_path / name, noise, 48000, subtype, format=form)
    assert abs(len(read_sound(tmp_path / name, 48000)) - 96000) < 48
    content = (tmp_path / name).read_bytes()
    for share in (0.5, 0.9):
        (tmp_path / f"cut_{name}").write_bytes(content[: int(share * len(content))])
        with pytest.raises(ValueError, match=r"Expected a (whole )?sound"):
            read_sound(tmp_path / f"cut_{name}")
    (tmp_path / f"tagged_{name}").write_bytes(content + b"TAG" + bytes(125))
    assert abs(len(read_sound(tmp_path / f"tagged_{name}", 48000)) - 96000) < 99


@pytest.mark.parametrize("loudness", [1.0, 0.02])
def test_a_dataset_undoes_its_preprocessing(tmp_path, loudness):
    """Whatever the loudness, x has the range of pixels."""
    wave = loudness * np.clip(TONE[::2] + 0.1, -1, 1)
    write_sound(tmp_path / "a.wav", wave)
    dataset = data.sounds(str(tmp_path / "a.wav"), seconds=0.5, start=0.25)
    assert dataset.preprocessing.rate == RATE
    x = next(iter(dataset))
    samples = round(0.5 * RATE)
    assert x.shape == (1, samples, 1)
    assert abs(np.mean(x)) < 0.2 and abs(np.std(x) - 127.5 / np.sqrt(2)) < 2
    assert abs(np.abs(x).max() - 127.5) < 1e-3
    first = round(0.25 * RATE)
    media = dataset.preprocessing.decode(x)[0, :, 0]
    np.testing.assert_allclose(media, wave[first : first + samples], atol=1e-4)


def test_several_sounds_have_the_length_of_the_shortest(tmp_path):
    write_sound(tmp_path / "a.wav", TONE[:3000])
    write_sound(tmp_path / "b.wav", TONE[:2000])
    (tmp_path / "notes.txt").write_text("no sound")
    assert next(iter(data.sounds(tmp_path))).shape == (2, 2000, 1)
    assert next(iter(data.sounds(np.stack([TONE, -TONE]), batch=1))).shape == (1, 22050, 1)


def test_a_sound_is_as_long_as_its_parts():
    wave = np.random.default_rng(0).normal(0, 0.1, 3 * RATE)
    assert next(iter(data.sounds(wave, start=1.5, seconds=1.5))).shape[1] == round(1.5 * RATE)


def test_a_written_sound_is_read_back_to_16_bits(tmp_path):
    write_sound(tmp_path / "a.wav", TONE[:, None])
    np.testing.assert_allclose(read_sound(tmp_path / "a.wav", RATE), TONE, atol=2**-15)
    with pytest.raises(ValueError, match="finite samples to write"):
        write_sound(tmp_path / "b.wav", TONE * np.nan)
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize(
    "arguments, message",
    [({"source": "missing.wav"}, "nothing there"), ({"source": "text.wav"}, "Expected a sound"),
     ({"source": "a.wav", "seconds": 60.0}, "Expected sounds of at least"),
     ({"source": "a.wav", "start": 60.0}, "Expected sounds of at least"),
     ({"source": "a.wav", "rate": 0}, "positive rate"),
     ({"source": "a.wav", "rate": "44k"}, "positive rate"),
     ({"source": "a.wav", "rate": None}, "positive rate"),
     ({"source": "a.wav", "rate": np.inf}, "positive rate"),
     ({"source": "a.wav", "start": np.inf}, "start >= 0"),
     ({"source": "a.wav", "seconds": np.inf}, "positive length"),
     ({"source": "a.wav", "subbands": "a"}, "Expected subbands of at least"),
     ({"source": "generated:rain", "rate": 50}, "at least 4000 Hz of generated:rain"),
     ({"source": "a.wav", "seconds": "a"}, "positive length in seconds"),
     ({"source": "empty.wav"}, "finite samples"), ({"source": "nan.wav"}, "finite samples"),
     ({"source": "silent.wav"}, "not silent"),
     ({"source": "silent.wav", "subbands": 32}, "not silent"),
     ({"source": "opposite.wav"}, "not silent"),
     ({"source": "cut.wav"}, "a whole sound"), ({"source": "cut.mp3"}, "a whole sound"),
     ({"source": "cut.flac"}, "Expected a sound"), ({"source": "cut.ogg"}, "a whole sound"),
     ({"source": np.full(9, 2.0)}, r"in \[-1, 1\]")],
)  # fmt: skip
def test_mistakes_say_what_was_expected(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_sound("a.wav", TONE)
    soundfile.write("empty.wav", TONE[:0], RATE)
    soundfile.write("nan.wav", np.where(TONE > 0.4, np.nan, TONE), RATE, subtype="FLOAT")
    soundfile.write("silent.wav", 0 * TONE, RATE)
    quiet = np.stack([TONE, np.float32(2**-16) - TONE], 1)  # nothing but rounding is left in mono
    soundfile.write("opposite.wav", quiet, RATE, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no sound")
    for kind in ("wav", "mp3", "flac", "ogg"):
        soundfile.write(f"whole.{kind}", np.tile(TONE, 4), RATE)
        content = (tmp_path / f"whole.{kind}").read_bytes()
        (tmp_path / f"cut.{kind}").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=message):
        data.sounds(**arguments)
