"""What a source names: files, folders, glob patterns, TFDS names."""

import glob
import os


def find_files(source, extensions, what):
    """The files that `source` names, sorted.

    Args:
        source: a file, a folder, a glob pattern, or a list of them.
        extensions: of the files taken from a folder.
        what: such as `"an image file"`, for the error.

    Raises:
        ValueError: nothing is there.
    """
    sources = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    paths = []
    for each in map(os.fspath, sources):
        if os.path.isdir(each):
            inside = sorted(glob.glob(os.path.join(glob.escape(each), "*")))
            found = [p for p in inside if p.lower().endswith(extensions)]
        elif os.path.exists(each):
            found = [each]
        else:
            found = sorted(glob.glob(each, recursive=True))
        if not found:
            raise ValueError(f"Expected {what}, folder or pattern. Received: {each} "
                             "(nothing there)")  # fmt: skip
        paths += found
    if not paths:
        raise ValueError(f"Expected {what}. Received: none")
    return paths


def from_tfds(name, split, feature):
    """One feature of a TensorFlow dataset, and its first value."""
    import tensorflow_datasets as tfds

    dataset, info = tfds.load(name, split=split, with_info=True, shuffle_files=False)
    if feature not in info.features:
        raise ValueError(f"Expected a feature of {sorted(info.features)}. Received: {feature!r}")
    dataset = dataset.map(lambda example: example[feature])
    return dataset, next(iter(dataset)).numpy()
