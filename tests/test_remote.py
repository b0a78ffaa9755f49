"""Presets from a server on this machine: whole or not at all."""

import functools
import hashlib
import http.server
import json
import shutil
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from conftest import SMALL

import genconv_tf as gct
from genconv_tf import catalogue, presets, remote
from genconv_tf.cli.main import main


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; `server.wrong` maps a path to another body and the length to claim, and
    `server.stalled` one to the bytes after which nothing more comes."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path in self.server.stalled:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * self.server.stalled[self.path])
            self.wfile.flush()
            self.server.go_on.wait(10)
            return None
        if self.path not in self.server.wrong:
            return super().do_GET()
        body, length = self.server.wrong[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def published(tmp_path_factory, photograph):
    """A folder of two presets and its index."""
    folder = tmp_path_factory.mktemp("published")
    model = gct.GenerativeConvNet(**SMALL)
    facts = {"summary": "Small.", "licence": "CC0-1.0", "exemplar": photograph}
    model.save_to_preset(folder / "tiny-moss", **facts)
    shutil.copytree(folder / "tiny-moss", folder / "tiny-sand")
    (folder / "tiny-sand" / "1" / "assets.extra").mkdir(parents=True)
    (folder / "tiny-sand" / "1" / "assets.extra" / "a name#1.txt").write_text("deep, to be quoted")
    presets.write_index(folder)
    return folder


@pytest.fixture
def server(published, tmp_path, monkeypatch):
    """Serves `published`, and is what the environment names; the cache is empty."""
    handler = functools.partial(Handler, directory=published)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.wrong, server.asked = {}, []
        server.stalled, server.go_on = {}, threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("GENCONV_URL", url + "/")
        monkeypatch.setenv("GENCONV_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server
        server.go_on.set()
        server.shutdown()


def cached(tmp_path):
    """Everything in the cache."""
    return sorted(p.name for p in (tmp_path / "home").rglob("*") if p.name != "presets")


def test_a_preset_is_downloaded_once_and_is_the_one_that_was_published(
    server, published, tmp_path, monkeypatch, capsys
):
    model = gct.GenerativeConvNet.from_preset("tiny-moss")
    expected = gct.GenerativeConvNet.from_preset(published / "tiny-moss")
    for one, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert "Downloading data" in capsys.readouterr().out  # Keras's own bar
    files = {p.name for p in (published / "tiny-moss").iterdir()}
    own = tmp_path / "home" / "presets" / "tiny-moss"
    assert {p.name for p in own.iterdir()} == files | {"index.json"}
    count = len(server.asked)
    monkeypatch.delenv("GENCONV_URL")
    gct.GenerativeConvNet.from_preset("tiny-moss")
    assert len(server.asked) == count


def test_a_quiet_command_downloads_without_a_word(server, tmp_path, capfd):
    words = ["--num", "1", "--size", "32", "--steps", "1", "--quiet"]
    assert main(["sample", "tiny-moss", "--output", str(tmp_path / "out"), *words]) == 0
    assert capfd.readouterr().out == "" and "tiny-moss" in cached(tmp_path)


def test_files_in_folders_and_of_odd_names_come_too(server, published, tmp_path):
    folder = presets.find("tiny-sand")
    name = "1/assets.extra/a name#1.txt"
    assert (folder / name).read_bytes() == (published / "tiny-sand" / name).read_bytes()
    presets.verify(folder)


def test_a_shipped_preset_never_asks_the_server(server, tmp_path):
    presets.find("texture-brick")
    presets.find("*-coral")
    assert not server.asked and not cached(tmp_path)


def test_wildcards_find_the_one_preset_of_the_server(server):
    with pytest.raises(ValueError, match=r"of one preset\. .*tiny-moss, tiny-sand"):
        presets.find("tiny-*")
    assert presets.find("tiny-m*").name == "tiny-moss"
    assert presets.find("tiny-*").name == "tiny-moss"  # what is at hand goes before


def test_an_unknown_name_is_guessed_among_the_servers_too(server, tmp_path):
    with pytest.raises(ValueError, match=r"did you mean tiny-sand\?"):
        presets.find("tiny-sandy")
    assert not cached(tmp_path)


def longer(content):
    return content, len(content) + 100


def flipped(content):
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:], len(content)


def test_a_changed_byte_of_any_file_is_refused_by_name(server, published, tmp_path):
    names = sorted(p.name for p in (published / "tiny-moss").iterdir())
    assert len(names) >= 5
    for name in names:
        content = (published / "tiny-moss" / name).read_bytes()
        server.wrong = {f"/tiny-moss/{name}": flipped(content)}
        with pytest.raises(ValueError, match=f"Expected tiny-moss/{name} .*other content"):
            presets.find("tiny-moss")
        assert not cached(tmp_path)


@pytest.mark.parametrize("name", ["model.weights.h5", "README.md"])
def test_a_truncated_download_is_refused_by_name(name, server, published, tmp_path):
    content = (published / "tiny-moss" / name).read_bytes()
    for wrong in (longer(content), (content[:-9], len(content) - 9)):
        server.wrong = {f"/tiny-moss/{name}": wrong}
        with pytest.raises(ValueError, match=f"Expected tiny-moss/{name} from .*try again"):
            presets.find("tiny-moss")
        assert not cached(tmp_path)


def test_a_missing_file_is_refused_by_name(server, published, tmp_path):
    index = json.loads((published / "index.json").read_text())
    index["tiny-moss/zero.txt"] = "0" * 64
    body = json.dumps(index).encode()
    server.wrong = {"/index.json": (body, len(body))}
    with pytest.raises(ValueError, match=r"Expected tiny-moss/zero\.txt .*404"):
        presets.find("tiny-moss")
    assert not cached(tmp_path)


def test_weights_that_the_index_leaves_out_are_refused(server, published, tmp_path):
    index = json.loads((published / "index.json").read_text())
    del index["tiny-moss/model.weights.h5"]
    body = json.dumps(index).encode()
    server.wrong = {"/index.json": (body, len(body))}
    with pytest.raises(ValueError, match=r"the file model\.weights\.h5"):
        presets.find("tiny-moss")
    assert not cached(tmp_path)


DIGEST = hashlib.sha256(b"").hexdigest()
ODD = ["tiny-moss/../../config.json", "/etc/passwd", "../a/config.json", "a//b", "a/./b", "C:/a",
       "tiny-moss/..", "tiny-moss\\..\\a", "tiny-moss/a\n", "tiny-moss/a\0", "",
       "tiny-moss/config.json/a", "tiny-moss/index.json"]  # fmt: skip
INDICES = [json.dumps({name: DIGEST, "tiny-moss/config.json": DIGEST}).encode() for name in ODD]


@pytest.mark.parametrize(("content", "message"), [
    (b"<html>Welcome</html>", r"index\.json in JSON"),
    (b'{"tiny-moss/config.json": ', r"index\.json in JSON"),
    (b"\xff\xfe", r"index\.json in JSON"),
    (b"[" * 100_000, r"index\.json in JSON"),
    (b'["tiny-moss/config.json"]', "table of SHA-256s"),
    (b'{"tiny-moss/config.json": 7}', "the SHA-256 of tiny-moss/config.json"),
    (b'{"tiny-moss/config.json": "ABC"}', "the SHA-256 of tiny-moss/config.json"),
    *[(index, "names of files within") for index in INDICES],
])  # fmt: skip
def test_an_index_that_is_none_is_refused(content, message, server, tmp_path, published):
    server.wrong = {"/index.json": (content, len(content))}
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=message) as caught:
        presets.find("tiny-moss")
    assert "GENCONV_URL" in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("url", "message"), [
    ("http://127.0.0.1:9", r"Expected index\.json from http://127\.0\.0\.1:9/index\.json"),
    ("http://127.0.0.1:9\n", "did you mean texture-brick"),
    ("ftp://127.0.0.1", "Expected GENCONV_URL such as"),
    ("file:///tmp", "Expected GENCONV_URL such as"),
    ("127.0.0.1", "Expected GENCONV_URL such as"),
    ("http://[", "Expected GENCONV_URL such as"),
    ("{server}/nowhere", r"index\.json.*404"),
    ("", "GENCONV_URL names a server, and it is not set"),
])  # fmt: skip
def test_no_such_server_in_one_line(url, message, server, tmp_path, monkeypatch, capsys):
    here = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("GENCONV_URL", url.format(server=here))
    with pytest.raises(ValueError, match=message):
        presets.find("texture-brik")
    assert main(["sample", "texture-brik", "--output", str(tmp_path / "out")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not cached(tmp_path) and not (tmp_path / "out").exists()


def test_an_interrupted_download_leaves_nothing(server, tmp_path, monkeypatch):
    asked = []

    def get_file(name, *_, **__):
        asked.append(name)
        raise KeyboardInterrupt

    monkeypatch.setattr("keras.utils.get_file", get_file)
    with pytest.raises(KeyboardInterrupt):
        presets.find("tiny-moss")
    assert asked and not cached(tmp_path)


@pytest.mark.parametrize("sent", [0, 100])
def test_a_server_that_stalls_is_given_up(sent, server, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "PATIENCE", 0.5)
    server.stalled["/tiny-moss/model.weights.h5"] = sent
    with pytest.raises(ValueError, match=r"Expected tiny-moss/model.weights.h5 .*timed out"):
        presets.find("tiny-moss")
    assert not cached(tmp_path) and socket.getdefaulttimeout() is None


def test_a_cache_that_cannot_be_written_is_refused(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENCONV_HOME", str(tmp_path / "file"))
    with pytest.raises(ValueError, match=r"Expected a folder to write to.*GENCONV_HOME"):
        presets.find("tiny-moss")


@pytest.mark.parametrize("name", ["README.md", "model.weights.h5", "config.json", "metadata.json"])
@pytest.mark.parametrize("how", ["flip", "remove"])
def test_a_preset_that_changed_in_the_cache_is_refused(name, how, server, published, monkeypatch):
    path = presets.find("tiny-moss") / name
    if how == "flip":
        path.write_bytes(flipped(path.read_bytes())[0])
    else:
        path.unlink()
    monkeypatch.delenv("GENCONV_URL")
    with pytest.raises(ValueError, match=f"{name}.*remove .*tiny-moss to download it again"):
        gct.GenerativeConvNet.from_preset("tiny-moss")


def test_names_that_lead_elsewhere_never_reach_the_server(server):
    for name in ("../tiny-moss", "/tiny-moss", ".", ".hidden", "tiny-moss/1"):
        with pytest.raises(ValueError, match="Expected a preset folder or one of"):
            presets.find(name)
    assert not server.asked


def test_the_servers_presets_are_listed_when_asked(server, published, monkeypatch):
    assert "tiny-moss" not in catalogue.list_presets() and not server.asked
    found = catalogue.list_presets("tiny-*", remote=True)
    sizes = {name: sum(p.stat().st_size for p in (published / name).rglob("*") if p.is_file())
             for name in ("tiny-moss", "tiny-sand")}  # fmt: skip
    assert {name: row["bytes"] for name, row in found.items()} == sizes
    row = found["tiny-moss"]
    assert (row["where"], row["kind"], row["summary"]) == ("remote", "image", "Small.")
    presets.find("tiny-moss")
    where = {name: row["where"] for name, row in catalogue.list_presets("*", remote=True).items()}
    assert (where["tiny-moss"], where["tiny-sand"]) == ("cached", "remote")
    assert where["texture-brick"] == "shipped"
    monkeypatch.delenv("GENCONV_URL")
    assert list(catalogue.list_presets("tiny-*")) == ["tiny-moss"]
    with pytest.raises(ValueError, match="GENCONV_URL"):
        catalogue.list_presets(remote=True)


def test_the_command_lists_a_server_without_tensorflow(server):
    program = (
        "import sys; from genconv_tf.cli.main import main; main(['list', '--remote', 'tiny-m*']);"
        "sys.exit('tensorflow' in sys.modules or 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "tiny-moss" in line]
    assert line.split()[:2] == ["tiny-moss", "image"] and "remote" in line and "CC0-1.0" in line


CUT = """
import sys
tries = []
def hook(event, args):
    if event.startswith("socket."):
        # Libraries make a socket while they are imported to learn whether they could.
        tries.extend([event] * (event in ("socket.connect", "socket.getaddrinfo")))
        raise OSError("the network is cut")
sys.addaudithook(hook)
import genconv_tf as gct
model = gct.GenerativeConvNet.from_preset("sound-rain")
assert model.sample(1, size=4096, steps=1).shape == (1, 4096, 1)
assert "sound-rain" in gct.list_presets() and not tries
try:
    gct.GenerativeConvNet.from_preset("sound-of-nothing")
except ValueError as error:
    assert "the network is cut" in str(error), error
assert tries  # so that a socket would have been seen
"""


def test_shipped_presets_need_no_socket(server):
    done = subprocess.run([sys.executable, "-c", CUT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not server.asked
