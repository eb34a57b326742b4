"""What is pushed, and the still copy of it."""

from __future__ import annotations

import hashlib
import subprocess

import pytest

from tfmlm.errors import UserError
from tfmlm.hub.folder import (
    delete_old_snapshots,
    files_to_push,
    identify,
    in_place,
    snapshot,
    staged,
)


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
    assert identify("config.json", copy.copy / "config.json").sha256 == copied.sha256
    assert copied.sha256 != identify("config.json", folder / "config.json").sha256
    assert names(folder) == [file.path for file in copy.files]  # the copy is not found itself
    copy.delete()
    assert not list(folder.glob(".tmp-*"))


def test_a_folder_in_place_is_not_deleted(folder):
    in_place(files_to_push(folder)).delete()
    assert (folder / "config.json").exists()


def test_a_killed_runs_copy_is_deleted(folder):
    snapshot(files_to_push(folder), folder)
    delete_old_snapshots(folder)
    assert not list(folder.glob(".tmp-*"))


def test_staged_files_replace_whole_files_or_none(tmp_path):
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
