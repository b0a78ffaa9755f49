"""The builder, by TFDS's own test case: registration, features, examples, both configs."""

import tensorflow_datasets as tfds

from dynamic_textures import dynamic_textures_dataset_builder

CASE = tfds.testing.DatasetBuilderTestCase


class GeneratedTest(CASE):
    DATASET_CLASS = dynamic_textures_dataset_builder.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ["generated"]
    SPLITS = {"train": 4}


class FolderTest(CASE):
    DATASET_CLASS = dynamic_textures_dataset_builder.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ["manual"]
    SPLITS = {"train": 2}


del CASE  # pytest would run it as a test of its own
