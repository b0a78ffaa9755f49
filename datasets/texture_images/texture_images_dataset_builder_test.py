"""The builder, by TFDS's own test case: registration, features, examples, both configs."""

import tensorflow_datasets as tfds

from texture_images import texture_images_dataset_builder

CASE = tfds.testing.DatasetBuilderTestCase


class Cc0Test(CASE):
    DATASET_CLASS = texture_images_dataset_builder.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ["cc0"]
    SPLITS = {"train": 3}


class FolderTest(CASE):
    DATASET_CLASS = texture_images_dataset_builder.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ["manual"]
    SPLITS = {"train": 2}


del CASE  # pytest would run it as a test of its own
