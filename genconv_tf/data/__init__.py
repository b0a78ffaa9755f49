"""Media as `tf.data` pipelines that know how to undo their preprocessing."""

from genconv_tf.data.decode import read_image, write_image
from genconv_tf.data.images import images
from genconv_tf.data.preprocessing import Preprocessing
from genconv_tf.data.sounds import read_sound, sounds, write_sound
from genconv_tf.data.video_files import read_video, write_video
from genconv_tf.data.videos import videos

__all__ = [
    "Preprocessing",
    "images",
    "read_image",
    "read_sound",
    "read_video",
    "sounds",
    "videos",
    "write_image",
    "write_sound",
    "write_video",
]
