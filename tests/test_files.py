"""Files and folders appear whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tfmlm.errors import UserError
from tfmlm.files import atomic_folder, atomic_write, require_writable_folder, write_json


def test_a_file_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    with atomic_write(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_a_failure_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "1"
    with pytest.raises(RuntimeError), atomic_folder(target) as temporary:
        (temporary / "a").write_text("a")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic_folder(target) as temporary:
        (temporary / "a").write_text("a")
    assert (target / "a").read_text() == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_folder_is_replaced_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "1"
    target.mkdir()
    with pytest.raises(FileExistsError), atomic_folder(target):
        pass
    (target / "old").write_text("old")
    with atomic_folder(target, overwrite=True) as temporary:
        (temporary / "new").write_text("new")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_json_is_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": "é", "a": 1})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1, "b": "é"}
    assert "é" in (tmp_path / "x.json").read_text()


def test_a_folder_that_is_a_file_or_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UserError, match="is a file"):
        require_writable_folder(file)
    with pytest.raises(UserError, match="cannot write"):
        require_writable_folder(file / "below")
    with pytest.raises(UserError, match="cannot write"):
        require_writable_folder("/proc/tfmlm")
