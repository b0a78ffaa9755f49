"""What the TFDS builders of `datasets/` share: made inputs, or the files of a manual directory."""

import tensorflow_datasets as tfds


class MediaBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """One medium and its name an example. A subclass names its `BUILDER_CONFIGS`, the second of
    them `manual`, and has:

    Attributes:
        FEATURE: name of the medium's feature.
        EXTENSIONS: of the files taken from the manual directory.

    `feature()` returns the TFDS feature, `made()` pairs (name, medium), `read(path)` a medium.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "For the config `manual`: put files into the manual directory."

    def _info(self):
        features = {self.FEATURE: self.feature(), "name": tfds.features.Text()}
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        if self.builder_config.name != "manual":
            return {"train": self._generate_examples(self.made())}
        files = dl_manager.manual_dir.iterdir()
        paths = sorted(p for p in files if p.suffix.lower() in self.EXTENSIONS)
        return {"train": self._generate_examples((p.name, self.read(p)) for p in paths)}

    def _generate_examples(self, named):
        for name, medium in named:
            yield name, {self.FEATURE: medium, "name": name}
