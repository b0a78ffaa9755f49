"""What MkDocs does with this project's files: scripts become pages, docstrings API entries, presets
the gallery.

A script's docstring begins its page, comments that begin a line are its text, the rest its code.
"""

import ast
import pathlib
import re
import tempfile

import griffe
from mkdocs.structure.files import File

from genconv_tf import catalogue, gallery

SHARED = re.compile(r"^( +)(\w+(?:, \w+)+): .*(?:\n\1 +.*)*", re.MULTILINE)


def on_files(files, config):
    """Add a page for every script; the script itself is served beside it."""
    for file in list(files):
        if file.src_uri.startswith("workflows/") and file.src_uri.endswith(".py"):
            name = file.src_uri.removesuffix(".py") + ".md"
            files.append(File.generated(config, name, content=page(file.content_string, name)))
    for name, content in gallery_of_presets().items():
        files.append(File.generated(config, f"gallery/{name}", content=content))
    return files


def gallery_of_presets():
    """The files of `genconv gallery` of all shipped presets: `{name: bytes}`."""
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder) / "gallery"
        gallery.write(made, catalogue.shipped())
        paths = (path for path in made.rglob("*") if path.is_file())
        return {path.relative_to(made).as_posix(): path.read_bytes() for path in paths}


def page(source, name):
    """The Markdown of a script."""
    (docstring, *_), lines = ast.parse(source).body, source.splitlines()
    title, _, text = ast.get_docstring(ast.parse(source)).partition("\n")
    script = name.rpartition("/")[2].removesuffix(".md") + ".py"
    parts = [f"# {title.rstrip('.')}", text, f"[The script as it is]({script})", ""]
    code = []

    def flush():
        if any(code):
            parts.extend(["```python", *"\n".join(code).strip("\n").split("\n"), "```", ""])
        code.clear()

    for line in lines[docstring.end_lineno :]:
        if re.match(r"#( |$)", line):
            flush()
            parts.append(line[2:])
        else:
            if not code and parts[-1]:
                parts.append("")
            code.append(line)
    flush()
    return "\n".join(parts) + "\n"


class SharedDescriptions(griffe.Extension):
    """Arguments that share a description, `low, high: …`, get an entry each."""

    def on_object(self, *, obj, **kwargs):
        if obj.docstring is not None:
            obj.docstring.value = SHARED.sub(_each, obj.docstring.value)


def _each(match):
    names = match[2].split(", ")
    return "\n".join(match[0].replace(match[2], name, 1) for name in names)
