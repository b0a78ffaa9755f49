"""What a model's metadata say, read without TensorFlow."""

import json
import pathlib

from genconv_tf.home import own_file
from genconv_tf.integrity import EXTRA, METADATA


def about(folder):
    """The metadata of a preset's or a SavedModel's folder; an empty dict where it has none.

    Raises:
        ValueError: they are not what `genconv` writes.
    """
    folder = pathlib.Path(folder)
    for path in (folder / METADATA, folder / EXTRA / METADATA):
        if path.is_file():
            try:
                meta = json.loads(path.read_text())
            except (ValueError, RecursionError):
                meta = None
            if not isinstance(meta, dict):
                raise ValueError(f"Expected metadata in JSON. Received: {path}, which are not")
            return meta
    return {}


def fresh_steps(meta):
    """Langevin steps of a fresh sample at every level, coarse to fine."""
    steps = meta["sampler"].get("fresh_steps") or meta["sampler"]["steps"]
    return list(steps) if isinstance(steps, (list, tuple)) else [steps] * meta["levels"]


def given_filters(bank):
    """Of a model's bank what a preset does not hold and names instead; `None` where it has all."""
    return None if bank is None or bank["filters"] == "linear" else bank


def needs(meta):
    """The file of filters that a preset stands on, where it is not found; else `None`."""
    given = meta.get("filters")
    if not isinstance(given, dict):
        return None
    network, weights = str(given.get("filters")), str(given.get("weights", "keras"))
    path = network if network.endswith(".keras") else weights
    return None if path == "keras" or own_file(path) else path
