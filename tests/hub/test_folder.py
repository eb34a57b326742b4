"""What is pushed, and the still copy of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tfmlm.errors import UserError
from tfmlm.hub.folder import files_to_push, identify, snapshot


def names(folder, **options):
    return [name for name, _ in files_to_push(folder, **options)]


def test_a_checkpoint_and_nothing_else(folder):
    assert names(folder) == [
        "README.md",
        "config.json",
        "eval_results.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.png",
        "vocab.txt",
    ]


def test_shards_sentencepiece_and_merges(folder):
    further = [
        "LICENSE",
        "merges.txt",
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
        "spiece.model",
        "vocab.json",
    ]
    for name in further:
        (folder / name).write_bytes(b"x")
    assert set(names(folder)) >= set(further)


def test_what_is_never_pushed(folder):
    for name in (".git/config", ".tmp-push-1/config.json", ".tfmlm-hub.json", "deep/config.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "training_args.bin").write_bytes(b"pickle")
    assert names(folder) == names(folder, include=["deep/nothing*"])
    found = names(folder, include=["*.json", "deep/*"])
    assert "deep/config.json" in found
    assert not any(name.startswith(".") for name in found)
    with pytest.raises(UserError, match="may be a pickle"):
        files_to_push(folder, include=["*.bin"])


def test_the_names_that_git_and_lfs_give_a_content(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"some\x00thing" * 1000)
    file = identify("a", path)
    by_git = subprocess.run(["git", "hash-object", path], capture_output=True, check=True)
    assert file.blob == by_git.stdout.decode().strip()
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file.size == 10_000


def test_a_snapshot_stays_as_it_was(folder):
    copy = snapshot(files_to_push(folder), folder)
    (folder / "config.json").write_text("changed meanwhile")
    copied = {file.path: file for file in copy.files}["config.json"]
    assert identify("config.json", copy.copy.path / "config.json").sha256 == copied.sha256
    assert copied.sha256 != identify("config.json", folder / "config.json").sha256
    assert names(folder) == [file.path for file in copy.files]  # the copy is not found itself
    copy.delete()
    assert not list(folder.glob(".tmp-*"))


def test_a_read_only_folder_is_copied_elsewhere(folder, monkeypatch, tmp_path):
    """Root may write everywhere but where nobody may."""
    copy = snapshot(files_to_push(folder), Path("/proc"))
    assert {file.path for file in copy.files} == set(names(folder))
    assert not copy.copy.path.is_relative_to("/proc")
    copy.delete()
    assert not copy.copy.path.exists()


def test_a_file_that_does_not_stand_still_is_refused(folder):
    """Half a copy and the rest of another version would be a file that never was.

    The kernel's file of random names is a regular file that reads differently every time.
    """
    source = Path("/proc/sys/kernel/random/uuid")
    with pytest.raises(UserError, match="uuid is being written to; push again"):
        snapshot([("config.json", source)], folder)
    assert not list(folder.glob(".tmp-*"))


def _link(folder, target):
    (folder / "notes.txt").unlink(missing_ok=True)
    (folder / "notes.txt").symlink_to(target)


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.txt").write_text("mine alone")
    for target in ("/etc/passwd", "../secret/a.txt", secret / "a.txt"):
        _link(folder, target)
        with pytest.raises(UserError, match=r"notes\.txt is a link out of the folder"):
            files_to_push(folder, include=["*.txt"])
    _link(folder, "vocab.txt")
    inside = dict(files_to_push(folder, include=["*.txt"]))
    assert inside["notes.txt"].name == "vocab.txt"
    (folder / "figures").symlink_to(secret)
    with pytest.raises(UserError, match="figures is a link to a folder"):
        files_to_push(folder, include=["figures/*.txt"])
    assert "figures/a.txt" not in names(folder)
    export = tmp_path / "export"
    export.mkdir()
    (export / "1").symlink_to(secret)
    with pytest.raises(UserError, match="1 is a link to a folder"):
        files_to_push(folder, export_dir=export)


def test_what_became_a_link_or_a_pipe_after_it_was_chosen_is_refused(folder):
    chosen = files_to_push(folder, include=["notes.txt"])
    _link(folder, "/etc/passwd")
    with pytest.raises(UserError, match=r"notes\.txt is a link now"):
        snapshot(chosen, folder)
    (folder / "notes.txt").unlink()
    os.mkfifo(folder / "notes.txt")
    with pytest.raises(UserError, match=r"notes\.txt is no regular file"):
        snapshot(chosen, folder)
    (folder / "notes.txt").unlink()
    with pytest.raises(UserError, match=r"notes\.txt No such file"):
        snapshot(chosen, folder)
    assert not list(folder.glob(".tmp-*"))
