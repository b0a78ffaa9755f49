"""Files and folders that appear whole or not at all, and their checksums."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import tempfile


def sha256(path):
    """Hexadecimal SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def whole_file(path):
    """A temporary name, a `str`, whose file becomes `path` when the block ends without an error."""
    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.part")
    try:
        yield str(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path, text):
    with whole_file(path) as partial:
        pathlib.Path(partial).write_text(text)


def write_json(path, content):
    write_text(path, json.dumps(content, indent=1) + "\n")


@contextlib.contextmanager
def whole_folder(folder, replace=False):
    """A temporary folder that becomes `folder` when the block ends without an error.

    Args:
        folder: where the result is to be; its parents are made.
        replace: whether a folder that is already there gives way; else it is refused.
    """
    folder = pathlib.Path(os.path.abspath(folder))  # "." has no name
    if folder.exists() and not replace and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"Expected a new or empty folder. Received: {folder}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield partial
        os.chmod(partial, 0o777 & ~_umask())
        if folder.is_dir():
            old = folder.with_name(f".{folder.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            os.replace(folder, old)
            try:
                os.replace(partial, folder)
            except BaseException:  # also an interruption
                os.replace(old, folder)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
