"""Dynamic textures: those that the project generates, or a folder of one's own."""

import tensorflow_datasets as tfds

from genconv_tf.data.generated import VIDEOS
from genconv_tf.data.videos import EXTENSIONS, read_video

SEEDS = range(2)


class Builder(tfds.core.GeneratorBasedBuilder):
    """Videos `(frames, height, width, 3)` and their names."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="generated", description="Fire and water, 64x128x128."),
        tfds.core.BuilderConfig(name="manual", description="Every video of a folder."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "For the config `manual`: put videos into the manual directory."

    def _info(self):
        video = tfds.features.Video(shape=(None, None, None, 3))
        features = {"video": video, "name": tfds.features.Text()}
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        if self.builder_config.name == "generated":
            named = ((f"{n}_{k}", VIDEOS[n](seed=k)) for n in sorted(VIDEOS) for k in SEEDS)
            return {"train": self._generate_examples(named)}
        folder = dl_manager.manual_dir
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in EXTENSIONS)
        return {"train": self._generate_examples((p.name, read_video(p)) for p in paths)}

    def _generate_examples(self, videos):
        for name, video in videos:
            yield name, {"video": video, "name": name}
