"""Which SavedModel a name stands for; a preset without one is exported once, into the cache."""

import contextlib
import functools
import hashlib
import json
import os
import pathlib
import tempfile

import genconv_tf
from genconv_tf import catalogue
from genconv_tf.home import home
from genconv_tf.integrity import CONFIG, EXTRA, METADATA, WEIGHTS, verify
from genconv_tf.metadata import about, needs


def named(words):
    """`{name: folder}` of what `genconv serve` was told to serve; of nothing, all presets.

    Args:
        words: presets' names, folders of presets, of trainings or of SavedModels (`NAME/1` or
            `NAME`), each alone or as `NAME=FOLDER`.

    Raises:
        ValueError: one is none of these, says nothing of itself, is not as it was published, or two
            have one name.
    """
    folders = {}
    for word in words or sorted(catalogue.shipped()):
        name, equals, place = word.partition("=")
        name, folder = (name, place) if equals and not os.path.exists(word) else (None, word)
        found = _folder(folder)
        name = name or _name(found)
        if name in folders:
            raise ValueError(f"Expected a name for each model. Received: {name!r} twice")
        if "rank" not in about(found):
            raise ValueError(f"Expected a model of genconv with {METADATA}. Received: {found}")
        if _exported(found) == found:
            verify(found, f"{EXTRA}/{METADATA}", above=2)
        else:
            verify(found)
        folders[name] = found
    return folders


def servable(folders, named):
    """Of `{name: folder}` those that can be exported here, and `{name: file}` of the others, the
    filters that they lack.

    Args:
        named: whether they were asked for by name, and none may be left out.

    Raises:
        ValueError: one cannot be exported, and was asked for.
    """
    lacks = {name: None if _exported(folder) else needs(about(folder))
             for name, folder in folders.items()}  # fmt: skip
    left = {name: file for name, file in lacks.items() if file}
    if left and named:
        name, file = next(iter(left.items()))
        raise ValueError(f"Expected the filters of {name}, {file}, in {home()}. "
                         "Received: no such file")  # fmt: skip
    return {name: folder for name, folder in folders.items() if name not in left}, left


def saved_model(folder):
    """The SavedModel's folder of a preset or SavedModel; exported first where there is none."""
    folder = pathlib.Path(folder)
    if found := _exported(folder):
        return found
    from genconv_tf import GenerativeConvNet

    exported = _place(folder)
    if not catalogue.is_saved_model(exported):
        exported.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=exported.parent) as partial:
            whole = pathlib.Path(partial) / _name(folder) / "1"
            GenerativeConvNet.from_preset(folder).export(whole)
            with contextlib.suppress(OSError):  # another worker was faster
                os.rename(whole, exported)
    return exported


def _place(folder):
    """Where the export of a preset is kept: of its settings, its weights and this code."""
    weights = json.loads((folder / METADATA).read_text())["sha256"][WEIGHTS]
    known = [(folder / CONFIG).read_bytes(), weights.encode(), _code().encode()]
    digest = hashlib.sha256(b"".join(known)).hexdigest()
    return home() / "exported" / f"{genconv_tf.__version__}-{digest[:16]}" / _name(folder) / "1"


@functools.cache
def _code():
    """SHA-256 of the package: an update of it may sample otherwise, or sign otherwise."""
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(genconv_tf.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _exported(folder):
    """The SavedModel that a folder is, or has; `None` where it has none."""
    folder = pathlib.Path(folder)
    here = (path for path in (folder, folder / "1") if catalogue.is_saved_model(path))
    return next(here, None)


def _folder(word):
    folder = pathlib.Path(word)
    versions = [p.parent for p in folder.glob("*/saved_model.pb") if p.parent.name.isdigit()]
    if catalogue.is_saved_model(folder):
        return folder
    if versions and not (folder / CONFIG).is_file():
        return max(versions, key=lambda version: int(version.name))
    return catalogue.find(word)


def _name(folder):
    """A SavedModel is named after the folder of its versions, a training's preset after its run."""
    folder = pathlib.Path(folder).absolute()
    inner = folder.name.isdigit() or folder.name == "preset"
    return folder.parent.name if inner else folder.name
