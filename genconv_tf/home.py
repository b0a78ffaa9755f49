"""The user's own folder: downloaded presets, files of filters, and what is made once and kept."""

import os
import pathlib

HOME = "GENCONV_HOME"


def home():
    """The folder that the environment's GENCONV_HOME names, by default `~/.genconv`."""
    # Of os.path: where the user has no home, pathlib would raise.
    return pathlib.Path(os.path.expanduser(os.environ.get(HOME) or "~/.genconv"))


def downloaded():
    """The cache, a folder for each preset that was downloaded."""
    return home() / "presets"
