"""Media as `tf.data` pipelines that know how to undo their preprocessing."""

from genconv_tf.data.images import images
from genconv_tf.data.preprocessing import Preprocessing
from genconv_tf.data.sounds import sounds
from genconv_tf.data.videos import videos

__all__ = ["Preprocessing", "images", "sounds", "videos"]
