"""Media as `tf.data` pipelines that know how to undo their preprocessing."""

from genconv_tf.data.images import images
from genconv_tf.data.preprocessing import Preprocessing

__all__ = ["Preprocessing", "images"]
