"""Dynamic textures: those that the project generates, or a folder of one's own."""

import tensorflow_datasets as tfds

from genconv_tf.data.generated import VIDEOS
from genconv_tf.data.tfds_builder import MediaBuilder
from genconv_tf.data.video_files import EXTENSIONS, read_video

SEEDS = range(2)


class Builder(MediaBuilder):
    """Videos `(frames, height, width, 3)` and their names."""

    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="generated", description="Fire and water, 64x128x128."),
        tfds.core.BuilderConfig(name="manual", description="Every video of a folder."),
    ]
    FEATURE, EXTENSIONS = "video", EXTENSIONS

    def feature(self):
        return tfds.features.Video(shape=(None, None, None, 3))

    def made(self):
        return ((f"{n}_{k}", VIDEOS[n](seed=k)) for n in sorted(VIDEOS) for k in SEEDS)

    def read(self, path):
        return read_video(path)
