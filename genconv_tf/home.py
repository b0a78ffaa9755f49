"""The user's own folder: downloaded presets, files of filters, what is made once and kept."""

import os
import pathlib

HOME = "GENCONV_HOME"


def home():
    """The folder that the environment's GENCONV_HOME names, by default `~/.genconv`."""
    # Of os.path: where the user has no home, pathlib would raise.
    return pathlib.Path(os.path.expanduser(os.environ.get(HOME) or "~/.genconv"))


def own_file(path):
    """A file as it is named, or of its name in the user's own folder; `None` if there is none."""
    for found in (pathlib.Path(path), home() / pathlib.Path(path).name):
        if found.is_file():
            return str(found)
    return None


def downloaded():
    """The cache, a folder for each preset that was downloaded."""
    return home() / "presets"
