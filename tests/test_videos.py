import sys
import wave

import numpy as np
import pytest
import tensorflow as tf
from test_video_files import encode

from genconv_tf import GenerativeConvNet, data
from genconv_tf.cli.main import own_line
from genconv_tf.data.decode import write_image
from genconv_tf.data.video_files import read_video, write_video
from genconv_tf.export import ExportedModel

module = sys.modules["genconv_tf.data.videos"]  # `data.videos` is the function


def test_frames_are_chosen_by_start_stride_and_number(tmp_path, clip):
    write_video(tmp_path / "frames", clip)
    write_video(tmp_path / "a.gif", clip)
    for source in (clip, tmp_path / "frames", tmp_path / "a.gif"):
        dataset = data.videos(source, frames=3, start=2, stride=4, mean="none")
        x = next(iter(dataset))
        assert x.shape == (1, 3, 32, 48, 3)
        np.testing.assert_allclose(x[0], clip[[2, 6, 10]], atol=1)


def test_a_dataset_undoes_its_preprocessing_and_crops(clip):
    dataset = data.videos(clip, size=16)
    x = next(iter(dataset))
    assert x.shape == (1, 12, 16, 16, 3)
    whole = data.videos(clip)
    media = whole.preprocessing.decode(next(iter(whole)))
    np.testing.assert_array_equal(media[0], clip)
    np.testing.assert_allclose(whole.preprocessing.mean, clip.mean((0, 1, 2)), atol=0.01)


def test_a_region_of_a_video_is_taken_from_every_frame(clip, tmp_path):
    write_video(tmp_path / "a.gif", clip)
    for source in (clip, tmp_path / "a.gif"):
        x = next(iter(data.videos(source, region=(4, 8, 16, 20), mean="none")))
        np.testing.assert_allclose(x[0], clip[:, 4:20, 8:28], atol=1)
    with pytest.raises(ValueError, match="Expected a region within 32x48 pixels"):
        data.videos(clip, region=(20, 0, 16, 16))


def test_a_folder_of_videos_is_several(tmp_path, clip):
    write_video(tmp_path / "a.gif", clip)
    write_video(tmp_path / "b.gif", clip[::-1])
    assert next(iter(data.videos(tmp_path, frames=5))).shape == (2, 5, 32, 48, 3)
    # Of clips that are not equally long, as many frames as the first one has.
    write_video(tmp_path / "b.gif", np.concatenate([clip, clip]))
    assert next(iter(data.videos(tmp_path))).shape == (2, len(clip), 32, 48, 3)


@pytest.mark.parametrize("name", ["b.mp4", "b.gif", "b.webm", "b"])
def test_a_clip_that_is_shorter_than_the_first_is_told_at_once(tmp_path, clip, name):
    write_video(tmp_path / "a.mp4", clip)
    if name == "b.webm":
        encode(str(tmp_path / name), "libvpx", clip[:5])
    else:
        write_video(tmp_path / name, clip[:5])
    with pytest.raises(ValueError, match=f"Expected 12 frames .* Received: 5 in .*{name}$"):
        data.videos([tmp_path / "a.mp4", tmp_path / name])
    (tmp_path / "c.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"Expected a whole video\. Received: .*c\.mp4"):
        data.videos([tmp_path / "a.mp4", tmp_path / "c.mp4"])


@pytest.mark.parametrize(
    "arguments, message",
    [({"source": "missing.mp4"}, "nothing there"), ({"source": "text.mp4"}, "whole video"),
     ({"source": "a.gif", "frames": 13}, "Expected 13 frames"), ({"source": "odd"}, "one size"),
     ({"source": "odd", "size": 8}, "one size"),
     ({"source": "a.gif", "stride": 0}, "stride >= 1"),
     ({"source": "a.gif", "frames": 0}, "frames >= 1"), ({"source": "empty.mp4"}, "whole video"),
     ({"source": "a.gif", "size": 0}, "positive size"),
     ({"source": "cut.mp4"}, "whole video"), ({"source": "cut.gif"}, "whole video"),
     ({"source": "cut.avi"}, "whole video"), ({"source": "cut.webm"}, "whole video"),
     ({"source": "sound.avi"}, "no video stream"),
     ({"source": "a.gif", "rate": -5}, "positive rate"),
     ({"source": "a.gif", "rate": float("inf")}, "positive rate"),
     ({"source": "a.gif", "crop": "none", "size": 16}, "Expected images of"),
     ({"source": "a.gif", "rate": "fast"}, "positive rate"),
     ({"source": "a.gif", "mean": "foo"}, "colour.*frame.*none"),
     ({"source": np.zeros((3, 8, 8, 3)), "start": 5}, "Expected some frames. Received: 0 from 5"),
     ({"source": np.zeros((3, 4))}, "Expected \\(frames")],
)  # fmt: skip
def test_mistakes_say_what_was_expected(tmp_path, monkeypatch, clip, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_video("a.gif", clip)
    write_video("odd", clip[:2])
    write_image("odd/9.png", clip[0, :16])
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    write_video("a.mp4", clip)
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:-500])
    for name, codec in (("avi", "mjpeg"), ("webm", "libvpx"), ("gif", "gif")):
        if codec != "gif":
            encode(f"a.{name}", codec, np.concatenate([clip] * 3))
        content = (tmp_path / f"a.{name}").read_bytes()
        (tmp_path / f"cut.{name}").write_bytes(content[: len(content) // 2])
    with wave.open("sound.avi", "wb") as sound:  # a container without a video stream
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    with pytest.raises(ValueError, match=message):
        data.videos(**arguments)


def test_the_rate_of_a_file_is_kept_through_the_stride(tmp_path, clip):
    write_video(tmp_path / "a.mp4", clip, rate=30)
    assert abs(module.frame_rate(tmp_path / "a.mp4") - 30) < 0.01
    dataset = data.videos(tmp_path / "a.mp4", stride=2)
    assert abs(dataset.preprocessing.rate - 15) < 0.01
    assert data.videos(clip).preprocessing.rate == 25


def test_a_clip_is_decoded_once_and_not_at_every_update(tmp_path, clip, monkeypatch):
    write_video(tmp_path / "a.gif", clip)
    calls, read = [], module.read_video

    def counted(*arguments):
        calls.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(module, "read_video", counted)
    dataset = data.videos(tmp_path / "a.gif")
    assert len(list(dataset.repeat(5))) == 5
    assert len(calls) == 1


def test_principal_colours_of_a_grey_clip_are_one_channel():
    clip = np.repeat(np.random.default_rng(0).integers(0, 255, (4, 12, 14, 1), np.uint8), 3, -1)
    dataset = data.videos(clip, colours="principal")
    x = next(iter(dataset))
    assert x.shape == (1, 4, 12, 14, 1)
    np.testing.assert_array_equal(dataset.preprocessing.decode(x)[0], clip)


def test_frames_are_scaled_as_they_are_decoded(tmp_path, clip):
    write_video(tmp_path / "a.gif", clip)
    seen = []

    def change(frame):
        seen.append(frame.shape)
        return frame[::4, ::4]

    small = read_video(tmp_path / "a.gif", 1, 3, 2, change)
    assert seen == [clip.shape[1:]] * 3
    np.testing.assert_allclose(small, clip[1:7:2, ::4, ::4], atol=1)
    whole = data.videos(clip, size=(16, 20), mean="none")  # all frames at once
    files = data.videos(tmp_path / "a.gif", size=(16, 20), mean="none")
    np.testing.assert_allclose(next(iter(files)), next(iter(whole)), atol=1)


def test_a_video_of_a_stream_that_is_too_short_is_told_in_one_line(clip, monkeypatch):
    """Of TFDS, whose later videos are seen when learning has begun."""

    def from_tfds(*arguments):
        both = tf.data.Dataset.from_generator(
            lambda: (clip, clip[:5]),
            output_signature=tf.TensorSpec([None, None, None, 3], tf.uint8),
        )
        return both, clip

    monkeypatch.setattr(module.sources, "from_tfds", from_tfds)
    rows = iter(data.videos("tfds:two", frames=6, size=16))
    assert next(rows).shape == (1, 6, 16, 16, 3)
    with pytest.raises(tf.errors.InvalidArgumentError) as told:
        next(rows)
    assert own_line(told.value) == "Expected videos of 6 frames from 0 on, every 1"


def test_one_frame_is_too_short_for_a_recipe_of_videos(clip):
    one = data.videos(clip[:1])
    model = GenerativeConvNet.from_recipe("video", data=one)
    with pytest.raises(ValueError, match="Expected data of at least"):
        model.fit(one, verbose=0)


def test_the_mean_frame_is_what_does_not_move(tmp_path, clip):
    dataset = data.videos(clip, mean="frame")
    x = next(iter(dataset))
    np.testing.assert_allclose(np.mean(x, axis=(0, 1)), 0, atol=0.06)  # rounded to a tenth
    np.testing.assert_array_equal(dataset.preprocessing.decode(x)[0], clip)
    low, high = dataset.preprocessing.bounds()
    assert low.shape == (3,) and (low <= np.min(x, (0, 1, 2, 3))).all()
    assert (high >= np.max(x, (0, 1, 2, 3))).all()
    model = GenerativeConvNet([{"filters": 2, "kernel": [3, "full", "full"]}], rank=3, size=12,
                              preprocessing=dataset.preprocessing)  # fmt: skip
    again = GenerativeConvNet.from_config(model.get_config())
    assert again.preprocessing.mean == dataset.preprocessing.mean


def test_a_mean_frame_fixes_the_size_of_samples_and_parts_have_the_mean_of_all(tmp_path, clip):
    dataset = data.videos(clip, mean="frame")
    size = clip.shape[1:3]
    model = GenerativeConvNet([{"filters": 2, "kernel": 3}], rank=3, levels=1,
                              size=(4, *size), sampler={"steps": 1},
                              preprocessing=dataset.preprocessing)  # fmt: skip
    assert model.only_size == (None, *size)
    message = "a size of any x {} x {}, which a layer or a mean frame covers whole".format(*size)
    with pytest.raises(ValueError, match=message):
        model.sample(size=(6, 24, 24))
    model.export(tmp_path / "clip" / "1")
    exported = ExportedModel(tmp_path / "clip" / "1")
    assert exported.sample(size=(6, *size)).shape == (1, 6, *size, 3)
    with pytest.raises(ValueError, match=message):
        exported.sample(size=(6, 24, 24))
    preprocessing = dataset.preprocessing
    part = np.zeros((1, 5, 7, 6, 3), np.float32)
    flat = np.round(np.mean(preprocessing.mean, (0, 1)))
    np.testing.assert_array_equal(
        preprocessing.decode_parts(part), np.broadcast_to(flat, part.shape)
    )
    x = next(iter(dataset))
    np.testing.assert_array_equal(preprocessing.decode_parts(x), preprocessing.decode(x))
