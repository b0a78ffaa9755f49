"""Photographs of textures: scikit-image's CC0 ones, or a folder of one's own."""

import numpy as np
import tensorflow_datasets as tfds

from genconv_tf.data.decode import EXTENSIONS, read_image
from genconv_tf.data.generated import CC0, texture
from genconv_tf.data.tfds_builder import MediaBuilder


class Builder(MediaBuilder):
    """Images `(height, width, 3)` and their names."""

    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="cc0", description="Brick, grass and gravel, 512x512."),
        tfds.core.BuilderConfig(name="manual", description="Every image of a folder."),
    ]
    FEATURE, EXTENSIONS = "image", EXTENSIONS

    def feature(self):
        return tfds.features.Image()

    def made(self):
        return ((name, np.stack([texture(name)] * 3, axis=-1)) for name in CC0)

    def read(self, path):
        return read_image(path)
