"""Sounds on `tf.data`: from files, folders, globs, arrays and TFDS names; and back to WAV."""

import math
import numbers
import os

import numpy as np
import tensorflow as tf

from genconv_tf.data.generated import SOUNDS, generate, is_generated
from genconv_tf.data.preprocessing import Preprocessing
from genconv_tf.data.sources import check_batch, find_files, from_tfds, tfds_name
from genconv_tf.data.subbands import fit
from genconv_tf.files import whole_file

EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3")
RATE = 11025  # Hz, the papers'
SILENT = 2**-14  # two steps of 16 bits: what rounding alone makes of silence
TAIL = 2**18  # bytes: the longest page of Ogg, and tags behind it
MARGIN = 2 * 1152  # samples that a codec may lack at the end of a whole file: two frames of MP3


def sounds(
    source,
    seconds=None,
    rate=RATE,
    start=0.0,
    batch=None,
    mean="own",
    scale=None,
    subbands=None,
    split="train",
    feature="audio",
):
    """Sounds as a `tf.data.Dataset` of `(batch, samples, 1)` float32.

    Mono, resampled to `rate`, in [-1, 1] less the mean, in units of `scale`. The dataset knows how
    to undo it: `dataset.preprocessing.decode(x)`.

    Args:
        source: a sound file (WAV of any depth, FLAC, OGG, MP3), a list of them, a folder, a glob
            pattern, an array `(samples,)` or `(count, samples)` in [-1, 1] at `rate`,
            `"tfds:NAME"`, or `"generated:rain"`, `"generated:crackle"` or `"generated:wind"`.
        seconds: length of each; `None` for that of the shortest.
        rate: samples a second.
        start: seconds to skip.
        batch: sounds in a batch; `None` for all of them, and 16 for TFDS. A last batch that is not
            full is left out.
        mean: `"own"` subtracts the mean of all sounds, a number itself.
        scale: amplitude of one unit of x; `None` gives sounds, loud or quiet, the range of pixels,
            for which a Langevin step of 0.3 and a reference of standard deviation 1 are meant: the
            largest amplitude is 127.5.
        subbands: instead of samples, x is the loudness and the carriers of frames of so many of
            them: `(batch, frames, bands + subbands)`; see `genconv_tf.data.subbands`.
        split, feature: of a TFDS name, whose sounds are integers at the rate of its builder.

    Raises:
        ValueError: nothing is found, or a file does not decode, is silent or is shorter than asked
            for.
    """
    given = [rate, start, *([] if scale is None else [scale])]
    words = not all(isinstance(n, numbers.Real) and math.isfinite(n) for n in given)
    if words or not rate > 0 or not (scale is None or scale > 0) or not start >= 0:
        raise ValueError("Expected a positive rate and scale and a start >= 0. "
                         f"Received: {rate!r}, {scale!r}, {start!r}")  # fmt: skip
    if seconds is not None and not (isinstance(seconds, numbers.Real) and 0 < seconds < math.inf):
        raise ValueError(f"Expected a positive length in seconds. Received: {seconds!r}")
    check_batch(batch)
    skip = round(start * rate)
    if seconds is not None:  # start and length, each rounded, end no later than their sum
        skip = max(0, min(skip, round((start + seconds) * rate) - round(seconds * rate)))
    if is_generated(source):
        needed = None if seconds is None else start + seconds
        source = generate(source, SOUNDS, seconds=needed, rate=rate)
    name = tfds_name(source)
    if name:
        waves, batch = _waves_of_tfds(name, split, feature), batch or 16
    elif isinstance(source, np.ndarray) or tf.is_tensor(source):
        waves = _waves_of_array(source)
    else:
        waves = [read_sound(p, rate) for p in find_files(source, EXTENSIONS, "a sound file")]
    shortest = min(len(wave) for wave in waves) - skip
    samples = shortest if seconds is None else round(seconds * rate)
    if not 1 <= samples <= shortest:
        raise ValueError(
            f"Expected sounds of at least {max(samples, 1) / rate:.3g} s after {start:g} s. "
            f"Received: one of {(shortest + skip) / rate:.3g} s"
        )
    cut = np.stack([wave[skip : skip + samples] for wave in waves])[..., None]
    if not np.ptp(cut) >= SILENT:
        raise ValueError("Expected a sound that is not silent. Received: values within "
                         f"{np.ptp(cut):.2g} for {samples / rate:.3g} s")  # fmt: skip
    mean = round(float(cut.mean()), 6) if mean == "own" else float(mean)
    batch = min(batch or len(cut), len(cut))
    if subbands is None:
        scale = scale or float(np.abs(cut - mean).max()) / 127.5
        preprocessing = Preprocessing(mean, scale, low=-1.0, high=1.0, dtype="float32", rate=rate)
        x = preprocessing.encode(cut)
    else:
        fitted = fit((cut - mean)[..., 0], subbands)
        preprocessing = Preprocessing(
            mean, low=-1.0, high=1.0, dtype="float32", rate=rate, subbands=fitted
        )
        whole = cut.shape[1] // subbands * subbands
        x = preprocessing.encode(cut[:, :whole])[:, :-1]  # the last frame overlaps the first
    dataset = tf.data.Dataset.from_tensor_slices(x)
    dataset = dataset.batch(batch, drop_remainder=True).cache().prefetch(1)
    dataset.preprocessing = preprocessing
    return dataset


def read_sound(path, rate=RATE):
    """Decode a sound file: `(samples,)` float32 in [-1, 1], mono, at `rate` (in Hz).

    Samples of floating point beyond that are not cut off; the whole is as much quieter.

    Raises:
        ValueError: the file is missing, no sound, truncated, or empty.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise ValueError(f"Expected a sound file. Received: {path} (no such file)")
    librosa, soundfile = sound_libraries()
    try:
        wave, own = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise ValueError(f"Expected a sound. Received: {path} ({error})") from None
    _check_whole(path, len(wave), soundfile.info(path).frames)
    if not len(wave) or not np.isfinite(wave).all():
        raise ValueError(f"Expected a sound of finite samples. Received: {path}")
    mono = wave.mean(axis=1)
    mono /= max(np.abs(mono).max(), 1.0)
    return np.clip(librosa.resample(mono, orig_sr=own, target_sr=rate), -1.0, 1.0)


def _check_whole(path, decoded, promised):
    """Raise a `ValueError` for a file that ends before its header says, or an Ogg before the page
    that is its last: they decode so far without a word."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(28)
        file.seek(-min(size, TAIL), os.SEEK_END)
        tail = file.read()
    missing = size < _promised(head)
    if head.startswith(b"OggS"):
        missing = not _ogg_ends(tail)
    if missing or decoded < promised - MARGIN:
        raise ValueError(f"Expected a whole sound. Received: {path} ({decoded} samples, then it "
                         "breaks off)")  # fmt: skip


def _ogg_ends(tail):
    """Whether the last page is whole and says that it is the last; tags may stand behind it."""
    at = tail.rfind(b"OggS\0")
    header = tail[at : at + 27]
    if at < 0 or len(header) < 27:
        return False
    lengths = tail[at + 27 : at + 27 + header[26]]
    whole = at + 27 + header[26] + sum(lengths) <= len(tail)
    return whole and bool(header[5] & 4)


def _promised(head):
    """Bytes that a file of chunks has, as it begins with `head`; 0 of other files, and of what was
    written as it was recorded, with no size or the largest."""
    places = {b"RIFF": (4, 8, "little"), b"RIFX": (4, 8, "big"), b"FORM": (4, 8, "big"),
              b"RF64": (20, 28, "little"), b"riff": (16, 24, "little")}  # fmt: skip
    begin, end, order = places.get(head[:4], (0, 0, "little"))
    size = int.from_bytes(head[begin:end], order)
    return size if size < 2 ** (8 * (end - begin) - 1) - 2**16 else 0


def write_sound(path, wave, rate=RATE):
    """Write `(samples,)` or `(samples, 1)` in [-1, 1] as 16-bit WAV, whole or not at all."""
    wave = np.asarray(wave).reshape(-1)
    if not np.isfinite(wave).all():
        raise ValueError("Expected finite samples to write. Received: NaN or infinity")
    with whole_file(path) as partial:
        sound_libraries()[1].write(partial, wave, rate, subtype="PCM_16", format="WAV")


def sound_libraries():
    """librosa and soundfile, which come with the extra `sound`."""
    try:
        import librosa
        import soundfile
    except ImportError:
        message = "Expected librosa for sounds: pip install 'genconv-tf[sound]'"
        raise ValueError(message) from None
    return librosa, soundfile


def _waves_of_array(source):
    array = np.asarray(source, np.float32)
    array = array[None] if array.ndim == 1 else array
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"Expected (samples,) or (count, samples). Received: {np.shape(source)}")
    if not np.isfinite(array).all() or np.abs(array).max() > 1:
        raise ValueError("Expected finite samples in [-1, 1]. Received: "
                         f"[{array.min()}, {array.max()}]")  # fmt: skip
    return list(array)


def _waves_of_tfds(name, split, feature):
    dataset, first = from_tfds(name, split, feature)
    # TFDS decodes sounds to the integers of 16 bits.
    full = 32768.0 if np.issubdtype(first.dtype, np.integer) else 1.0
    return [np.asarray(wave, np.float32).reshape(-1) / full for wave in dataset.as_numpy_iterator()]
