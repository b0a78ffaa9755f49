"""Which presets there are, and where: shipped with the package, downloaded, or on a server."""

import fnmatch
import json
import pathlib
import re

from genconv_tf import home, remote
from genconv_tf.guess import did_you_mean
from genconv_tf.integrity import CONFIG, METADATA, within
from genconv_tf.kinds import KINDS
from genconv_tf.metadata import needs
from genconv_tf.resources import resource

# What a preset on a server may be called, so that it is a folder's name everywhere.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def list_presets(pattern="*", remote=False):
    """The presets that `GenerativeConvNet.from_preset` loads by name. TensorFlow is not imported.

    Args:
        pattern: shell wildcards for the names, such as `"texture-*"`.
        remote: ask the server that the environment's GENCONV_URL names as well.

    Returns:
        dict by name, of dicts: `name`; `kind`, "image", "sound" or "video"; `summary`; `licence`;
        `recipe`; `needs`, a file of filters that is neither here nor in the user's own folder;
        `size`, lengths of the medium that it was learned from, in pixels, samples or
        (frames, pixels, pixels); `weights`, how many numbers; `bytes` of its files, `None` where a
        server does not say; `where`, "shipped", "cached" or "remote", which `from_preset` would
        download. `None` stands for what its metadata does not say.

    Raises:
        ValueError: `remote` without a server, or one that does not answer as it should.
    """
    found = {}
    for where, folders in (("cached", cached()), ("shipped", shipped())):
        for name in fnmatch.filter(folders, pattern):
            every = (p for p in folders[name].rglob("*") if p.is_file())
            try:
                meta = json.loads((folders[name] / METADATA).read_text())
            except (OSError, ValueError):
                meta = {}  # Damaged: loading it says so.
            found[name] = _row(name, where, meta, sum(p.stat().st_size for p in every))
    if remote:
        found = {**_offered(pattern, found), **found}
    return dict(sorted(found.items()))


def _offered(pattern, known):
    """Rows of a server's presets, but for those of the `known` names."""
    url = remote.base()
    if url is None:
        raise ValueError(f"Expected a server in the environment's {remote.URL}. Received: none")
    index, rows = remote.index(url), {}
    for name in fnmatch.filter(presets_in(index), pattern):
        if name not in known:
            file = f"{name}/{METADATA}"
            content = remote.read(url, file, index.get(file))
            try:
                meta = json.loads(content)
            except ValueError:
                meta = {}
            size = remote.size(url, [f"{name}/{file}" for file in within(index, f"{name}/")])
            rows[name] = _row(name, "remote", meta, size)
    return rows


def _row(name, where, meta, size):
    meta = meta if isinstance(meta, dict) else {}
    rank = meta.get("rank")
    texts = {key: _plain(meta.get(key)) for key in ("summary", "licence", "recipe")}
    return {"name": name, "kind": KINDS.get(rank) if isinstance(rank, int) else None, **texts,
            "needs": _plain(needs(meta)), "size": meta.get("size"),
            "weights": meta.get("weights"), "bytes": size, "where": where}  # fmt: skip


def _plain(text):
    """Text in one line, without what would steer a terminal."""
    if text is None:
        return None
    return "".join(c for c in " ".join(str(text).split()) if c.isprintable())


def shipped():
    """Folders of the presets that come with the package, by name."""
    return {p.parent.name: p.parent for p in sorted(resource("saved_models").glob(f"*/{CONFIG}"))}


def cached():
    """Folders of the presets that were downloaded, by name."""
    paths = sorted(home.downloaded().glob("*"))
    return {path.name: path for path in paths if path.is_dir() and _NAME.fullmatch(path.name)}


def presets_in(index):
    """Names of the presets of an index."""
    tops = [name.removesuffix(f"/{CONFIG}") for name in index if name.endswith(f"/{CONFIG}")]
    return sorted(name for name in tops if _NAME.fullmatch(name))


def is_saved_model(path):
    """Whether a folder is a SavedModel, by what TensorFlow looks for."""
    return (pathlib.Path(path) / "saved_model.pb").is_file()


def find(preset):
    """The folder of a preset's path or name; one that only a server has is downloaded.

    Args:
        preset: a folder, the output of a training, or a name; wildcards must match one name.

    Raises:
        ValueError: no such preset, or several, or it could not be downloaded.
    """
    folder = pathlib.Path(preset)
    for path in (folder / "preset", folder):  # The first in the output of a training.
        if (path / CONFIG).is_file():
            return path
    preset = str(preset)
    local = {**cached(), **shipped()}
    name = _only(preset, local)
    if name in local:
        return local[name]
    known, hint = set(local), ""
    url = remote.base()
    if url is None:
        hint = f"; others are downloaded where {remote.URL} names a server, and it is not set"
    elif _NAME.fullmatch(preset) or _is_pattern(preset):
        try:
            index = remote.index(url)
        except ValueError as error:
            raise ValueError(f"{error}; looked there for "
                             f"{preset!r}{did_you_mean(preset, known)}") from None  # fmt: skip
        name = _only(preset, presets_in(index))
        if name in presets_in(index):
            folder = home.downloaded() / name
            remote.download(url, index, name, folder)
            return folder
        known |= set(presets_in(index))
    raise ValueError(f"Expected a preset folder or one of {sorted(known)}"
                     f"{did_you_mean(preset, sorted(known))}{hint}. "
                     f"Received: {preset!r}")  # fmt: skip


def _only(preset, names):
    """The one name that a pattern matches; what matches none, or is a name, as it is."""
    matches = fnmatch.filter(names, preset) if _is_pattern(preset) else []
    if len(matches) > 1:
        raise ValueError(f"Expected a pattern of one preset. Received: {preset!r}, which matches "
                         f"{', '.join(sorted(matches))}")  # fmt: skip
    return matches[0] if matches else preset


def _is_pattern(text):
    return any(letter in text for letter in "*?[") and "/" not in text
