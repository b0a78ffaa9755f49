"""Files and folders that appear whole or not at all, whoever else writes there."""

import os

import pytest

from genconv_tf import files


def fill(folder, replace=False, text="new"):
    with files.whole_folder(folder, replace) as partial:
        (partial / "a").mkdir()
        (partial / "a" / "b.txt").write_text(text)


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    fill(tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk" / "a" / "b.txt").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "out"]


def test_the_folder_that_a_shell_is_in_is_filled_and_stays_what_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = os.stat(".").st_ino
    fill(".")
    fill(".", replace=True, text="newer")
    assert os.stat(".").st_ino == before
    assert os.listdir(".") == ["a"] and (tmp_path / "a" / "b.txt").read_text() == "newer"


def test_nothing_is_half_written_where_a_folder_cannot_give_way(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").write_text("kept")
    moved, move = [], files.shutil.move

    def fails(source, target):
        if moved:
            raise OSError("no space left")
        moved.append(move(source, target))

    monkeypatch.setattr(files.shutil, "move", fails)
    with (
        pytest.raises(OSError, match="no space left"),
        files.whole_folder(".", replace=True) as partial,
    ):
        (partial / "a").write_text("first")
        (partial / "b").write_text("second")
    assert moved and os.listdir(".") == ["kept"]


def test_of_two_that_fill_one_folder_the_later_is_refused(tmp_path):
    folder = tmp_path / "out"
    with (
        pytest.raises(ValueError, match="Expected a new or empty folder"),
        files.whole_folder(folder) as partial,
    ):
        fill(folder, text="first")
        (partial / "b.txt").write_text("second")
    assert (folder / "a" / "b.txt").read_text() == "first"
    assert os.listdir(tmp_path) == ["out"]


def test_two_processes_may_write_one_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    with files.whole_file(path) as one:
        with open(one, "w") as file:
            file.write("first")
        monkeypatch.setattr(files.os, "getpid", lambda: 1)
        files.write_text(path, "second")
        assert path.read_text() == "second"
    assert path.read_text() == "first" and os.listdir(tmp_path) == ["a.txt"]
