"""Media that commands start from, and their masks, of every kind."""

import types

import numpy as np
import pytest
from PIL import Image

from genconv_tf.cli import given
from genconv_tf.cli.main import main
from genconv_tf.data.media import write
from genconv_tf.data.sounds import read_sound, write_sound
from genconv_tf.data.video_files import read_video, write_video

SETTINGS = {
    "layers": [{"filters": 4, "kernel": 3}],
    "sampler": {"steps": 2, "start_std": 20.0},
    "learning": {"chains": 1},
}


@pytest.fixture(scope="module")
def clip(photograph):
    """A moving picture, `(6, 24, 20, 3)`."""
    return np.stack([np.roll(photograph, 2 * i, 1)[:24, :20] for i in range(6)])


def asked(**kwargs):
    names = ("image", "mask", "size", "frames", "seconds", "format")
    return types.SimpleNamespace(**{name: kwargs.get(name) for name in names})


def about(rank, **preprocessing):
    return {"rank": rank, "size": (8,) * rank, "preprocessing": preprocessing}


def hole_of(shape):
    hole = np.zeros(shape, np.uint8)
    hole[..., 6:12, 4:10] = 255
    return hole


@pytest.mark.parametrize("mask", ["hole.png", "hole.gif", "hole"])
def test_holes_of_a_video_are_sampled_by_the_command(clip, mask, tmp_path, monkeypatch):
    """A picture is the hole of every frame; a video or a folder of frames has one for each."""
    from genconv_tf import GenerativeConvNet

    monkeypatch.chdir(tmp_path)
    GenerativeConvNet(rank=3, size=(6, 24, 20), **SETTINGS).save_to_preset("model")
    write_video("clip", clip)
    hole = hole_of(clip.shape[:3])
    if mask.endswith(".png"):
        Image.fromarray(hole[0]).save(mask)
    else:
        hole = np.stack([np.roll(frame, i, 1) for i, frame in enumerate(hole)])
        write_video(mask, np.repeat(hole[..., None], 3, -1))
    command = ["sample", "model", "--image", "clip", "--mask", mask, "--num", "1"]
    assert main([*command, "--output", "out"]) == 0
    picture = np.asarray(Image.open("out/sample_0_0.png"))
    expected = np.concatenate(clip, 1)  # six frames in a row
    missing = np.concatenate(hole, 1) > 0
    np.testing.assert_array_equal(picture[~missing], expected[~missing])
    assert (picture[missing] != expected[missing]).mean() > 0.5
    assert read_video("out/sample_0_0.mp4").shape == clip.shape


def test_a_gap_of_a_sound_is_sampled_by_the_command(tmp_path, monkeypatch):
    from genconv_tf import GenerativeConvNet
    from genconv_tf.data.preprocessing import Preprocessing

    monkeypatch.chdir(tmp_path)
    how = Preprocessing(scale=1 / 127.5, low=-1.0, high=1.0, dtype="float32", rate=1000)
    model = GenerativeConvNet(rank=1, channels=1, size=200, preprocessing=how, **SETTINGS)
    model.save_to_preset("model")
    wave = 0.5 * np.sin(np.arange(300) / 5.0)
    write("whole", wave[:, None].astype(np.float32), 1000)
    command = ["sample", "model", "--image", "whole.wav", "--num", "1", "--seconds", "0.25"]
    assert main([*command, "--mask", "0.1:0.15", "--output", "out"]) == 0
    received, whole = (read_sound(path, 1000) for path in ("out/sample_0_0.wav", "whole.wav"))
    apart = np.abs(received - whole[:250])
    assert received.shape == (250,)
    assert apart[:100].max() < 1e-4 and apart[150:].max() < 1e-4 and apart[100:150].max() > 0.01
    assert main([*command, "--output", "near"]) == 0  # a variation
    assert read_sound("near/sample_0_0.wav", 1000).shape == (250,)


def test_a_video_and_its_mask_are_cut_and_scaled_together(clip, tmp_path):
    write_video(tmp_path / "clip", clip)
    hole = np.zeros(clip.shape[1:3], np.uint8)
    hole[:12] = 255
    Image.fromarray(hole).save(tmp_path / "hole.png")
    names = {"image": str(tmp_path / "clip"), "mask": str(tmp_path / "hole.png")}
    known, missing = given.media(about(3), asked(**names, size=(12, 10), frames=4))
    assert known.shape == (4, 12, 10, 3) and missing.shape == (4, 12, 10)
    np.testing.assert_array_equal(missing[:, :6], 1)
    np.testing.assert_array_equal(missing[:, 6:], 0)
    means = clip[:4].reshape(4, 12, 2, 10, 2, 3).mean((2, 4))
    assert np.abs(known - means).mean() < 12  # a wider filter than the mean of four pixels


def test_a_sound_of_subbands_is_cut_to_whole_frames(tmp_path):
    write(tmp_path / "noise", np.linspace(-1, 1, 300, dtype=np.float32)[:, None], 1000)
    how = about(1, rate=1000, subbands={"hop": 128})
    known, missing = given.media(how, asked(image=str(tmp_path / "noise.wav"), mask="0.05:0.1"))
    assert known.shape == (256, 1)
    np.testing.assert_array_equal(np.flatnonzero(missing), np.arange(50, 100))


@pytest.mark.parametrize("mask", ["0.1", "0.2:0.1", "0.1:9", "-1:0.1", "a:b", "0.1:0.1", "nan:1"])
def test_a_mask_that_is_no_part_of_a_sound_is_refused(mask, tmp_path):
    write(tmp_path / "noise", np.linspace(-1, 1, 300, dtype=np.float32)[:, None], 1000)
    with pytest.raises(ValueError, match=r"FROM:TO in seconds, within 0:0.30. Received: "):
        given.media(about(1, rate=1000), asked(image=str(tmp_path / "noise.wav"), mask=mask))


def test_masks_of_another_size_or_kind_are_refused(clip, tmp_path):
    write_video(tmp_path / "clip", clip)
    write_video(tmp_path / "short", clip[:3])
    Image.fromarray(clip[0, :20]).save(tmp_path / "low.png")
    for name, received in (("short", "3x24x20"), ("low.png", "20x20")):
        names = {"image": str(tmp_path / "clip"), "mask": str(tmp_path / name)}
        with pytest.raises(ValueError, match=f"size, 6x24x20. Received: {received}"):
            given.media(about(3), asked(**names))
    Image.fromarray(clip[0]).save(tmp_path / "grey.png")
    names["mask"] = str(tmp_path / "grey.png")
    with pytest.raises(ValueError, match="black and white alone"):
        given.media(about(3), asked(**names))
    with pytest.raises(ValueError, match="a model of a video for --frames"):
        given.media(about(2), asked(**names, frames=2))


def test_the_size_of_samples_is_the_models_where_nothing_is_asked():
    assert given.size(about(3), asked(size=20)) == (8, 20, 20)
    assert given.size(about(3), asked(size=(20, 30), frames=5)) == (5, 20, 30)
    assert given.size(about(1, rate=100), asked(seconds=0.5)) == (50,)
    assert given.size(about(2), asked()) == (8, 8)
    with pytest.raises(ValueError, match="a model of a sound for --seconds"):
        given.size(about(2), asked(seconds=1.0))
    with pytest.raises(ValueError, match="--size of two lengths"):
        given.size(about(2), asked(size=(1, 2, 3)))


@pytest.mark.parametrize("samples, seconds", [(20, None), (3000, 1.0)])
def test_a_sound_shorter_than_what_is_asked_for_is_refused(tmp_path, samples, seconds):
    write_sound(tmp_path / "a.wav", np.linspace(-0.5, 0.5, samples), 11025)
    options = asked(image=str(tmp_path / "a.wav"), seconds=seconds)
    model = {"rank": 1, "size": (1000,), "preprocessing": {"rate": 11025, "subbands": {"hop": 32}}}
    with pytest.raises(ValueError, match="Expected a sound of at least"):
        given.media(model, options)
