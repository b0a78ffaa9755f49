"""What turns media (pixels, samples) into what a model sees, and back."""

import dataclasses

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """x = (media - mean) / scale, and its inverse with rounding and clipping.

    Args:
        mean: one number, or one per channel, in the units of the media.
        scale: units of the media per unit of x.
        low, high: range of the media.
        dtype: `"uint8"` for images and frames, `"float32"` for sounds.
        rate: samples or frames a second, of sounds and videos.
    """

    mean: float | tuple = 0.0
    scale: float = 1.0
    low: float = 0.0
    high: float = 255.0
    dtype: str = "uint8"
    rate: float | None = None

    def __post_init__(self):
        if isinstance(self.mean, list):
            object.__setattr__(self, "mean", tuple(self.mean))

    def encode(self, media):
        """Media of any dtype to float32."""
        return (tf.cast(media, tf.float32) - tf.constant(self.mean, tf.float32)) / self.scale

    def bounds(self):
        """Least and largest x of each channel: arrays that broadcast to x."""
        mean = np.asarray(self.mean, np.float32)
        return (self.low - mean) / self.scale, (self.high - mean) / self.scale

    def decode(self, x):
        """float32 to media of `dtype`, clipped to [low, high]."""
        media = x * self.scale + tf.constant(self.mean, tf.float32)
        if self.dtype == "uint8":
            media = tf.round(media)
        return tf.cast(tf.clip_by_value(media, self.low, self.high), self.dtype)
