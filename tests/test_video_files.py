import fractions
import struct

import av
import numpy as np
import pytest
from PIL import Image

from genconv_tf.data.decode import write_image
from genconv_tf.data.video_files import frame_rate, read_video, write_video


def encode(path, codec, frames):
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=24)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


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


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_nothing_half_written_is_left(tmp_path, clip, monkeypatch, name):
    def full(*arguments, **settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError):
        write_video(tmp_path / name, clip)
    assert list(tmp_path.iterdir()) == []


def test_frames_of_a_variable_rate_are_taken_as_often_as_they_are_shown(tmp_path, clip):
    """At 25 frames a second, what most of them last; those of 10 ms are not seen."""
    stamped(tmp_path / "a.mp4", clip[:9], (0, 40, 80, 200, 210, 250, 290, 450, 490))
    assert frame_rate(tmp_path / "a.mp4") == pytest.approx(25)
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
    assert frame_rate(tmp_path / "a.gif") == pytest.approx(25)


def test_a_frame_that_was_dropped_is_the_one_before_it(tmp_path, clip):
    """And no other is, though the average rate is that of the file."""
    times = [40 * i for i in range(13) if i != 7]
    stamped(tmp_path / "a.mp4", clip, times)
    assert frame_rate(tmp_path / "a.mp4") == pytest.approx(25)
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
