"""Presets: a learned model as a folder of config.json, weights, metadata.json and a model card."""

import json
import pathlib

import h5py
import keras
import numpy as np

from genconv_tf import card as cards
from genconv_tf import files
from genconv_tf.resources import resource

CONFIG, WEIGHTS, METADATA, CARD = "config.json", "model.weights.h5", "metadata.json", "README.md"
INDEX = "index.json"


def names():
    """Names of the presets that come with the package."""
    return sorted(path.parent.name for path in resource("saved_models").glob(f"*/{CONFIG}"))


def save(model, folder, replace=False, exemplar=None, samples=None, half=False, **facts):
    """Write `model` as a preset.

    Args:
        folder: a new or empty folder, unless `replace`.
        exemplar, samples: media for the card: one, and a batch of fresh samples.
        half: write the weights in 16 bits, for a model that `halved` has rounded to them.
        **facts: for metadata and card: `source`, `licence`, `recipe`, `figures`, `command`, …
    """
    with files.whole_folder(folder, replace) as partial:
        files.write_json(partial / CONFIG, _serialised(model))
        # Without an optimizer, whose state would treble the file and name the run.
        model.twin().save_weights(partial / WEIGHTS)
        if half:
            _halve(partial / WEIGHTS)
        media = cards.write_media(partial, exemplar, samples, model.preprocessing.rate)
        hashes = {p: files.sha256(partial / p) for p in (CONFIG, WEIGHTS, *media)}
        metadata = cards.metadata(model, pathlib.Path(folder).name, facts, hashes)
        files.write_json(partial / METADATA, metadata)
        files.write_text(partial / CARD, cards.render(model, metadata, media))


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
        preset: a shipped preset's name, or a folder.
        kind: the class to make, `GenerativeConvNet`.

    Raises:
        ValueError: no such preset, a file is missing, or its content is not what was published.
    """
    folder = find(preset)
    verify(folder)
    model = kind.from_config(json.loads((folder / CONFIG).read_text())["config"])
    model.load_weights(folder / WEIGHTS)
    return model


def find(preset):
    """The folder of a preset's name or path."""
    folder = pathlib.Path(preset)
    if (folder / "preset" / CONFIG).is_file():
        return folder / "preset"  # The output of a training.
    if not (folder / CONFIG).is_file() and str(preset) in names():
        folder = resource("saved_models") / str(preset)
    if not (folder / CONFIG).is_file():
        raise ValueError(f"Expected a preset folder or one of {names()}. Received: {str(preset)!r}")
    return folder


def verify(folder):
    """Compare every file of a preset with its SHA-256; raise `ValueError` naming the first wrong.

    A shipped preset is held against the index of all of them, any other against its own metadata.
    """
    try:
        expected = dict(json.loads((folder / METADATA).read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"Expected {METADATA} with checksums. Received: {folder}") from None
    index = folder.parent / INDEX
    if index.is_file():
        published = json.loads(index.read_text())
        inside = f"{folder.name}/"
        expected |= {
            name.removeprefix(inside): digest
            for name, digest in published.items()
            if name.startswith(inside)
        }
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"Expected the file {name} in the preset. Received: {folder}")
        if files.sha256(path) != digest:
            raise ValueError(f"Expected {name} as published (SHA-256 {digest[:12]}…). "
                             f"Received: {path} with other content")  # fmt: skip


def write_index(folder):
    """Write the SHA-256 of every published file below `folder` into one index."""
    folder = pathlib.Path(folder)
    published = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != INDEX)
    index = {p.relative_to(folder).as_posix(): files.sha256(p) for p in published}
    files.write_json(folder / INDEX, index)


def _serialised(model):
    return {"class": "genconv_tf.GenerativeConvNet", "keras": keras.__version__,
            "config": model.get_config()}  # fmt: skip
