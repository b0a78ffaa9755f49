"""Silence for what speaks on standard error below Python, at any log level."""

import contextlib
import os


@contextlib.contextmanager
def quiet():
    """Whatever the process writes to standard error inside the block goes nowhere."""
    spoken, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(spoken, 2)
        os.close(spoken)
        os.close(nowhere)
