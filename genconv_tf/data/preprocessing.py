"""What turns media (pixels, samples) into what a model sees, and back."""

import dataclasses

import numpy as np
import tensorflow as tf

from genconv_tf.calibration import Calibration
from genconv_tf.data.envelopes import Envelopes
from genconv_tf.data.subbands import Subbands
from genconv_tf.parts import by_rows, shape_of


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """media = mean + scale · x · basis, and its inverse, with rounding and clipping.

    Args:
        mean: one number, one per channel, or one per position and channel, in the units of the
            media.
        scale: units of the media per unit of x.
        basis: what one unit of each channel of x is in the channels of the media: `(channels of x,
            channels of the media)`; `None` for the channels of the media themselves.
        low, high: range of the media.
        dtype: `"uint8"` for images and frames, `"float32"` for sounds.
        rate: samples or frames a second, of sounds and videos.
        subbands: `Subbands` (or its arguments) that take the place of x, for sounds.
        averages: `(mean, root)`, `(channels,)` and `(channels, channels)` of the media: what media
            of this kind average over all positions is like `mean + z · root`, z standard normal.
            `None` where it is not known.
    """

    mean: float | tuple = 0.0
    scale: float = 1.0
    low: float = 0.0
    high: float = 255.0
    dtype: str = "uint8"
    rate: float | None = None
    basis: tuple | None = None
    subbands: Subbands | None = None
    averages: tuple | None = None

    def __post_init__(self):
        if isinstance(self.mean, list):
            object.__setattr__(self, "mean", tuple(self.mean))
        if self.basis is not None:
            object.__setattr__(self, "basis", tuple(tuple(row) for row in self.basis))
        if isinstance(self.subbands, dict):
            object.__setattr__(self, "subbands", Subbands(**self.subbands))
        if self.averages is not None:
            mean, root = self.averages
            own = tuple(mean), tuple(tuple(row) for row in root)
            object.__setattr__(self, "averages", own)

    @property
    def hop(self):
        """Samples of the media for each position of x, along every axis."""
        return 1 if self.subbands is None else self.subbands.hop

    def encode(self, media):
        """Media of any dtype to float32."""
        x = (tf.cast(media, tf.float32) - tf.constant(self.mean, tf.float32)) / self.scale
        if self.subbands is not None:
            return self.subbands.encode(x)
        return x if self.basis is None else tf.tensordot(x, self._inverse(), 1)

    def bounds(self):
        """Least and largest x of each channel: arrays that broadcast to x."""
        if self.subbands is not None:
            return self.subbands.bounds()
        mean = np.asarray(self.mean, np.float32)
        # One box for all positions, whose number differs from level to level.
        places = tuple(range(mean.ndim - 1))
        low = (self.low - mean.max(places)) / self.scale
        high = (self.high - mean.min(places)) / self.scale
        if self.basis is None:
            return low, high
        inverse = self._inverse()
        ends = low[:, None] * inverse, high[:, None] * inverse
        return np.minimum(*ends).sum(0), np.maximum(*ends).sum(0)

    def averages_of_x(self):
        """As `averages`, of x, in arrays: `(channels,)` and `(channels of the media, channels)`."""
        if self.averages is None:
            return None
        mean, root = (np.asarray(part, np.float32) for part in self.averages)
        own = np.asarray(self.mean, np.float32)
        own = own.mean(tuple(range(own.ndim - 1)))
        inverse = np.eye(len(mean)) if self.basis is None else self._inverse()
        return (mean - own) / self.scale @ inverse, root / self.scale @ inverse

    def affine(self, channels):
        """Media are `offset + x · matrix`: a dict of the two, for `channels` of x. There is no one
        offset, `None`, where the mean differs from place to place."""
        if self.subbands is not None:
            raise ValueError("Expected no subbands below given filters. Received: subbands")
        matrix = self.scale * np.asarray(np.eye(channels) if self.basis is None else self.basis)
        constant = np.ndim(self.mean) < 2
        offset = np.broadcast_to(self.mean, matrix.shape[-1:]) if constant else None
        return {"matrix": matrix, "offset": offset}

    def calibration(self, channels, lengths, torus, factors, **kwargs):
        """What corrects the samples of a level: the `Envelopes` of sounds of subbands, else a
        `Calibration`, whose arguments these are."""
        if self.subbands is None:
            return Calibration(channels, lengths, torus, factors, **kwargs)
        if max(factors[0]) > 1:
            raise ValueError("Expected one level where subbands are calibrated. Received: several")
        return Envelopes(self.subbands, self.rate, **kwargs)

    def media_channels(self, channels):
        """Channels of the media of a signal of so many."""
        if self.subbands is not None:
            return 1
        return channels if self.basis is None else len(self.basis[0])

    def decode(self, x):
        """float32 to media of `dtype`, clipped to [low, high]."""
        if self.subbands is not None:
            return self._to_media(self.subbands.decode(x))
        x = tf.convert_to_tensor(x)
        shape = [*shape_of(x)[:-1], self.media_channels(x.shape[-1])]
        if x.shape.rank < 3 or np.ndim(self.mean) > 1:
            return self._to_media(x)
        return by_rows(
            lambda begin, end: self._to_media(x[:, begin:end]), shape, dtype=tf.as_dtype(self.dtype)
        )

    def decode_parts(self, x):
        """As `decode`, of parts of signals. Where the mean differs from place to place, and theirs
        is not known, they have the mean over all places."""
        if self.only_size(x.shape[1:-1]) == tuple(x.shape[1:-1]):
            return self.decode(x)
        mean = np.mean(self.mean, axis=tuple(range(np.ndim(self.mean) - 1)))
        return dataclasses.replace(self, mean=mean.tolist()).decode(x)

    def only_size(self, only):
        """Lengths of media that fit a mean which differs from place to place; where there is none,
        or along axes that it does not have, the lengths `only`."""
        places = np.shape(self.mean)[:-1]
        return (*only[: len(only) - len(places)], *places)

    def _to_media(self, x):
        if self.basis is not None:
            x = tf.tensordot(x, tf.constant(self.basis, tf.float32), 1)
        media = x * self.scale + tf.constant(self.mean, tf.float32)
        if self.dtype == "uint8":
            media = tf.round(media)
        return tf.cast(tf.clip_by_value(media, self.low, self.high), self.dtype)

    def positions(self, mask):
        """Which positions of x a mask of media, `(batch, *spatial)`, belongs to."""
        return mask if self.subbands is None else self.subbands.frames(mask)

    def _inverse(self):
        return np.linalg.pinv(np.asarray(self.basis, np.float64)).astype(np.float32)
