import fractions
import struct
import sys
import wave

import av
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from genconv_tf import GenerativeConvNet, data
from genconv_tf.cli.main import _own_line
from genconv_tf.data.decode import write_image
from genconv_tf.data.video_files import read_video, write_video

module = sys.modules["genconv_tf.data.videos"]  # `data.videos` is the function


@pytest.fixture
def clip():
    """A bright bar that moves by four pixels a frame: `(12, 32, 48, 3)` uint8."""
    video = np.full((12, 32, 48, 3), 40, np.uint8)
    for i in range(12):
        video[i, :, 4 * i : 4 * i + 4] = (220, 200, 180)
    return video


def encode(path, codec, frames):
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=24)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


@pytest.mark.parametrize("rate, shown", [(25, 40), (50, 20), (100, 20)])
def test_frames_of_a_gif_are_no_shorter_than_browsers_show_them(tmp_path, clip, rate, shown):
    write_video(tmp_path / "a.gif", clip, rate)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == len(clip) and gif.info["duration"] == shown


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "frames"])
def test_a_written_video_is_read_back(tmp_path, clip, name):
    write_video(tmp_path / name, clip)
    again = read_video(tmp_path / name).astype(float)
    assert again.shape == clip.shape
    # MP4 halves the colour, and GIF has 256 of them.
    assert np.abs(again - clip).mean() < (3 if name == "a.mp4" else 0.5)
    bars = again[:, 16, :, 1].argmax(1) // 4
    np.testing.assert_array_equal(bars, range(12))
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("turns, mirrored, matrix", [
    (1, False, (0, -1, 1, 0)), (2, False, (-1, 0, 0, -1)), (3, False, (0, 1, -1, 0)),
    (0, True, (-1, 0, 0, 1)), (2, True, (1, 0, 0, -1)), (1, True, (0, 1, 1, 0)),
    (3, True, (0, -1, -1, 0)),
])  # fmt: skip
def test_a_video_is_read_as_players_show_it(tmp_path, clip, turns, mirrored, matrix):
    """How it was held is in the track's header: a matrix by rows in 16.16 fixed point, y downwards,
    of which (x, y) is shown at (a x + c y, b x + d y)."""
    clip[:, :8] = (30, 90, 200)  # above and below differ too
    write_video(tmp_path / "a.mp4", clip)

    def stored(a, b, c, d):
        return struct.pack(">8i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0)

    content = (tmp_path / "a.mp4").read_bytes()
    track = content.index(stored(1, 0, 0, 1), content.index(b"tkhd"))
    content = content[:track] + stored(*matrix) + content[track + 32 :]
    (tmp_path / "turned.mp4").write_bytes(content)
    expected = read_video(tmp_path / "a.mp4")
    expected = np.rot90(expected[:, :, ::-1] if mirrored else expected, turns, (1, 2))
    np.testing.assert_array_equal(read_video(tmp_path / "turned.mp4"), expected)


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


def test_a_long_file_is_not_decoded_beyond_what_is_asked_for(tmp_path, clip, monkeypatch):
    import av

    write_video(tmp_path / "a.mp4", np.tile(clip, (10, 1, 1, 1)))
    seen = []

    class Spy:
        def __init__(self, container):
            self.container = container

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.container.close()

        def __getattr__(self, name):
            return getattr(self.container, name)

        def decode(self, **kwargs):
            for frame in self.container.decode(**kwargs):
                seen.append(frame)
                yield frame

    opened = av.open
    monkeypatch.setattr(av, "open", lambda path: Spy(opened(path)))
    assert len(read_video(tmp_path / "a.mp4", start=4, frames=3, stride=2)) == 3
    assert len(seen) == 4 + 2 * 2 + 1


@pytest.mark.parametrize(
    "name, codec", [("a.avi", "mjpeg"), ("b.avi", "mpeg4"), ("a.webm", "libvpx")]
)
def test_whole_videos_of_other_containers_are_read(tmp_path, clip, name, codec):
    encode(str(tmp_path / name), codec, clip)
    read = read_video(tmp_path / name)
    assert read.shape == clip.shape
    assert np.abs(read.astype(float) - clip).mean() < 6


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
     ({"source": "a.gif", "crop": "none", "size": 16}, "Expected frames of"),
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


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_nothing_half_written_is_left(tmp_path, clip, monkeypatch, name):
    def full(*arguments, **settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError):
        write_video(tmp_path / name, clip)
    assert list(tmp_path.iterdir()) == []


def test_principal_colours_of_a_grey_clip_are_one_channel():
    clip = np.repeat(np.random.default_rng(0).integers(0, 255, (4, 12, 14, 1), np.uint8), 3, -1)
    dataset = data.videos(clip, colours="principal")
    x = next(iter(dataset))
    assert x.shape == (1, 4, 12, 14, 1)
    np.testing.assert_array_equal(dataset.preprocessing.decode(x)[0], clip)


def test_frames_of_a_variable_rate_are_taken_as_often_as_they_are_shown(tmp_path, clip):
    """At 25 frames a second, what most of them last; those of 10 ms are not seen."""
    stamped(tmp_path / "a.mp4", clip[:9], (0, 40, 80, 200, 210, 250, 290, 450, 490))
    assert module.frame_rate(tmp_path / "a.mp4") == pytest.approx(25)
    decoded = read_video(tmp_path / "a.mp4")
    changes = np.abs(decoded[:, None].astype(int) - clip[None]).mean((2, 3, 4))
    shown = changes.argmin(1).tolist()
    assert shown[:11] == [0, 1, 2, 2, 2, 4, 5, 6, 6, 6, 6] and set(shown[11:]) <= {7, 8}
    assert len(read_video(tmp_path / "a.mp4", start=3, frames=4, stride=2)) == 4


@pytest.mark.parametrize("shown", [
    [0, 1, 1, 1, 2, 3, 3, 4], [0, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4, 5, 5, 5, 5, 5],
    [0, 0, 0, 0, 1, 2, 3],
])  # fmt: skip
def test_frames_of_a_gif_that_are_equal_are_as_many_again(tmp_path, clip, shown):
    """Pillow writes equal frames as one that lasts longer."""
    frames = clip[shown]
    write_video(tmp_path / "a.gif", frames)
    np.testing.assert_allclose(read_video(tmp_path / "a.gif"), frames, atol=1)
    assert module.frame_rate(tmp_path / "a.gif") == pytest.approx(25)


def stamped(path, frames, milliseconds):
    """A video whose frames are shown from those times on."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width = frames.shape[1:3]
        stream.time_base = stream.codec_context.time_base = fractions.Fraction(1, 1000)
        for frame, time in zip(frames, milliseconds, strict=True):
            one = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            one.pts, one.time_base = time, stream.time_base
            container.mux(stream.encode(one))
        container.mux(stream.encode())


def test_a_frame_that_was_dropped_is_the_one_before_it(tmp_path, clip):
    """And no other is, though the average rate is that of the file."""
    times = [40 * i for i in range(13) if i != 7]
    stamped(tmp_path / "a.mp4", clip, times)
    assert module.frame_rate(tmp_path / "a.mp4") == pytest.approx(25)
    decoded = read_video(tmp_path / "a.mp4")
    changes = np.abs(decoded[:, None].astype(int) - clip[None]).mean((2, 3, 4))
    assert changes.argmin(1).tolist() == [*range(7), 6, *range(7, 12)]


def test_a_gap_of_an_hour_is_no_ninety_thousand_frames(tmp_path, clip):
    stamped(tmp_path / "a.mp4", clip[:7], [0, 40, 80, 120, 160, 3600000, 3600040])
    with pytest.raises(ValueError, match="Expected frames at most 60 s apart"):
        read_video(tmp_path / "a.mp4")


def test_bytes_behind_the_end_of_a_gif_do_not_matter(tmp_path, clip):
    write_video(tmp_path / "a.gif", clip)
    content = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "longer.gif").write_bytes(content + bytes(100))
    assert len(read_video(tmp_path / "longer.gif")) == 12
    (tmp_path / "cut.gif").write_bytes(content[:-200] + b";" * 8)
    with pytest.raises(ValueError, match="then it breaks off"):
        read_video(tmp_path / "cut.gif")


def test_frames_of_a_folder_are_in_the_order_of_their_numbers(tmp_path, clip):
    for i in (10, 9, 2, 11):
        write_image(tmp_path / f"frame{i}.png", clip[i])
    np.testing.assert_array_equal(read_video(tmp_path), clip[[2, 9, 10, 11]])


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


def test_frames_that_an_edit_list_hides_are_not_missed(tmp_path, clip):
    """Telephones cut a clip so: what is before its begin is there, and not shown."""
    write_video(tmp_path / "a.mp4", np.tile(clip, (4, 1, 1, 1)))
    with (
        av.open(str(tmp_path / "a.mp4")) as whole,
        av.open(str(tmp_path / "b.mp4"), "w", options={"avoid_negative_ts": "disabled"}) as edited,
    ):
        source = whole.streams.video[0]
        target = edited.add_stream_from_template(source)
        for packet in whole.demux(source):
            if packet.dts is not None:
                hidden = round(10 / 25 / source.time_base)
                packet.pts, packet.dts = packet.pts - hidden, packet.dts - hidden
                packet.stream = target
                edited.mux(packet)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].frames == 48
    assert len(read_video(tmp_path / "b.mp4")) == 38


def test_a_cut_file_with_sound_is_refused(tmp_path, clip):
    with av.open(str(tmp_path / "a.webm"), "w") as container:
        stream = container.add_stream("libvpx", rate=24)
        stream.height, stream.width, stream.pix_fmt = *clip.shape[1:3], "yuv420p"
        sound = container.add_stream("libopus", rate=48000)
        for i in range(100):
            frame = np.ascontiguousarray(clip[i % 12])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            wave = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.int16), layout="stereo")
            wave.sample_rate, wave.pts = 48000, 2000 * i
            container.mux(sound.encode(wave))
        for each in (stream, sound):
            container.mux(each.encode())
    content = (tmp_path / "a.webm").read_bytes()
    assert len(read_video(tmp_path / "a.webm")) == 100
    (tmp_path / "cut.webm").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="frames, then it breaks off"):
        read_video(tmp_path / "cut.webm")


def test_what_is_transparent_is_white(tmp_path, clip):
    share = np.full((*clip.shape[:3], 1), 255, np.uint8)
    share[:, :8], share[:, 8:16] = 0, 51
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.height, stream.width, stream.pix_fmt = *clip.shape[1:3], "rgba"
        for frame in np.concatenate([clip, share], -1):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgba")))
        container.mux(stream.encode())
    read = read_video(tmp_path / "a.mov")
    assert (read[:, :8] == 255).all()
    np.testing.assert_allclose(read[:, 8:16], 0.2 * clip[:, 8:16] + 0.8 * 255, atol=1)
    np.testing.assert_array_equal(read[:, 16:], clip[:, 16:])


def test_odd_lengths_are_kept(tmp_path, clip):
    write_video(tmp_path / "a.mp4", clip[:, :31, :47])
    again = read_video(tmp_path / "a.mp4")
    assert again.shape == (12, 31, 47, 3)
    assert np.abs(again.astype(float) - clip[:, :31, :47]).mean() < 3


def test_a_folder_of_frames_is_not_mixed_with_another(tmp_path, clip):
    write_video(tmp_path / "frames", clip)
    with pytest.raises(ValueError, match="new or empty folder"):
        write_video(tmp_path / "frames", clip[:3])
    assert len(read_video(tmp_path / "frames")) == 12


def test_a_video_of_a_stream_that_is_too_short_is_told_in_one_line(clip, monkeypatch):
    """Of TFDS, whose later videos are seen when learning has begun."""

    def from_tfds(*arguments):
        both = tf.data.Dataset.from_generator(
            lambda: (clip, clip[:5]),
            output_signature=tf.TensorSpec([None, None, None, 3], tf.uint8),
        )
        return both, clip

    monkeypatch.setattr(module, "from_tfds", from_tfds)
    rows = iter(data.videos("tfds:two", frames=6, size=16))
    assert next(rows).shape == (1, 6, 16, 16, 3)
    with pytest.raises(tf.errors.InvalidArgumentError) as told:
        next(rows)
    assert _own_line(told.value) == "Expected videos of 6 frames from 0 on, every 1"


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
