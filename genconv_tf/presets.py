"""Presets: a learned model as a folder of config.json, weights, metadata.json and a model card."""

import json
import math
import pathlib

import h5py
import keras
import numpy as np

from genconv_tf import card as cards
from genconv_tf import catalogue, files
from genconv_tf.catalogue import find, list_presets
from genconv_tf.integrity import (
    CARD,
    CONFIG,
    EXTRA,
    INDEX,
    METADATA,
    WEIGHTS,
    verify,
    write_index,
)

__all__ = ["CARD", "CONFIG", "INDEX", "METADATA", "WEIGHTS", "facts", "find", "halved",
           "list_presets", "load", "names", "save", "verify", "write_card",
           "write_index"]  # fmt: skip


def names():
    """Names of the presets that come with the package."""
    return sorted(catalogue.shipped())


def save(model, folder, replace=False, exemplar=None, samples=None, half=False, **facts):
    """Write `model` as a preset.

    Args:
        folder: a new or empty folder, unless `replace`.
        exemplar, samples: media for the card: one, and a batch of fresh samples.
        half: write the weights in 16 bits, for a model that `halved` has rounded to them.
        **facts: for metadata and card: those of `card.FACTS`, and others for the metadata.
    """
    with files.whole_folder(folder, replace) as partial:
        files.write_json(partial / CONFIG, _serialised(model))
        # Without an optimizer, whose state would treble the file and name the run.
        twin = model.twin()
        # HDF5 takes some kilobytes for the name and place of each array of float32.
        total = sum(2**13 + 4 * math.prod(w.shape) for w in twin.weights)
        files.reserve(partial / WEIGHTS, 2**16 + total)
        twin.save_weights(partial / WEIGHTS)
        if half:
            _halve(partial / WEIGHTS)
        media = cards.write_media(partial, exemplar, samples, model.preprocessing.rate)
        hashes = {p: files.sha256(partial / p) for p in (CONFIG, WEIGHTS, *media)}
        metadata = cards.metadata(model, pathlib.Path(folder).name, facts, hashes)
        files.write_json(partial / METADATA, metadata)
        write_card(partial)


def write_card(folder):
    """Write the card of a preset, and of a SavedModel within it, anew from their metadata and
    pictures."""
    folder = pathlib.Path(folder)
    meta = json.loads((folder / METADATA).read_text())
    files.write_text(folder / CARD, cards.render(meta))
    for path in folder.glob(f"*/{EXTRA}/{METADATA}"):
        own = json.loads(path.read_text())
        files.write_text(path.with_name(CARD), cards.render({**facts(folder), **own}))


def facts(preset):
    """What a preset's metadata says of where it comes from: those of `card.FACTS`."""
    meta = json.loads((find(preset) / METADATA).read_text())
    return {key: meta[key] for key in cards.FACTS if key in meta}


def halved(model):
    """A twin whose weights are numbers of float16: half as much to publish, the same samples to the
    eye, and loaded without loss."""
    twin = model.twin()
    twin.set_weights([w.astype(np.float16).astype(w.dtype) for w in model.get_weights()])
    return twin


def _halve(path):
    """Write a file of weights anew, float32 as float16."""
    with files.whole_file(path) as name, h5py.File(path) as whole, h5py.File(name, "w") as half:

        def copy(name, item):
            if isinstance(item, h5py.Group):
                made = half.require_group(name)
            else:
                values = item[()]
                if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
                    raise ValueError(f"Expected weights within float16. Received: {name}")
                made = half.create_dataset(name, data=values.astype(np.float16))
            made.attrs.update(item.attrs)

        half.attrs.update(whole.attrs)
        whole.visititems(copy)


def load(preset, kind):
    """The model of a preset, after its checksums have been compared.

    Args:
        preset: a folder; the name of a preset that is shipped, downloaded or on a server; or
            wildcards that match one name.
        kind: the class to make, `GenerativeConvNet`.

    Raises:
        ValueError: no such preset, a file is missing, or its content is not what was published.
    """
    folder = find(preset)
    try:
        verify(folder)
    except ValueError as error:
        if folder not in catalogue.cached().values():
            raise
        raise ValueError(f"{error}; remove {folder} to download it again") from None
    config = files.read_json(folder / CONFIG).get("config")
    if not isinstance(config, dict):
        raise ValueError(f"Expected the arguments of a model in {CONFIG}. Received: {folder}")
    model = kind.from_config(config)
    model.load_weights(folder / WEIGHTS)
    return model


def _serialised(model):
    return {"class": "genconv_tf.GenerativeConvNet", "keras": keras.__version__,
            "config": model.get_config()}  # fmt: skip
