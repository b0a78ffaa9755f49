"""Sound textures: those that the project generates, or a folder of one's own."""

import numpy as np
import tensorflow_datasets as tfds

from genconv_tf.data.generated import SOUNDS
from genconv_tf.data.sounds import EXTENSIONS, RATE, read_sound

SEEDS = range(4)


class Builder(tfds.core.GeneratorBasedBuilder):
    """Sounds `(samples,)`, integers of 16 bits at 11,025 Hz, and their names."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="generated", description="Crackle, rain and wind, 6 s each."),
        tfds.core.BuilderConfig(name="manual", description="Every sound of a folder."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "For the config `manual`: put sounds into the manual directory."

    def _info(self):
        audio = tfds.features.Audio(dtype=np.int16, sample_rate=RATE)
        features = {"audio": audio, "name": tfds.features.Text()}
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        if self.builder_config.name == "generated":
            named = ((f"{n}_{k}", SOUNDS[n](seed=k)) for n in sorted(SOUNDS) for k in SEEDS)
            return {"train": self._generate_examples(named)}
        folder = dl_manager.manual_dir
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in EXTENSIONS)
        return {"train": self._generate_examples((p.name, read_sound(p)) for p in paths)}

    def _generate_examples(self, sounds):
        for name, wave in sounds:
            yield name, {"audio": np.round(wave * 32767).astype(np.int16), "name": name}
