"""Files and folders that appear whole or not at all, and their checksums."""

import contextlib
import glob
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import threading
import time

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None

PART = ".part"  # what the name of a file ends with while it is written
ASIDE = ".old."  # what the name of a folder for what gives way begins with
ABANDONED = 3600.0  # seconds since a file was written to by a process that must have been killed
ZEROS = bytes(2**20)


def sha256(path):
    """Hexadecimal SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def whole_file(path):
    """A temporary name, a `str`, whose file becomes `path` when the block ends without an error."""
    path = pathlib.Path(path)
    for old in path.parent.glob(f".{glob.escape(path.name)}.*{PART}"):
        if time.time() - old.stat().st_mtime > ABANDONED:
            old.unlink(missing_ok=True)
    # Of its own: two processes, or threads, may write the same file, and the later remains.
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}{PART}")
    try:
        yield str(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def reserve(path, size):
    """Write a file of `size` zeros, or raise the `OSError` of a full disk: libraries that write
    HDF5 do not come back from one."""
    with open(path, "wb") as file:
        for begin in range(0, size, len(ZEROS)):
            file.write(ZEROS[: size - begin])
        file.flush()
        os.fsync(file.fileno())


def write_text(path, text):
    with whole_file(path) as partial:
        # A name that is no UTF-8 may stand in a card, and is told as bytes.
        pathlib.Path(partial).write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path, content):
    write_text(path, json.dumps(content, indent=1) + "\n")


def read_json(path):
    """The table in a file of JSON.

    Raises:
        ValueError: no JSON, or no table.
    """
    try:
        content = json.loads(pathlib.Path(path).read_text())
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ValueError(f"Expected a table in JSON. Received: {path}, which is none")
    return content


@contextlib.contextmanager
def alone(folder):
    """A folder, made if it is not there, that no other process has in this way.

    Raises:
        ValueError: another one has.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    held = os.open(folder, os.O_RDONLY)  # the system lets go of it however a process ends
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError("Expected an output folder that no other process is writing. "
                             f"Received: {folder}") from None  # fmt: skip
        yield
    finally:
        os.close(held)


def check_unused(folder):
    """Raise a `ValueError` if something is at a path where a folder is to be written."""
    folder = pathlib.Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"Expected a new or empty folder. Received: {folder}")


@contextlib.contextmanager
def whole_folder(folder, replace=False):
    """A temporary folder that becomes `folder` when the block ends without an error.

    Args:
        folder: where the result is to be; its parents are made.
        replace: whether a folder that is already there gives way; else it is refused.
    """
    folder = pathlib.Path(os.path.realpath(folder))  # "." has no name, and a link stays a link
    old = folder.with_name(f".{folder.name}.old")
    if old.is_dir() and not folder.exists():  # of a process killed while one gave way
        os.replace(old, folder)
    if not replace:
        check_unused(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield partial
        os.chmod(partial, 0o777 & ~_umask())
        if not replace:
            check_unused(folder)  # another process may have filled it since
        if folder.is_dir() and _held(folder):
            _fill(folder, partial)
        elif folder.is_dir():
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


def _held(folder):
    """Whether a folder cannot give way to another: it is where a disk is mounted, or where this
    process, and most likely a shell, is."""
    try:
        return os.path.ismount(folder) or os.path.samefile(folder, os.curdir)
    except FileNotFoundError:  # where this process is, is gone
        return False


def _fill(folder, partial):
    """Move what is in `partial` into `folder`, instead of what is there."""
    # What was put aside and could not be put back is nobody's to throw away.
    before = [path for path in folder.iterdir() if not path.name.startswith(ASIDE)]
    aside, moved = pathlib.Path(tempfile.mkdtemp(prefix=ASIDE, dir=folder)), []
    try:
        for old in before:
            os.replace(old, aside / old.name)
        for part in sorted(partial.iterdir()):
            moved.append(folder / part.name)
            shutil.move(part, moved[-1])
    except BaseException:  # of a disk that is full, or an interruption: all as it was
        for part in moved:
            shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink(True)
        for old in aside.iterdir():
            os.replace(old, folder / old.name)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
