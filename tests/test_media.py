"""Sounds and videos from file to file by the commands that images use."""

import numpy as np
import pytest
import tensorflow as tf

from genconv_tf.cli.main import main
from genconv_tf.data.decode import read_image
from genconv_tf.data.media import FRAMES, HEIGHT, WIDTH, picture
from genconv_tf.data.sounds import RATE, read_sound, write_sound
from genconv_tf.data.video_files import read_video, write_video

SOUND = """
[data]
kind = "sound"
seconds = 0.2
[model]
rank = 1
channels = 1
layers = [{filters = 6, kernel = 25, stride = 4}, {filters = 5, kernel = 5}]
levels = 2
[sampler]
steps = 3
start_std = 20.0
[learning]
updates = 4
rejuvenation = 1.0
"""
VIDEO = """
[data]
kind = "video"
frames = 8
size = 24
[model]
rank = 3
layers = [{filters = 5, kernel = [3, 5, 5], stride = [1, 2, 2]}, {filters = 4, kernel = 3}]
[sampler]
steps = 3
start_std = 20.0
[learning]
updates = 3
"""


@pytest.fixture
def files(tmp_path):
    write_inputs(tmp_path)
    return tmp_path


def write_inputs(folder):
    rng = np.random.default_rng(0)
    write_sound(folder / "a.wav", 0.2 * np.clip(rng.standard_normal(RATE // 2), -3, 3) / 3)
    write_video(folder / "a.gif", rng.integers(0, 256, (10, 30, 36, 3), np.uint8))
    (folder / "sound.toml").write_text(SOUND)
    (folder / "video.toml").write_text(VIDEO)


def learn(files, kind, source):
    words = ["train", files / f"{kind}.toml", files / source, "--output", files / "run"]
    assert main([*map(str, words), "--quiet"]) == 0
    assert main(["export", str(files / "run"), "--output", str(files / "m" / "1")]) == 0
    assert (files / "run" / "preset" / "samples.png").is_file()


def sample(files, model, *words):
    command = ["sample", files / model, "--output", files / "out", "--num", "1", *words]
    return main([*map(str, command)])


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A folder with a learned model of a sound, `run`, and its SavedModel, `m/1`."""
    folder = tmp_path_factory.mktemp("sound")
    write_inputs(folder)
    learn(folder, "sound", "a.wav")
    return folder


def test_a_sound_in_a_sound_of_any_length_out(sound):
    for model in ("run", "m/1"):
        assert sample(sound, model, "--seconds", "0.75") == 0
        wave = read_sound(sound / "out" / "sample_0_0.wav")
        assert len(wave) == round(0.75 * RATE) and wave.std() > 0.01
        assert read_image(sound / "out" / "sample_0_0.png").shape == (2 * HEIGHT + 4, WIDTH, 3)


def test_a_video_in_a_video_of_any_length_and_size_out(files):
    learn(files, "video", "a.gif")
    for model in ("run", "m/1"):
        assert sample(files, model, "--frames", "12", "--size", "32x40") == 0
        assert read_video(files / "out" / "sample_0_0.mp4").shape == (12, 32, 40, 3)
        assert read_image(files / "out" / "sample_0_0.png").shape == (32, FRAMES * 40, 3)
    whole = read_video(files / "out" / "sample_0_0.mp4").astype(float)
    for form, name in (("gif", "sample_0_0.gif"), ("frames", "sample_0_0")):
        words = ["--frames", "12", "--size", "32x40", "--format", form]
        assert sample(files, "run", *words) == 0
        assert np.abs(read_video(files / "out" / name) - whole).mean() < 12  # codecs' errors
    names = sorted(path.name for path in (files / "out").iterdir())
    assert names == ["sample_0_0", *(f"sample_0_0.{e}" for e in ("gif", "mp4", "png")),
                     "sheet_0.png"]  # fmt: skip
    # A second video of frames is refused before the first, which is not there yet, is made.
    (files / "out" / "sample_0_0").rename(files / "out" / "sample_0_1")
    assert sample(files, "run", *words, "--num", "2") == 2
    assert not (files / "out" / "sample_0_0").exists()


def test_the_export_gives_the_same_sound_with_tensorflow_alone(sound):
    from genconv_tf import GenerativeConvNet

    signature = tf.saved_model.load(str(sound / "m" / "1")).signatures["sample"]
    seeds = tf.constant([[0, 5]])
    media = signature(seed=seeds, size=tf.constant([3000]), steps=tf.constant(0))["media"]
    model = GenerativeConvNet.from_preset(sound / "run")
    again = model.sample_media(seeds, tf.constant([3000]), tf.constant(0))
    assert media.dtype == tf.float32 and np.abs(media).max() <= 1
    np.testing.assert_allclose(media, again, atol=1e-5)


@pytest.mark.parametrize(
    "words, message",
    [(["--size", "32"], "for --size"), (["--frames", "3"], "for --frames"),
     (["--format", "gif"], "for --format"),
     (["--seconds", "0"], "a number above 0"), (["--seconds", "0.001"], "size of at least")],
)  # fmt: skip
def test_an_option_of_another_medium_is_refused(sound, words, message, capsys):
    try:
        assert sample(sound, "run", *words) == 2
    except SystemExit as stop:  # argparse's own way
        assert stop.code == 2
    assert message in capsys.readouterr().err


def test_settings_of_another_kind_of_data_are_refused(files, capsys):
    words = ["train", files / "sound.toml", files / "a.wav", "--output", files / "run"]
    assert main([*map(str, words), "--set", "data.frames=3"]) == 2
    assert "settings of data for a sound" in capsys.readouterr().err
    assert main([*map(str, words), "--set", "data.kind='smell'"]) == 2
    assert "kind of data" in capsys.readouterr().err


def test_the_picture_of_a_tone_has_its_line_at_the_frequency():
    seconds = np.arange(2 * RATE) / RATE
    page = picture(np.sin(2 * np.pi * 1000 * seconds)[:, None].astype(np.float32))
    spectrogram = page[HEIGHT + 4 :, :, 0]
    row = HEIGHT - 1 - int(spectrogram.mean(1).argmin())  # 0 dB is black, and low is below
    assert abs(row * RATE / (2 * HEIGHT) - 1000) < RATE / (2 * HEIGHT)
    assert (page[: HEIGHT // 4, :, 0] == 0).any() and page.shape == (2 * HEIGHT + 4, WIDTH, 3)
