"""What a source names: files, folders, glob patterns, arrays, TFDS names."""

import glob
import importlib
import os
import re
import sys

import numpy as np
import tensorflow as tf

from genconv_tf.resources import resource

TFDS = "tfds:"


def check_batch(batch):
    """Raise a `ValueError` if there cannot be batches of so many; `None` is for as many as fit."""
    if batch is not None and (not isinstance(batch, int) or batch < 1):
        raise ValueError(f"Expected batch >= 1. Received: {batch!r}")


def find_files(source, extensions, what):
    """The files that `source` names, those of a folder or pattern in the order of the numbers in
    their names.

    Args:
        source: a file, a folder, a glob pattern, or a list of them.
        extensions: of the files taken from a folder.
        what: such as `"an image file"`, for the error.

    Raises:
        ValueError: nothing is there.
    """
    sources = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    if not all(isinstance(each, (str, os.PathLike)) for each in sources):
        kinds = sorted({type(each).__name__ for each in sources})
        raise ValueError(f"Expected paths of {what}, or one array. Received: a list of "
                         f"{', '.join(kinds)}")  # fmt: skip
    paths = []
    for each in map(os.fspath, sources):
        if os.path.isdir(each):
            inside = sorted(glob.glob(os.path.join(glob.escape(each), "*")), key=_numbered)
            found = [p for p in inside if p.lower().endswith(extensions)]
        elif os.path.exists(each):
            found = [each]
        else:
            found = sorted(glob.glob(each, recursive=True), key=_numbered)
        if not found:
            raise ValueError(f"Expected {what}, folder or pattern. Received: {each} "
                             "(nothing there)")  # fmt: skip
        paths += found
    if not paths:
        raise ValueError(f"Expected {what}. Received: none")
    return paths


def _numbered(path):
    """What sorts `frame10` behind `frame9`."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path)]


def tfds_name(source):
    """NAME of `"tfds:NAME"`; `None` of another source."""
    named = isinstance(source, str) and source.startswith(TFDS)
    return source.removeprefix(TFDS) if named else None


def is_array(source):
    return isinstance(source, np.ndarray) or tf.is_tensor(source)


def pixels(source, axes):
    """An array of pixels in [0, 255] as `(count, *axes, 3)`, checked.

    Args:
        source: `(*axes, 3)`, or with a count before it.
        axes: names of the axes, such as `("height", "width")`.
    """
    array = np.asarray(source)
    array = array[None] if array.ndim == len(axes) + 1 else array
    if array.ndim != len(axes) + 2 or array.shape[-1] != 3 or 0 in array.shape:
        one = ", ".join(axes)
        raise ValueError(f"Expected ({one}, 3) or (count, {one}, 3). Received: {np.shape(source)}")
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 255:
        raise ValueError("Expected finite pixels in [0, 255]. Received: "
                         f"[{array.min()}, {array.max()}]")  # fmt: skip
    return array


def from_tfds(name, split, feature):
    """One feature of a TensorFlow dataset, and its first value."""
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise ValueError("Expected TensorFlow Datasets: pip install 'genconv-tf[tfds]'") from None
    _register(name.split("/")[0].split(":")[0])
    try:
        dataset, info = tfds.load(name, split=split, with_info=True, shuffle_files=False)
    except (tfds.core.registered.DatasetNotFoundError, AssertionError) as error:
        # The first names every dataset there is; the second is of an empty folder of manual data.
        line = str(error).splitlines()[0][:200]
        raise ValueError(f"Expected a dataset of TFDS that can be made. Received: {name} "
                         f"({line})") from None  # fmt: skip
    if feature not in info.features:
        raise ValueError(f"Expected a feature of {sorted(info.features)}. Received: {feature!r}")
    dataset = dataset.map(lambda example: example[feature])
    return dataset, next(iter(dataset)).numpy()


def _register(name):
    """Import the project's own TFDS builder of that name, if there is one; TFDS then knows it."""
    folder = resource("datasets")
    if name and (folder / name / f"{name}_dataset_builder.py").is_file():
        sys.path.insert(0, str(folder))
        try:
            importlib.import_module(f"{name}.{name}_dataset_builder")
        finally:
            sys.path.remove(str(folder))
