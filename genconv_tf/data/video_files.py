"""Video files and folders of frames: decoded frame by frame as players show them, and written."""

import contextlib
import fractions
import itertools
import os
import re

import numpy as np

from genconv_tf.data import decode
from genconv_tf.data.sources import find_files
from genconv_tf.files import whole_file, whole_folder

RATE = 25.0  # frames a second of what does not say so itself
EXTENSIONS = (".mp4", ".avi", ".webm", ".gif", ".mov", ".mkv")
LEAST = 0.95  # of the frames that a file says it has: some programs count wrongly
EXAMINED = 1000  # packets that tell whether all frames last equally long
LONGEST = 60.0  # seconds that a frame may last


def read_video(path, start=0, frames=None, stride=1, change=None):
    """Decode a video file or a folder of frames: `(frames, height, width, 3)`.

    Frames that do not all last equally long, of the first thousand, are taken as often as they are
    shown at the rate of most.

    Args:
        path: of a file, which is decoded up to the last frame that is asked for, or of a folder,
            whose files are frames in the order of the numbers in their names.
        start, frames, stride: the first frame, how many (`None` for all) and every how many-th.
        change: of each frame, `(height, width, 3)` uint8, as it is decoded, such as to a smaller
            size: what is not kept of a long clip takes no memory.

    Raises:
        ValueError: the file is missing, no video, truncated, or has too few frames.
    """
    path = os.fspath(path)
    last = None if frames is None else start + (frames - 1) * stride + 1
    taken, whole, before = [], None, None
    with _decoder(path) as shown:
        for frame, pixels in itertools.islice(shown, start, last, stride):
            if frame is before:  # still shown
                taken.append(taken[-1])
                continue
            image, before = pixels(frame), frame
            whole = whole or image.shape
            if image.shape != whole:
                raise ValueError(f"Expected frames of one size, {whole[:2]}. "
                                 f"Received: one of {image.shape[:2]} in {path}")  # fmt: skip
            taken.append(image if change is None else np.asarray(change(image)))
    if len(taken) < (frames or 1):
        raise ValueError(f"Expected {frames or 'some'} frames from {start} on, every {stride}. "
                         f"Received: {len(taken)} in {path}")  # fmt: skip
    return np.stack(taken)


@contextlib.contextmanager
def _decoder(path):
    """Frames in the order in which they are shown, each with what makes its pixels."""
    if os.path.isdir(path):
        files = find_files(path, decode.EXTENSIONS, "frames in a folder")
        yield ((file, decode.read_image) for file in files)
        return
    if not os.path.isfile(path):
        raise ValueError(f"Expected a video file. Received: {path} (no such file)")
    with _opened(path) as container:
        rate, even = _timing(container)
    with _opened(path) as container:
        shown = _decoded(path, container)
        shown = shown if even else _as_often_as_shown(path, shown, rate)
        yield ((frame, _pixels) for frame in shown)


@contextlib.contextmanager
def _opened(path):
    """A container with a stream of frames."""
    av = video_library()
    try:
        with av.open(os.fspath(path)) as container:
            if not container.streams.video:
                raise ValueError(f"Expected a whole video. Received: {path} (no video stream)")
            yield container
    except av.FFmpegError as error:
        raise ValueError(f"Expected a whole video. Received: {path} ({error})") from None


def _timing(container):
    """Frames a second, and whether all last equally long. Nothing is decoded."""
    stream = container.streams.video[0]
    packets = [p for p in itertools.islice(container.demux(stream), EXAMINED) if p.size]
    times = sorted(packet.pts for packet in packets if packet.pts is not None)
    average = float(stream.average_rate or RATE)
    lasting = np.diff(times).tolist() + [p.duration for p in packets[-1:] if p.duration]
    lasting = np.array(lasting) * float(stream.time_base or 0)
    usual = np.median(lasting) if len(lasting) else 0.0
    if len(packets) > len(times) or usual <= 0 or np.ptp(lasting) <= usual / 2:
        return average, True
    # Times may be rounded, to milliseconds or hundredths: the mean of all that last about as long.
    return 1 / float(lasting[np.abs(lasting - usual) <= usual / 4].mean()), False


def _decoded(path, container):
    count, time = 0, 0.0
    for frame in container.decode(video=0):
        count, time = count + 1, frame.time or 0.0
        yield frame
    _check_whole(path, container, count, time)


def _as_often_as_shown(path, frames, rate):
    """Frames of any duration at a constant rate: some several times, those too short not at all."""
    held, begin, time, count = None, None, 0.0, 0
    for frame in frames:
        now = time if frame.time is None else frame.time
        begin = now if begin is None else begin
        if held is not None:
            if now - time > LONGEST:
                raise ValueError(f"Expected frames at most {LONGEST:g} s apart. Received: {path}, "
                                 f"{now - time:.0f} s after {count} frames")  # fmt: skip
            due = round((now - begin) * rate)
            yield from itertools.repeat(held, due - count)
            count = max(count, due)
        held, time = frame, now
    if held is not None:
        lasts = float((held.duration or 0) * (held.time_base or 0)) or 1 / rate
        due = round((time - begin + min(lasts, LONGEST)) * rate)
        yield from itertools.repeat(held, max(due - count, 1))


def _pixels(frame):
    """A frame as players show it: telephones write down how they were held, and whether they saw
    a mirror image."""
    clear = any(component.is_alpha for component in frame.format.components)
    image = frame.to_ndarray(format="rgba" if clear else "rgb24")
    if clear:  # on white, as images
        share = image[..., 3:] / 255.0
        image = (image[..., :3] * share + 255.0 * (1 - share)).round().astype(np.uint8)
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:  # the place of (x, y) is (a x + c y, b x + d y)
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
        if abs(b) > abs(a):
            image, a, d = image.swapaxes(0, 1), c, b
        image = image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(image)


def _check_whole(path, container, decoded, time):
    """Raise a `ValueError` where the decoder has come to an end before the file says that it does:
    many formats may be cut anywhere, and what is left decodes without a word.

    Args:
        decoded: number of frames.
        time: of the last of them, in seconds.
    """
    stream = container.streams.video[0]
    lasts, alone = _seconds(stream.metadata), len(container.streams) == 1
    if lasts is None and container.duration and (alone or stream.frames):
        lasts = container.duration / 1e6
    promised = stream.frames
    if lasts is not None and stream.average_rate:  # those that an edit list hides are counted too
        promised = min(promised, lasts * stream.average_rate)
    if container.format.name == "gif":
        with open(path, "rb") as file:
            whole = _gif_ends(file.read())
    elif promised:
        whole = decoded > LEAST * promised
    else:  # Matroska and WebM; of several streams without a length of their own one may be longer
        whole = lasts is None or time > LEAST * lasts - 0.1
    if not whole:
        raise ValueError(f"Expected a whole video. Received: {path} ({decoded} frames, then it "
                         "breaks off)")  # fmt: skip


def _gif_ends(content):
    """Whether the blocks of a GIF go on to the one that ends it."""

    def table(flags):  # bytes of its colours
        return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0

    try:
        at = 13 + table(content[10])
        while content[at] != 0x3B:
            # An image has a descriptor, its colours and the size of its codes before its data.
            at += 11 + table(content[at + 9]) if content[at] == 0x2C else 2
            while content[at]:
                at += 1 + content[at]
            at += 1
    except IndexError:
        return False
    return True


def _seconds(metadata):
    """What Matroska notes of each stream, such as 00:00:04.000000000; `None` of others."""
    parts = re.fullmatch(r"(\d+):(\d+):([\d.]+)", metadata.get("DURATION", ""))
    return sum(float(n) * s for n, s in zip(parts.groups(), (3600, 60, 1))) if parts else None


def frame_rate(path):
    """Frames a second of a video file; `RATE` of a folder of frames."""
    if os.path.isdir(path):
        return RATE
    with _opened(path) as container:
        return _timing(container)[0]


def write_video(path, video, rate=RATE):
    """Write `(frames, height, width, 3)` uint8 as MP4 or GIF, by its name, or as a new folder of
    PNG.

    They appear whole or not at all. `rate` is in frames a second.
    """
    path, video = os.fspath(path), decode.as_rgb(video)
    extension = os.path.splitext(path)[1].lower()
    if extension == ".gif":
        _write_gif(path, video, rate)
    elif extension == ".mp4":
        _write_mp4(path, video, rate)
    elif not extension:
        with whole_folder(path) as partial:
            for i, frame in enumerate(video):
                decode.write_image(os.path.join(partial, f"{i:05d}.png"), frame)
    else:
        raise ValueError(f"Expected .mp4, .gif or a folder. Received: {path}")


def _write_gif(path, video, rate):
    from PIL import Image

    images = [Image.fromarray(frame) for frame in video]
    shown = max(1000 / rate, 20)  # milliseconds: browsers show what is shorter for 100
    with whole_file(path) as partial:
        images[0].save(partial, format="GIF", save_all=True, append_images=images[1:],
                       duration=shown, loop=0)  # fmt: skip


def _write_mp4(path, video, rate):
    av = video_library()
    height, width = video.shape[1:3]
    # All players know half the colours, of which an odd length has no half.
    colours = "yuv444p" if height % 2 or width % 2 else "yuv420p"
    with whole_file(path) as partial, av.open(partial, "w", format="mp4") as container:
        rate = fractions.Fraction(rate).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = width, height, colours
        for frame in video:
            frame = np.ascontiguousarray(frame)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def video_library():
    """PyAV, which comes with the extra `video`."""
    try:
        import av
    except ImportError:
        raise ValueError("Expected PyAV for videos: pip install 'genconv-tf[video]'") from None
    return av
