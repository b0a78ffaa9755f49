"""The documentation site: built without warnings or TensorFlow, complete, self-contained."""

import html.parser
import importlib
import importlib.util
import inspect
import os
import pathlib
import re
import subprocess
import sys
import types
import urllib.parse

import pytest

import genconv_tf as gct
from genconv_tf import presets

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = """
import sys
sys.modules["tensorflow"] = None  # importing it now fails
from mkdocs.__main__ import cli
cli()
"""

if any(importlib.util.find_spec(name) is None for name in ("material", "mkdocstrings_handlers")):
    pytest.skip("needs genconv-tf[docs]", allow_module_level=True)


class Page(html.parser.HTMLParser):
    """What a page refers to, and the names of its places."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.assets = set(), [], []
        self.text = path.read_text()
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        if "src" in given or tag == "link":
            self.assets.append(given.get("src") or given["href"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Folder of the site, and its pages."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder, {path.relative_to(folder): Page(path) for path in folder.rglob("*.html")}


def described(name):
    """Where the API describes a public name: dotted paths."""
    place = gct._PLACES[name]
    value = getattr(importlib.import_module(place), name) if place else getattr(gct, name)
    if not isinstance(value, types.ModuleType):
        return [f"{value.__module__}.{value.__qualname__}"]
    if hasattr(value, "__path__"):  # a package
        parts = [getattr(value, part) for part in value.__all__]
        return [f"{part.__module__}.{part.__qualname__}" for part in parts]
    return [value.__name__]


def test_every_public_name_is_in_the_api(site):
    """One that is missing belongs into a page of docs/api/."""
    ids = set().union(*(page.ids for page in site[1].values()))
    names = [name for name in gct.__all__ if name != "__version__"]
    assert [place for name in names for place in described(name) if place not in ids] == []


@pytest.mark.parametrize("path, value", [
    ("models", "GenerativeConvNet"), ("models", "Sampler"), ("data", "Preprocessing"),
])  # fmt: skip
def test_every_argument_is_described(site, path, value):
    text = site[1][pathlib.Path(f"api/{path}.html")].text
    for name in inspect.signature(getattr(gct, value)).parameters:
        if name != "kwargs":
            entry = rf"<b><code[^>]*>{name}</code></b>(?:(?!<b><code)[\s\S])*?<p>"
            assert re.search(entry, text), name


def test_links_lead_somewhere(site):
    folder, pages = site
    count = 0
    for path, page in pages.items():
        for link in (*page.links, *page.assets):
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or path.name == "404.html":
                continue
            target = (folder / path.parent / urllib.parse.unquote(parts.path)).resolve()
            target = path if not parts.path else target.relative_to(folder.resolve())
            target = target / "index.html" if (folder / target).is_dir() else target
            assert (folder / target).is_file(), (path, link)
            if parts.fragment and target in pages:
                assert urllib.parse.unquote(parts.fragment) in pages[target].ids, (path, link)
            count += 1
    assert count > 500


def test_nothing_is_fetched_from_elsewhere(site):
    folder, pages = site
    for path, page in pages.items():
        assert not [a for a in page.assets if urllib.parse.urlsplit(a).netloc], path
        assert "mermaid" not in page.text  # The theme would fetch what draws it.
    for path in folder.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", path.read_text()), path


@pytest.mark.parametrize("script", sorted(p.stem for p in ROOT.glob("docs/workflows/*.py")))
def test_every_workflow_is_a_page_with_all_of_its_code(site, script):
    """Every word of the script is on the page, in order of the lines of code."""
    page = site[1][pathlib.Path(f"workflows/{script}.html")]
    shown = re.sub(r"<[^>]*>", "", page.text)
    shown = " ".join(html.unescape(shown).split())
    source = (ROOT / "docs" / "workflows" / f"{script}.py").read_text().split('"""', 2)[2]
    at = 0
    for line in source.splitlines():
        words = " ".join(line.split())
        if words and not line.startswith("#"):
            at = shown.find(words, at)
            assert at >= 0, line


def test_the_gallery_of_all_presets_is_one_of_its_pages(site):
    folder, pages = site
    gallery = pages[pathlib.Path("gallery/index.html")]
    assert set(presets.names()) <= gallery.ids
    assert any(
        link.endswith("gallery/index.html") for link in pages[pathlib.Path("index.html")].links
    )
    assert (folder / "gallery" / "models" / "sound-rain" / "sample.wav").is_file()
