"""Silence for what speaks unasked."""

import contextlib
import os


@contextlib.contextmanager
def quiet():
    """Whatever the process writes to standard error inside the block, also below Python and at any
    log level, goes nowhere."""
    spoken, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(spoken, 2)
        os.close(spoken)
        os.close(nowhere)


@contextlib.contextmanager
def keras_silent(wanted):
    """Without Keras's own words, such as those of a download, if that is wanted."""
    if not wanted:
        yield
        return
    from keras import config

    spoke = config.is_interactive_logging_enabled()
    config.disable_interactive_logging()
    try:
        yield
    finally:
        if spoke:
            config.enable_interactive_logging()
