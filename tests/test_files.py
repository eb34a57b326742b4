"""Files and folders appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tfmlm import files
from tfmlm.errors import UserError
from tfmlm.files import (
    atomic_folder,
    atomic_write,
    folder_in_use,
    read_json,
    remove_leftovers,
    require_space,
    require_writable_folder,
    staged,
    undo_folders,
    write_json,
)


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


def test_the_modes_are_those_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "file") as temporary:
            temporary.write_text("new")
        with atomic_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert modes == {"file": 0o640, "folder": 0o750}


def test_staged_files_replace_whole_files_or_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with staged(tmp_path) as stage:
        (stage / "a").write_text("new")
        (stage / "deep").mkdir()
        (stage / "deep" / "b").write_text("b")
        assert (tmp_path / "a").read_text() == "old"
    assert (tmp_path / "a").read_text() == "new" and (tmp_path / "deep/b").read_text() == "b"
    with pytest.raises(KeyboardInterrupt), staged(tmp_path) as stage:
        (stage / "a").write_text("half")
        raise KeyboardInterrupt
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "deep"]
    assert (tmp_path / "a").read_text() == "new"


HOLD = """
import sys, time
from tfmlm.files import atomic_folder, atomic_write, staged
way = {"file": atomic_write, "folder": atomic_folder, "staged": staged}[sys.argv[1]]
with way(__import__("pathlib").Path(sys.argv[2])) as temporary:
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("way", ["file", "folder", "staged"])
def test_a_killed_process_leaves_nothing_and_a_living_one_loses_nothing(
    way: str, tmp_path: Path
) -> None:
    target = tmp_path if way == "staged" else tmp_path / "x"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, way, target], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    held = list(tmp_path.iterdir())
    assert len(held) == 1
    write_json(tmp_path / "other.json", 1)
    assert held[0].exists(), "the folder of a process at work was taken away"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert held[0].exists()
    write_json(tmp_path / "other.json", 1)
    assert [p.name for p in tmp_path.iterdir()] == ["other.json"]


def test_leftovers_of_older_names_go_and_other_files_stay(tmp_path: Path) -> None:
    for name in (".tmp-abcd_123", ".tmp-save-abcd_123", ".tmp-push-abcdefgh"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("half")
    (tmp_path / ".tmp-a1b2c3d4.safetensors").write_bytes(b"half")
    kept = {".tmp-notes", ".tmp-3", "tmp-abcdefgh", "model.safetensors"}
    for name in kept:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".tmp-linklink").symlink_to(tmp_path / "model.safetensors")
    remove_leftovers(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == kept | {".tmp-linklink"}
    remove_leftovers(tmp_path / "nowhere")


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_under_replacement_is_never_lost(
    exchange: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at any moment of a replacement: the old one or the new one is there afterwards."""
    if not exchange:  # as on a file system that cannot exchange names
        monkeypatch.setattr(files, "_renameat2", lambda: None)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "old").touch()
    with atomic_folder(tmp_path / "1", overwrite=True) as temporary:
        (temporary / "new").touch()
    assert [p.name for p in (tmp_path / "1").iterdir()] == ["new"]
    half = tmp_path / ".tmp-abcdefgh"  # what is there between the two renames
    (half / ".replaced").mkdir(parents=True)
    (tmp_path / "1").rename(half / ".replaced" / "1")
    (half / "1").mkdir()
    remove_leftovers(tmp_path)
    assert [p.name for p in (tmp_path / "1").iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["1"]
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "1"):
        pass


def test_a_folder_is_one_process_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with folder_in_use(folder, "taken"):
        with pytest.raises(UserError, match="taken"), folder_in_use(folder, "taken"):
            pass
        write_json(folder / "x.json", 1)
    with folder_in_use(folder, "taken"):
        pass
    assert [p.name for p in folder.iterdir()] == ["x.json"]


def test_folders_made_for_nothing_go(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(ZeroDivisionError), undo_folders(tmp_path / "a" / "b" / "c"):
        (tmp_path / "a" / "b" / "c").mkdir(parents=True)
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == [tmp_path / "a"] and not list((tmp_path / "a").iterdir())


def test_too_little_space_is_said_in_numbers(tmp_path: Path) -> None:
    require_space(tmp_path, 1, "a byte")
    with pytest.raises(
        UserError, match=r"not enough space in .* for a moon: 9,000,000,000,000\.0 MB"
    ):
        require_space(tmp_path, 9 * 10**18, "a moon")


def test_a_full_disk_is_recognised_by_number_and_by_words() -> None:
    try:
        raise ValueError("cannot save") from OSError(errno.ENOSPC, "full")
    except ValueError as error:
        assert files.disk_is_full(error)
    assert files.disk_is_full(RuntimeError("x.data; No space left on device"))
    assert not files.disk_is_full(OSError(errno.EACCES, "no"))


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a":' * 100_000, "1" * 5000, "\x00"])
def test_json_that_nobody_wrote_is_a_value_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011
        read_json(tmp_path / "x.json")
