"""Videos on `tf.data`: from files, folders of frames, globs, arrays and TFDS names; and back."""

import math
import numbers
import os

import numpy as np
import tensorflow as tf

from genconv_tf.data import sources
from genconv_tf.data.generated import VIDEOS, generate, is_generated
from genconv_tf.data.images import (
    check_crop,
    check_region,
    cut,
    mean_colour,
    principal_colours,
    spread_of,
    to_size,
)
from genconv_tf.data.preprocessing import Preprocessing
from genconv_tf.data.video_files import EXTENSIONS, RATE, frame_rate, read_video
from genconv_tf.sizes import lengths

MEANS = ("colour", "frame", "none")


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
    for, and no further; each frame is cut and scaled as it is decoded. The dataset knows how to
    undo the preprocessing: `dataset.preprocessing.decode(x)`.

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
            that what does not move need not be learned and samples have the size of its frames,
            `"none"` nothing, three numbers themselves.
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
    if rate is not None and not (isinstance(rate, numbers.Real) and 0 < rate < math.inf):
        raise ValueError(f"Expected a positive rate. Received: {rate!r}")
    if isinstance(mean, str) and mean not in MEANS:
        raise ValueError(f"Expected a mean of {MEANS} or three numbers. Received: {mean!r}")
    sources.check_batch(batch)
    size = None if size is None else lengths(size, 2)
    if size is not None and min(size) < 1:
        raise ValueError(f"Expected a positive size. Received: {size}")
    if is_generated(source):
        needed = None if frames is None else start + frames * stride
        # Of a region that is scaled to `size`, the whole is larger.
        whole = size if region is None else None
        source = generate(source, VIDEOS, frames=needed, size=whole)
    taken = slice(start, None if frames is None else start + (frames - 1) * stride + 1, stride)
    name = sources.tfds_name(source)
    if name:
        raw, first = sources.from_tfds(name, split, feature)
        first, batch = _enough(first[taken], start, frames), batch or 1
        first = fitted(first, size, crop, region)
        clips = [first]
    elif sources.is_array(source):
        array = sources.pixels(source, ("frames", "height", "width"))[:, taken]
        clips = [fitted(_enough(one, start, frames), size, crop, region) for one in array]
        first = clips[0]
    else:
        paths = _find(source)
        clips = [_read(paths[0], start, frames, stride, size, crop, region)]
        first = clips[0]
        how = start, len(first), stride, first.shape[1:3], crop, region
        clips += [_read(path, *how) for path in paths[1:]]
        rate = rate or frame_rate(paths[0]) / stride
    averages = [one.mean((0, 1, 2), dtype=np.float64) for one in clips]
    preprocessing = Preprocessing(
        # A tenth of a grey level is none to see, and configurations are readable.
        mean=np.mean(first, axis=0, dtype=np.float64).round(1).tolist()
        if mean == "frame"
        else mean_colour(mean, averages[:1]),
        rate=rate or RATE,
        basis=principal_colours(colours, [first]),
        averages=spread_of(averages),
    )
    if name:
        # They stream: a whole dataset would not fit.
        def prepare(video):
            video = to_size(cut(video[taken], region), first.shape[1:3], crop)
            message = f"Expected videos of {len(first)} frames from {start} on, every {stride}"
            enough = tf.debugging.assert_equal(tf.shape(video)[0], len(first), message)
            with tf.control_dependencies([enough]):
                return preprocessing.encode(tf.ensure_shape(tf.identity(video), first.shape))

        dataset = raw.map(prepare)
    else:
        dataset = tf.data.Dataset.from_tensor_slices(preprocessing.encode(np.stack(clips)))
        batch = min(batch or len(clips), len(clips))
    dataset = dataset.batch(batch, drop_remainder=True).prefetch(1)
    dataset.preprocessing = preprocessing
    return dataset


def fitted(frames, size, crop, region=None):
    """Frames `(…, height, width, 3)`, or one, cut to the `region` and brought to `size`, if there
    is one: an array."""
    check_region(region, (1, *frames.shape[-3:]))
    frames = cut(frames, region)
    found = tuple(frames.shape[-3:-1])
    if size is None or found == tuple(size):
        return np.asarray(frames)
    check_crop(found, tuple(size), crop)
    return to_size(frames, size, crop).numpy()


def _enough(video, start, frames):
    """`video`, if it has as many frames as are asked for."""
    if len(video) < (frames or 1):
        raise ValueError(f"Expected {frames or 'some'} frames. "
                         f"Received: {len(video)} from {start} on")  # fmt: skip
    return video


def _read(path, start, frames, stride, *how):
    return read_video(path, start, frames, stride, lambda frame: fitted(frame, *how))


def _find(source):
    """Files, and folders of frames, which are one video each."""
    given = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    paths = []
    for each in map(os.fspath, given):
        frames = os.path.isdir(each) and not any(
            name.lower().endswith(EXTENSIONS) for name in os.listdir(each)
        )
        paths += [each] if frames else sources.find_files(each, EXTENSIONS, "a video file")
    if not paths:
        raise ValueError("Expected at least one video. Received: none")
    return paths
