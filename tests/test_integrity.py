"""Whether a flipped bit of any published file is seen, and named."""

import json
import re
import shutil

import pytest

from genconv_tf import files, presets
from genconv_tf.export import ExportedModel
from genconv_tf.resources import resource

NAME = "sound-rain"
SHIPPED = resource("saved_models") / NAME
FILES = sorted(p.relative_to(SHIPPED).as_posix() for p in SHIPPED.rglob("*") if p.is_file())


@pytest.fixture
def copied(tmp_path):
    """A published preset with its SavedModel and an index, in a user's own folder."""
    folder = tmp_path / "own" / NAME
    shutil.copytree(SHIPPED, folder)
    presets.write_index(tmp_path / "own")
    return folder


def flip(path, bit=1):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= bit
    path.write_bytes(content)


def test_the_preset_has_every_kind_of_file():
    needed = {"config.json", "model.weights.h5", "metadata.json", "README.md", "samples.png",
              "sample.wav", "1/saved_model.pb", "1/fingerprint.pb", "1/assets.extra/metadata.json",
              "1/assets.extra/README.md", "1/assets.extra/tf_serving_warmup_requests"}  # fmt: skip
    assert needed < set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_of_any_file_is_refused_by_name(name, copied):
    presets.verify(copied)
    flip(copied / name)
    # Metadata that is no JSON any more cannot say anything else.
    said = f"Expected {re.escape(name)} (as published|with checksums)"
    with pytest.raises(ValueError, match=said):
        presets.verify(copied)
    if name.startswith("1/"):
        with pytest.raises(ValueError, match=said.replace("1/", "", 1)):
            ExportedModel(copied / "1")
    (copied / name).unlink()
    with pytest.raises(ValueError, match=re.escape(name)):
        presets.verify(copied)


ALONE = [n.removeprefix("1/") for n in FILES if n.startswith("1/") and n != "1/saved_model.pb"
         and n not in ("1/assets.extra/metadata.json", "1/assets.extra/README.md")]  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_a_saved_model_alone_is_held_against_its_own_metadata(name, tmp_path):
    shutil.copytree(SHIPPED / "1", tmp_path / "1")
    flip(tmp_path / "1" / name)
    with pytest.raises(ValueError, match=f"Expected {name} as published"):
        ExportedModel(tmp_path / "1")
    (tmp_path / "1" / name).unlink()
    with pytest.raises(ValueError, match=f"Expected the file {name}"):
        ExportedModel(tmp_path / "1")


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_files_that_metadata_does_not_list_are_refused(name, tmp_path):
    shutil.copytree(SHIPPED, tmp_path / NAME)
    path = tmp_path / NAME / "metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["sha256"][name]
    path.write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match=f"Expected the checksum of {name}"):
        presets.verify(tmp_path / NAME)
    path.write_text("[" * 10**5)
    with pytest.raises(ValueError, match="with checksums"):
        presets.verify(tmp_path / NAME)


def test_a_saved_model_without_checksums_is_refused(tmp_path):
    shutil.copytree(SHIPPED / "1", tmp_path / "1")
    (tmp_path / "1" / "assets.extra" / "metadata.json").unlink()
    with pytest.raises(ValueError, match="with checksums"):
        ExportedModel(tmp_path / "1")


def test_an_index_that_was_damaged_is_refused(copied):
    index = copied.parent / "index.json"
    index.write_text(index.read_text()[:-9])
    for load in (presets.verify, lambda folder: ExportedModel(folder / "1")):
        with pytest.raises(ValueError, match=r"Expected index\.json in JSON"):
            load(copied)


def test_an_index_without_the_preset_does_no_harm(copied):
    files.write_json(copied.parent / "index.json", {"name": "of something else"})
    presets.verify(copied)


def test_hidden_and_half_written_files_are_not_published(copied):
    (copied / ".DS_Store").write_text("x")
    (copied.parent / ".other.part").mkdir()
    (copied.parent / ".other.part" / "config.json").write_text("x")
    before = (copied.parent / "index.json").read_text()
    presets.write_index(copied.parent)
    assert (copied.parent / "index.json").read_text() == before
