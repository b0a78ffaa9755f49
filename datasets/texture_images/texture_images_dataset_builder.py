"""Photographs of textures: scikit-image's CC0 ones, or a folder of one's own."""

import tensorflow_datasets as tfds

from genconv_tf.data.decode import EXTENSIONS, read_image
from genconv_tf.demo import texture

CC0 = ("brick", "grass", "gravel")


class Builder(tfds.core.GeneratorBasedBuilder):
    """Images `(height, width, 3)` and their names."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="cc0", description="Brick, grass and gravel, 512x512."),
        tfds.core.BuilderConfig(name="manual", description="Every image of a folder."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "For the config `manual`: put images into the manual directory."

    def _info(self):
        features = {"image": tfds.features.Image(), "name": tfds.features.Text()}
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        if self.builder_config.name == "cc0":
            return {"train": self._cc0()}
        return {"train": self._files(dl_manager.manual_dir)}

    def _generate_examples(self, images):
        for name, image in images:
            yield name, {"image": image, "name": name}

    def _cc0(self):
        import numpy as np

        grey = ((name, texture(name)) for name in CC0)
        return self._generate_examples((name, np.stack([x] * 3, -1)) for name, x in grey)

    def _files(self, folder):
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in EXTENSIONS)
        return self._generate_examples((p.name, read_image(p)) for p in paths)
