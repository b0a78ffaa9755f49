"""Where the recipes, builders and published models are: in a checkout, or in a wheel."""

import pathlib

_PACKAGE = pathlib.Path(__file__).resolve().parent


def resource(name):
    """The folder `models`, `datasets` or `saved_models`.

    A checkout (or an editable install) has them beside the package, a wheel inside it.
    """
    beside = _PACKAGE.parent / name
    if (_PACKAGE.parent / "setup.py").is_file() and beside.is_dir():
        return beside
    return _PACKAGE / "_resources" / name
