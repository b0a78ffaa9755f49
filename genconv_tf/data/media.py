"""Media of any kind by the number of their axes: what reads, writes and draws them."""

import pathlib
import tempfile

import numpy as np
import tensorflow as tf

from genconv_tf.data.decode import as_rgb, write_image
from genconv_tf.data.images import images
from genconv_tf.data.sounds import RATE, sound_libraries, sounds, write_sound
from genconv_tf.data.video_files import video_library, write_video
from genconv_tf.data.videos import videos
from genconv_tf.kinds import FORMATS, KINDS

LOADERS = {"sound": sounds, "image": images, "video": videos}

WIDTH, HEIGHT, FLOOR = 512, 128, -80.0  # of a sound's two pictures, and of its spectrogram in dB
FRAMES = 6  # of a video that its picture shows


def check_installed(rank):
    """Raise a `ValueError` before anything is made that could not be written: the libraries of
    sounds and of videos are extras. `rank`: number of axes."""
    if KINDS[rank] == "sound":
        sound_libraries()
    elif KINDS[rank] == "video":
        video_library()


def write(stem, media, rate=None, form=None):
    """Write one sound (WAV), image (PNG) or video (MP4), and a picture of it.

    Args:
        stem: path without extension.
        media: `(samples, 1)`, `(height, width, 3)` or `(frames, height, width, 3)`.
        rate: samples or frames a second; `None` for what is usual.
        form: of a video `"gif"` or `"frames"`, a folder of PNG, instead.
    """
    write_moving(stem, media, rate, form)
    stem = pathlib.Path(stem)
    write_image(stem.with_name(stem.name + ".png"), picture(media))


def write_moving(stem, media, rate=None, form=None):
    """Write what a picture cannot show, a sound (WAV) or a video (MP4); returns the file's name, or
    `None` for an image. Arguments as for `write`."""
    stem, kind = pathlib.Path(stem), KINDS[media.ndim - 1]
    if kind == "image":
        return None
    extension = ".wav" if kind == "sound" else f".{form or 'mp4'}"
    path = stem.with_name(stem.name + ("" if form == "frames" else extension))
    if kind == "sound":
        write_sound(path, media, round(rate or RATE))
    else:
        write_video(path, media, *([rate] if rate else []))
    return path.name


def encode(media, extension, rate=None):
    """One medium as the bytes of a file.

    Args:
        media: as for `write`.
        extension: `"png"` for a picture of any of them, `"wav"` of a sound, `"mp4"` or `"gif"` of a
            video.
        rate: samples or frames a second; `None` for what is usual.
    """
    kind, formats = KINDS[media.ndim - 1], FORMATS[media.ndim - 1]
    if extension not in formats:
        raise ValueError(f"Expected {' or '.join(formats)} of {kind} media. "
                         f"Received: {extension}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"media.{extension}"
        if extension == "png":
            write_image(path, picture(media))
        elif kind == "sound":
            write_sound(path, media, round(rate or RATE))
        else:
            write_video(path, media, *([rate] if rate else []))
        return path.read_bytes()


def picture(media):
    """A picture of one medium, `(height, width, 3)` uint8.

    An image is its own. A video is a row of frames, from the first to the last; a sound is its
    waveform above its spectrogram, low frequencies below, 80 dB from white to black.
    """
    media = np.asarray(media)
    if media.ndim == 3:
        return as_rgb(media)
    if media.ndim == 4:
        shown = np.linspace(0, len(media) - 1, min(FRAMES, len(media))).round().astype(int)
        return np.concatenate(as_rgb(media[shown]), axis=1)
    wave = media.reshape(-1)
    both = np.concatenate([_waveform(wave), np.full((4, WIDTH), 128.0), _spectrogram(wave)])
    return np.repeat(both[..., None], 3, axis=2).astype(np.uint8)


def _waveform(wave):
    """Black where the wave passes, column by column."""
    page, half = np.full((HEIGHT, WIDTH), 255.0), (HEIGHT - 1) / 2
    peak = max(np.abs(wave).max(), 1e-9)
    for column, part in enumerate(np.array_split(wave / peak, WIDTH)):
        if part.size:
            top, bottom = half - half * part.max(), half - half * part.min()
            page[int(top) : int(np.ceil(bottom)) + 1, column] = 0
    return page


def _spectrogram(wave):
    length = 2 * HEIGHT
    padded = tf.pad(tf.constant(wave, tf.float32), [[0, max(0, length - len(wave))]])
    power = tf.square(tf.abs(tf.signal.stft(padded, length, length // 4))).numpy()[:, :HEIGHT]
    level = 10 * np.log10(power / max(power.max(), 1e-12) + 1e-12)
    columns = np.linspace(0, len(level) - 1, WIDTH).round().astype(int)
    return (255 * np.clip(level[columns] / FLOOR, 0, 1)).T[::-1]
