"""Whether files are as they were published: their SHA-256s, in metadata and in an index of all.

An index is a file `index.json`, `{"NAME/FILE": SHA-256}`, at the top of a folder of presets. It
holds every file, those of SavedModels within the presets too. A preset that was downloaded has its
part of the index within it.
"""

import json
import pathlib
import re

from genconv_tf import files

CONFIG, WEIGHTS, METADATA, CARD = "config.json", "model.weights.h5", "metadata.json", "README.md"
INDEX = "index.json"
VARIABLES, GRAPH = "variables/variables.data-00000-of-00001", "saved_model.pb"
EXTRA = "assets.extra"  # where a SavedModel has its metadata and card

_DIGEST = re.compile(r"[0-9a-f]{64}")


def verify(folder, metadata=METADATA, above=1):
    """Compare every file of a preset or SavedModel with its SHA-256.

    It is held against its own metadata, and against an index if there is one: within it, or in one
    of the folders above.

    Args:
        folder: of the preset or SavedModel.
        metadata: its metadata's name within the folder.
        above: how many folders up an index is looked for.

    Raises:
        ValueError: names the first file that is missing or has other content.
    """
    folder = pathlib.Path(folder).absolute()
    try:
        expected = dict(json.loads((folder / metadata).read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"Expected {metadata} with checksums. Received: {folder}") from None
    for name in (CONFIG, WEIGHTS) if metadata == METADATA else (GRAPH, VARIABLES):
        if name not in expected:
            raise ValueError(f"Expected the checksum of {name} in {metadata}. Received: {folder}")
    for base in (folder, *folder.parents[:above]):
        listed = _listed(base / INDEX, folder.relative_to(base).as_posix())
        unlisted = set(_published(folder)) - set(listed) if listed else ()
        if unlisted:
            raise ValueError(f"Expected {min(unlisted)} in {base / INDEX}, which lists files "
                             "beside it. Received: none")  # fmt: skip
        expected |= listed
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"Expected the file {name}. Received: {folder}")
        if files.sha256(path) != digest:
            raise ValueError(f"Expected {name} as published (SHA-256 {str(digest)[:12]}…). "
                             f"Received: {path} with other content")  # fmt: skip


def _listed(path, inside):
    """What an index says of the files in the folder `inside`; nothing if there is no index."""
    if not path.is_file():
        return {}
    listed = within(_table(path.read_bytes(), path), "" if inside == "." else f"{inside}/")
    for name, digest in listed.items():
        _check_digest(name, digest, path)
    return listed


def within(index, prefix):
    """The entries of an index below a folder, `"NAME/"`, named from there on."""
    return {n.removeprefix(prefix): d for n, d in index.items() if n.startswith(prefix)}


def parse_index(content, source):
    """An index that somebody else wrote, after every name and hash has been checked.

    Args:
        content: bytes of the file.
        source: where they come from, for the message.

    Returns:
        `{"NAME/FILE": SHA-256}`.

    Raises:
        ValueError: no JSON, not a table of SHA-256s, or a name that could lead out of a folder.
    """
    index = _table(content, source)
    folders = {name[:i] for name in index for i, letter in enumerate(name) if letter == "/"}
    for name, digest in index.items():
        _check_digest(name, digest, source)
        parts = name.split("/")
        # A colon or a backslash leads elsewhere on Windows.
        odd = {"", ".", ".."} & set(parts) or set(":\\") & set(name) or not name.isprintable()
        if odd or name in folders or parts[1:][-1:] == [INDEX]:
            raise ValueError(f"Expected names of files within {source}. Received: {name!r}")
    return index


def _table(content, source):
    try:
        table = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError(f"Expected {INDEX} in JSON. Received: {source}, which is not") from None
    if not isinstance(table, dict):
        raise ValueError(f"Expected {INDEX} as a table of SHA-256s. Received: {source}")
    return table


def _check_digest(name, digest, source):
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ValueError(f"Expected the SHA-256 of {name} in {source}. Received: {digest!r:.80}")


def write_index(folder):
    """Write the SHA-256 of every published file below `folder` into one index."""
    folder = pathlib.Path(folder)
    index = {name: files.sha256(folder / name) for name in _published(folder)}
    files.write_json(folder / INDEX, index)


def _published(folder):
    """Names of the files below a folder, sorted, that an index of it lists. Hidden ones are those
    of an editor or a file manager, or half written."""
    names = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and p.name != INDEX)
    shown = (n for n in names if not any(part.startswith(".") for part in n.parts))
    return [n.as_posix() for n in sorted(shown)]
