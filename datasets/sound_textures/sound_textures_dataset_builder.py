"""Sound textures: those that the project generates, or a folder of one's own."""

import numpy as np
import tensorflow_datasets as tfds

from genconv_tf.data.generated import SOUNDS
from genconv_tf.data.sounds import EXTENSIONS, RATE, read_sound
from genconv_tf.data.tfds_builder import MediaBuilder

SEEDS = range(4)


class Builder(MediaBuilder):
    """Sounds `(samples,)`, integers of 16 bits at 11,025 Hz, and their names."""

    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="generated", description="Crackle, rain and wind, 6 s each."),
        tfds.core.BuilderConfig(name="manual", description="Every sound of a folder."),
    ]
    FEATURE, EXTENSIONS = "audio", EXTENSIONS

    def feature(self):
        return tfds.features.Audio(dtype=np.int16, sample_rate=RATE)

    def made(self):
        return ((f"{n}_{k}", _integers(SOUNDS[n](seed=k))) for n in sorted(SOUNDS) for k in SEEDS)

    def read(self, path):
        return _integers(read_sound(path))


def _integers(wave):
    return np.round(wave * 32767).astype(np.int16)
