"""What a command is given: the size of samples, media to start from and which part is missing."""

import os

import numpy as np

from genconv_tf.data import decode
from genconv_tf.data.images import to_size
from genconv_tf.data.sounds import RATE, read_sound
from genconv_tf.data.video_files import EXTENSIONS, read_video
from genconv_tf.kinds import KINDS
from genconv_tf.sizes import lengths

BLACK = 32  # grey levels that compression may add to black, or take from white


def size(about, options):
    """The size that `--size`, `--frames` and `--seconds` ask for, a tuple of lengths, and where
    they say nothing the model's own. `about`: its rank, size and preprocessing."""
    _check_axes(about["rank"], options)
    result = list(about["size"])
    if options.size is not None:
        result[-2:] = lengths(options.size, 2)
    if options.frames is not None:
        result[0] = options.frames
    if options.seconds is not None:
        rate = about["preprocessing"].get("rate") or RATE
        result[0] = max(1, round(options.seconds * rate))
    return tuple(result)


def media(about, options):
    """What `--image` names, of the kind that a model is of, and what `--mask` says of it.

    Args:
        about: rank and preprocessing of the model, as metadata have them.
        options: `image`; `mask`, `None` without one: a picture, white where media are to be
            sampled, of a video also a video, of a sound FROM:TO in seconds; `size`, to which both
            are scaled and cut in the middle; `frames` and `seconds`, taken from the begin.

    Returns:
        (media, hole): `(*size, channels)`, and `(*size)` float32, 1 where media are missing; `None`
        without a mask.

    Raises:
        ValueError: a file that is not of that kind, or a mask that does not fit or tells nothing.
    """
    _check_axes(about["rank"], options)
    known, hole = _sound(about, options) if about["rank"] == 1 else _pixels(about, options)
    if hole is None:
        return known, None
    if not hole.any():
        raise ValueError("Expected a mask with white pixels to sample. Received: none")
    if hole.all():
        raise ValueError("Expected a mask with black pixels, which are kept. Received: none")
    return known, hole.astype(np.float32)


def _check_axes(rank, options):
    """Raise a `ValueError` if a length is asked for along an axis that the model does not have."""
    needed = {"size": (2, 3), "frames": (3,), "format": (3,), "seconds": (1,)}
    for name, needs in needed.items():
        if getattr(options, name) is not None and rank not in needs:
            kinds = " or a ".join(KINDS[r] for r in needs)
            raise ValueError(f"Expected a model of a {kinds} for --{name}. "
                             f"Received: one of a {KINDS[rank]}")  # fmt: skip
    if options.size is not None and np.ndim(options.size) and len(options.size) != 2:
        raise ValueError(f"Expected --size of two lengths. Received: {options.size}")


def _sound(about, options):
    preprocessing = about["preprocessing"]
    rate, subbands = preprocessing.get("rate") or RATE, preprocessing.get("subbands")
    wave, unit = read_sound(options.image, rate), subbands["hop"] if subbands else 1
    asked = unit if options.seconds is None else max(unit, round(options.seconds * rate))
    if len(wave) < asked:
        raise ValueError(f"Expected a sound of at least {asked / rate:.3g} s. "
                         f"Received: {options.image}, of {len(wave) / rate:.3g} s")  # fmt: skip
    if options.seconds is not None:
        wave = wave[:asked]
    wave = wave[: len(wave) // unit * unit]  # whole frames of subbands
    if options.mask is None:
        return wave[:, None], None
    begin, end = _seconds(options.mask, len(wave) / rate)
    times = np.arange(len(wave)) / rate
    return wave[:, None], (times >= begin) & (times < end)


def _seconds(text, length):
    """The two numbers of FROM:TO."""
    try:
        begin, end = (float(part) for part in text.split(":"))
    except ValueError:
        begin = end = np.nan
    if not 0 <= begin < end <= length:
        raise ValueError(f"Expected a mask FROM:TO in seconds, within 0:{length:.2f}. "
                         f"Received: {text}")  # fmt: skip
    return begin, end


def _pixels(about, options):
    """An image or a video, and where its mask is white."""
    known = _read(options.image, about["rank"] == 3, options.frames)
    if options.mask is None:
        return _scaled(known, options.size), None
    moving = options.mask.lower().endswith(EXTENSIONS) or os.path.isdir(options.mask)
    mask = _read(options.mask, about["rank"] == 3 and moving, options.frames)
    if mask.shape not in (known.shape, known.shape[-3:]):
        own, given = ("x".join(map(str, one.shape[:-1])) for one in (known, mask))
        raise ValueError(f"Expected a mask of the image's size, {own}. Received: {given}")
    grey = np.mean((mask > BLACK) & (mask < 255 - BLACK))
    if grey > 0:
        raise ValueError(f"Expected a mask of black and white alone. Received: {options.mask}, "
                         f"{max(grey, 0.001):.1%} of it grey")  # fmt: skip
    hole = _scaled(mask, options.size).max(-1) > 127
    known = _scaled(known, options.size)
    return known, np.broadcast_to(hole, known.shape[:-1])


def _read(path, moving, frames):
    return read_video(path, 0, frames) if moving else decode.read_image(path)


def _scaled(pixels, size):
    """An image or frames of the size that is asked for."""
    if size is None:
        return pixels
    scaled = to_size(pixels, lengths(size, 2)).numpy()
    return scaled.round().clip(0, 255).astype(np.uint8)
