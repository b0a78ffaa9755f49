"""Videos on `tf.data`: from files, folders of frames, globs, arrays and TFDS names; and back."""

import fractions
import itertools
import numbers
import os

import numpy as np
import tensorflow as tf

from genconv_tf.data import decode
from genconv_tf.data.generated import VIDEOS, generate, is_generated
from genconv_tf.data.images import check_region, cut, mean_colour, principal_colours, to_size
from genconv_tf.data.preprocessing import Preprocessing
from genconv_tf.data.sources import check_batch, find_files, from_tfds, is_array, pixels
from genconv_tf.files import whole_file
from genconv_tf.sizes import lengths

RATE = 25.0  # frames a second of what does not say so itself
EXTENSIONS = (".mp4", ".avi", ".webm", ".gif", ".mov", ".mkv")


MEANS = ("colour", "frame", "none")
LEAST = 0.95  # of the frames that a file says it has: some programs count wrongly


def videos(
    source,
    frames=None,
    size=None,
    start=0,
    stride=1,
    batch=None,
    crop="resize",
    mean="colour",
    colours="rgb",
    split="train",
    feature="video",
    rate=None,
    region=None,
):
    """Videos as a `tf.data.Dataset` of `(batch, frames, height, width, channels)` float32.

    Pixels in [0, 255] less the mean colour. A file is decoded up to its last frame that is asked
    for, and no further. The dataset knows how to undo the preprocessing:
    `dataset.preprocessing.decode(x)`.

    Args:
        source: a video file (MP4, AVI, WebM, GIF), a list of them, a folder of videos, a folder of
            frames, a glob pattern, an array `(frames, height, width, 3)` or with a count before it,
            in [0, 255], `"tfds:NAME"`, or `"generated:fire"` or `"generated:water"`.
        frames: number of frames; `None` for all of the first video, and as many of the others.
        size: `(height, width)`, or one int for both. `None` keeps the size of the first video.
        start: first frame.
        stride: of every how many frames one is taken.
        batch: videos in a batch; `None` for all of them, and 1 for TFDS. A last batch that is not
            full is left out.
        crop: `"resize"` scales the shorter side to `size` and cuts the middle, `"none"` keeps
            frames as they are.
        mean: `"colour"` subtracts the mean colour of the first video, `"frame"` its mean frame, so
            that what does not move need not be learned, `"none"` nothing, three numbers themselves.
        colours: `"rgb"`, `"principal"` or `"grey"`, as for images.
        split, feature: of a TFDS name.
        rate: frames a second of what is written back; `None` for that of the first file, or 25.
        region: `(top, left, height, width)` in pixels, the part of every frame that is taken before
            all else, such as what is stationary of a scene; `None` for the whole.

    Raises:
        ValueError: nothing is found, or a file does not decode or has too few frames, or frames are
            smaller than where the `region` ends.
    """
    if crop not in ("resize", "none"):
        raise ValueError(f'Expected crop "resize" or "none". Received: {crop!r}')
    for name, value, least in (("frames", frames, 1), ("start", start, 0), ("stride", stride, 1)):
        if value is not None and (not isinstance(value, int) or value < least):
            raise ValueError(f"Expected {name} >= {least}. Received: {value!r}")
    if rate is not None and not (isinstance(rate, numbers.Real) and rate > 0):
        raise ValueError(f"Expected a positive rate. Received: {rate!r}")
    if isinstance(mean, str) and mean not in MEANS:
        raise ValueError(f"Expected a mean of {MEANS} or three numbers. Received: {mean!r}")
    check_batch(batch)
    size = None if size is None else lengths(size, 2)
    if size is not None and min(size) < 1:
        raise ValueError(f"Expected a positive size. Received: {size}")
    if is_generated(source):
        needed = None if frames is None else start + frames * stride
        # Of a region that is scaled to `size`, the whole is larger.
        whole = size if region is None else None
        source = generate(source, VIDEOS, frames=needed, size=whole)
    taken = slice(start, None if frames is None else start + (frames - 1) * stride + 1, stride)
    if isinstance(source, str) and source.startswith("tfds:"):
        raw, first = from_tfds(source[5:], split, feature)
        raw, first, count = raw.map(lambda v: v[taken]), first[taken], None
        batch = batch or 1
    elif is_array(source):
        array = pixels(source, ("frames", "height", "width"))[:, taken]
        raw, first, count = tf.data.Dataset.from_tensor_slices(array), array[0], len(array)
    else:
        paths = _find(source)
        first, count = read_video(paths[0], start, frames, stride), len(paths)
        for path in paths[1:]:
            _check_long(path, start, len(first), stride)
        rate = rate or frame_rate(paths[0]) / stride
        raw = tf.data.Dataset.from_tensor_slices(paths).map(
            lambda path: _decode(path, start, len(first), stride)
        )
    if len(first) < (frames or 1):
        raise ValueError(f"Expected {frames or 'some'} frames. "
                         f"Received: {len(first)} from {start} on")  # fmt: skip
    check_region(region, first.shape)
    raw, first = raw.map(lambda video: cut(video, region)), np.asarray(cut(first, region))
    shape = (len(first), *(size or first.shape[1:3]), 3)
    preprocessing = Preprocessing(
        mean=_mean_frame(first, shape[1:3], crop)
        if mean == "frame"
        else mean_colour(mean, [first]),
        rate=rate or RATE,
        basis=principal_colours(colours, [first]),
    )

    def prepare(video):
        video = to_size(video, shape[1:3], crop)
        return preprocessing.encode(tf.ensure_shape(video, shape))

    if count is not None:
        batch = min(batch or count, count)
    dataset = raw.map(prepare).batch(batch, drop_remainder=True)
    if count is not None:
        # A clip is decoded once and not at every update; a whole TFDS dataset would not fit.
        dataset = dataset.cache()
    dataset = dataset.prefetch(1)
    dataset.preprocessing = preprocessing
    return dataset


def read_video(path, start=0, frames=None, stride=1):
    """Decode a video file or a folder of frames: `(frames, height, width, 3)` uint8.

    Raises:
        ValueError: the file is missing, no video, truncated, or has too few frames.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        return _folder_of_frames(path, start, frames, stride)
    if not os.path.isfile(path):
        raise ValueError(f"Expected a video file. Received: {path} (no such file)")
    av = video_library()
    taken, wanted = [], start
    try:
        with av.open(path) as container:
            decoded, time = 0, 0.0
            for i, frame in enumerate(container.decode(video=0)):
                decoded, time = i + 1, frame.time or 0.0
                if i == wanted:
                    # As players show it: telephones write down how they were held.
                    turns = round(frame.rotation / 90)
                    taken.append(np.rot90(frame.to_ndarray(format="rgb24"), turns))
                    wanted += stride
                    if len(taken) == frames:
                        break
            else:
                _check_whole(path, container, decoded, time)
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"Expected a whole video. Received: {path} ({error})") from None
    _check_number(len(taken), path, start, frames, stride)
    return np.stack(taken)


def _check_whole(path, container, decoded, time):
    """Raise a `ValueError` where the decoder has come to an end before the file says that it does:
    many formats may be cut anywhere, and what is left decodes without a word.

    Args:
        decoded: number of frames.
        time: of the last of them, in seconds.
    """
    promised, alone = container.streams.video[0].frames, len(container.streams) == 1
    with open(path, "rb") as file:
        head = file.read(3)
        file.seek(-min(16, os.path.getsize(path)), os.SEEK_END)
        tail = file.read()
    if head == b"GIF":
        whole = b";" in tail  # the end of every GIF
    elif promised:
        whole = decoded > LEAST * promised
    else:  # Matroska and WebM; of several streams one may be longer
        whole = not (alone and container.duration) or time > LEAST * container.duration / 1e6 - 0.1
    if not whole:
        raise ValueError(f"Expected a whole video. Received: {path} ({decoded} frames, then it "
                         "breaks off)")  # fmt: skip


def _check_long(path, start, frames, stride):
    """Raise a `ValueError` where a video has too few frames, before it is decoded: within a
    pipeline TensorFlow's own lines would stand around the one that says so."""
    needed = start + (frames - 1) * stride + 1
    if os.path.isdir(path):
        count = len(find_files(path, decode.EXTENSIONS, "frames in a folder"))
    else:
        count = _about(path, lambda stream: stream.frames or _packets(stream, needed))
    if count < LEAST * needed:
        _check_number(len(range(start, count, stride)), path, start, frames, stride)


def _packets(stream, most):
    """Up to `most` packets, one a frame, of a file that does not say how many it has (Matroska,
    WebM, GIF)."""
    packets = (packet for packet in stream.container.demux(stream) if packet.size)
    return sum(1 for _ in itertools.islice(packets, most))


def _check_number(found, path, start, frames, stride):
    if found < (frames or 1):
        raise ValueError(f"Expected {frames or 'some'} frames from {start} on, every {stride}. "
                         f"Received: {found} in {path}")  # fmt: skip


def frame_rate(path):
    """Frames a second of a video file; `RATE` of a folder of frames."""
    if os.path.isdir(path):
        return RATE
    return float(_about(path, lambda stream: stream.average_rate) or RATE)


def _about(path, fact):
    """What `fact` says of the first stream of frames in a file, of which nothing is decoded."""
    av = video_library()
    try:
        with av.open(os.fspath(path)) as container:
            return fact(container.streams.video[0])
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"Expected a whole video. Received: {path} ({error})") from None


def write_video(path, video, rate=RATE):
    """Write `(frames, height, width, 3)` uint8 as MP4 or GIF, by its name, or as a folder of PNG.

    Files appear whole or not at all. `rate` is in frames a second.
    """
    path, video = os.fspath(path), decode.as_rgb(video)
    extension = os.path.splitext(path)[1].lower()
    if extension == ".gif":
        _write_gif(path, video, rate)
    elif extension == ".mp4":
        _write_mp4(path, video, rate)
    elif not extension:
        os.makedirs(path, exist_ok=True)
        for i, frame in enumerate(video):
            decode.write_image(os.path.join(path, f"{i:05d}.png"), frame)
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
    # H.264 halves the colour: lengths have to be even.
    height, width = (n - n % 2 for n in video.shape[1:3])
    with whole_file(path) as partial, av.open(partial, "w", format="mp4") as container:
        rate = fractions.Fraction(rate).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in video[:, :height, :width]:
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


def _find(source):
    """Files, and folders of frames, which are one video each."""
    sources = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    paths = []
    for each in map(os.fspath, sources):
        frames = os.path.isdir(each) and not any(
            name.lower().endswith(EXTENSIONS) for name in os.listdir(each)
        )
        paths += [each] if frames else find_files(each, EXTENSIONS, "a video file")
    if not paths:
        raise ValueError("Expected at least one video. Received: none")
    return paths


def _folder_of_frames(path, start, frames, stride):
    files = find_files(path, decode.EXTENSIONS, "frames in a folder")[start::stride][:frames]
    _check_number(len(files), path, start, frames, stride)
    images = [decode.read_image(file) for file in files]
    odd = next((f for f, im in zip(files, images) if im.shape != images[0].shape), None)
    if odd is not None:
        raise ValueError(f"Expected frames of one size, {images[0].shape[:2]}. Received: {odd}")
    return np.stack(images)


def _mean_frame(video, size, crop):
    """The mean of the frames as they are learned: nested lists `(height, width, 3)`."""
    mean = np.mean(to_size(video, size, crop), axis=0, dtype=np.float64)
    return mean.round(1).tolist()


def _decode(path, start, frames, stride):
    def read(path):
        return read_video(path.decode(), start, frames, stride)

    return tf.ensure_shape(tf.numpy_function(read, [path], tf.uint8), (None, None, None, 3))
