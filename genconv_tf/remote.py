"""Presets on a server that the user names: a folder like `saved_models/`, over HTTP."""

import concurrent.futures
import contextlib
import hashlib
import http.client
import os
import socket
import urllib.error
import urllib.parse
import urllib.request

from genconv_tf import files, home, integrity

URL = "GENCONV_URL"
LARGEST = 2**24  # bytes of an index or of metadata
PATIENCE = 30  # seconds without an answer
AT_ONCE = 8  # requests


def base():
    """The URL that the environment's GENCONV_URL names; `None` if unset: nothing is downloaded."""
    url = os.environ.get(URL, "").strip().rstrip("/")
    if not url:
        return None
    try:
        parts = urllib.parse.urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and not parts.query
    except ValueError:
        whole = False
    if not whole:
        raise ValueError(f"Expected {URL} such as https://host/folder. Received: {url!r}")
    return url


def index(url):
    """The index of a server, `{"NAME/FILE": SHA-256}`; its names are safe to use."""
    try:
        return integrity.parse_index(read(url, integrity.INDEX), address(url, integrity.INDEX))
    except ValueError as error:
        raise ValueError(f"{error}; set {URL} to a folder of presets with its index, or unset it "
                         "to work offline") from None  # fmt: skip


def read(url, name, digest=None):
    """The content of a small file, after its SHA-256 has been compared."""
    try:
        with urllib.request.urlopen(address(url, name), timeout=PATIENCE) as reply:
            content = reply.read(LARGEST + 1)
            whole = int(reply.headers.get("Content-Length") or len(content))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _failure(url, name, error) from None
    if len(content) > LARGEST or len(content) < whole:
        received = f"{len(content)} of {max(whole, len(content))} bytes"
        raise _failure(url, name, received)
    if digest not in (None, hashlib.sha256(content).hexdigest()):
        raise _failure(url, name, _other(digest))
    return content


def size(url, names):
    """Bytes of files together; `None` where the server does not say."""

    def length(name):
        request = urllib.request.Request(address(url, name), method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
                return int(reply.headers["Content-Length"])
        except (OSError, ValueError, TypeError, http.client.HTTPException) as error:
            _close(error)
            return None

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        lengths = list(pool.map(length, names))
    return None if None in lengths else sum(lengths)


def download(url, published, name, folder):
    """Download a preset, whole or not at all.

    Args:
        url: of `base`.
        published: of `index`.
        name: of the preset.
        folder: where it is to be.

    Raises:
        ValueError: names the file that was not to be had, or had other content.
    """
    mine = integrity.within(published, f"{name}/")
    try:
        # Another process may have had the same thought: its folder, of the same files, gives way.
        with files.whole_folder(folder, replace=True) as partial:
            for file, digest in mine.items():
                _get(url, f"{name}/{file}", digest, partial / file)
            files.write_json(partial / integrity.INDEX, mine)
            integrity.verify(partial, above=0)
    except ValueError as error:
        raise ValueError(f"{error}; nothing was kept: try again, or ask who publishes "
                         f"there") from None  # fmt: skip
    except OSError as error:
        raise ValueError(f"Expected a folder to write to, {folder.parent}; set {home.HOME} to "
                         f"another. Received: {error}") from None  # fmt: skip


def _get(url, name, digest, path):
    """Download one file, with Keras's bar and check."""
    import keras

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _patient():
            keras.utils.get_file(
                path.name,
                address(url, name),
                file_hash=digest,
                hash_algorithm="sha256",
                cache_dir=str(path.parent),
                cache_subdir="",
            )
    except Exception as error:  # Keras raises a bare one where a server does not answer
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        whole = not path.is_file() or files.sha256(path) == digest
        raise _failure(url, name, cause if whole else _other(digest)) from None


@contextlib.contextmanager
def _patient():
    """Connections made inside fail after `PATIENCE` seconds without a byte: Keras, which cannot be
    told to, would wait for as long as a server that stalls."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def address(url, name):
    return f"{url}/{urllib.parse.quote(name)}"


def _failure(url, name, received):
    _close(received)
    line = " ".join(str(received).split()) or type(received).__name__
    return ValueError(f"Expected {name} from {address(url, name)}. Received: {line}")


def _close(error):
    """An answer such as 404 is an open file as well."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()


def _other(digest):
    return f"other content than published (SHA-256 {digest[:12]}…)"
