"""Presets by name and pattern, with nothing but what is at hand."""

import json

import pytest

import genconv_tf as gct
from genconv_tf import catalogue, presets
from genconv_tf.cli.main import main
from genconv_tf.resources import resource


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.delenv("GENCONV_URL", raising=False)
    monkeypatch.setenv("GENCONV_HOME", str(tmp_path / "home"))


def test_every_shipped_preset_is_listed_with_what_its_metadata_says():
    found = gct.list_presets()
    folders = {path.parent.name: path.parent
               for path in resource("saved_models").glob("*/metadata.json")}  # fmt: skip
    assert list(found) == sorted(folders)
    for name, folder in folders.items():
        meta, row = json.loads((folder / "metadata.json").read_text()), found[name]
        assert row["kind"] == {1: "sound", 2: "image", 3: "video"}[meta["rank"]]
        assert (row["licence"], row["summary"]) == (meta["licence"], meta["summary"])
        assert row["bytes"] == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        assert row["where"] == "shipped" and row["size"] == meta["size"]


def test_patterns_choose_and_one_match_loads():
    textures = gct.list_presets("texture-*")
    assert "texture-brick" in textures and all(n.startswith("texture-") for n in textures)
    assert not gct.list_presets("nothing-*")
    assert presets.find("*-coral") == presets.find("texture-coral")
    with pytest.raises(ValueError, match=r"a pattern of one preset.*texture-brick, .*grass"):
        presets.find("texture-*")
    with pytest.raises(ValueError, match="Received: 'nothing-"):
        presets.find("nothing-*")


def test_a_misspelt_name_is_guessed():
    with pytest.raises(ValueError, match=r"did you mean texture-brick\?.*GENCONV_URL"):
        gct.GenerativeConvNet.from_preset("texture-brik")


def test_a_folder_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texture-brick").mkdir()
    (tmp_path / "texture-brick" / "config.json").write_text("{}")
    assert presets.find("texture-brick").resolve() == tmp_path / "texture-brick"


def test_a_damaged_preset_in_the_cache_is_listed_and_hides_no_other(tmp_path):
    folder = tmp_path / "home" / "presets" / "mine"
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text("{")
    (folder.parent / ".mine.part").mkdir()
    row = gct.list_presets("m*")["mine"]
    assert row["where"] == "cached" and row["kind"] is None
    assert ".mine.part" not in gct.list_presets()
    with pytest.raises(ValueError, match=r"with checksums.*remove .*mine"):
        gct.GenerativeConvNet.from_preset("mine")


def test_texts_cannot_steer_a_terminal():
    row = catalogue._row("a", "remote", {"rank": [2], "summary": "a\x1b[2J\n b", "licence": 7}, 1)
    assert (row["summary"], row["licence"], row["kind"]) == ("a[2J b", "7", None)


def test_the_command_shows_the_same(capsys):
    assert main(["list", "texture-*", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["presets"] == json.loads(json.dumps(gct.list_presets("texture-*")))
    assert set(said["recipes"]) >= {"texture-paper"} and "sound" not in said["recipes"]
    assert main(["list", "*-brick"]) == 0
    out = capsys.readouterr().out
    assert "Recipes" not in out and "shipped" in out and "texture-grass" not in out
    assert main(["list", "nothing"]) == 0
    assert "No recipe and no preset" in capsys.readouterr().out
    assert main(["list", "--remote"]) == 2
    assert "GENCONV_URL" in capsys.readouterr().err
