"""`push_folder`: what arrives, who else edits, and a fault at every step of the protocol."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.hub_server import LoopbackHub
from tfmlm.errors import NotDeliveredError, UserError
from tfmlm.hub.delivery import Backoff
from tfmlm.hub.push import push_folder

PUSHED = {
    "README.md",
    "config.json",
    "eval_results.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "training.png",
    "vocab.txt",
}
QUICK = Backoff(attempts=8, first=0.05, longest=0.1)


def local(folder: Path, names: set[str] = PUSHED) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


def remote(hub: LoopbackHub, repo_id: str, revision: str = "main") -> dict[str, bytes]:
    files = hub.content(repo_id, revision)
    del files[".gitattributes"]
    return files


def test_what_arrives_is_what_is_in_the_folder(hub, folder):
    done = push_folder(folder, "ada/model")
    assert remote(hub, "ada/model") == local(folder)
    assert set(done.files) == set(done.sent) == PUSHED
    assert done.commit == hub.repositories["ada/model"].head()
    assert hub.repositories["ada/model"].entries()["model.safetensors"].sha256, "not in LFS"
    assert hub.repositories["ada/model"].entries()["config.json"].sha256 is None


def test_a_file_that_changes_under_the_push_arrives_as_it_was(hub, folder):
    before = local(folder)
    go_on = threading.Event()
    asked = hub.fault("preupload", "delay", until=go_on, after=1)  # the checks ask for it once

    def change() -> None:
        while not asked.hits:
            time.sleep(0.02)
        with (folder / "config.json").open("a") as file:
            file.write("more")
        os.truncate(folder / "vocab.txt", 10)
        (folder / "training.png").unlink()
        (folder / "training.png").symlink_to("/etc/passwd")
        (folder / "model.safetensors").write_bytes(b"other weights")
        (folder / "tokenizer.json").unlink()
        go_on.set()

    changing = threading.Thread(target=change)
    changing.start()
    done = push_folder(folder, "ada/model")
    changing.join()
    assert remote(hub, "ada/model") == before and set(done.sent) == PUSHED
    assert not list(folder.glob(".tmp-*"))


def test_a_second_push_sends_only_what_changed(hub, folder):
    push_folder(folder, "ada/model")
    (folder / "eval_results.json").write_text("{}")
    hub.requests.clear()
    done = push_folder(folder, "ada/model")
    assert done.sent == ("eval_results.json",)
    assert "lfs_put" not in hub.requests
    again = push_folder(folder, "ada/model")
    assert again.sent == () and again.commit == done.commit


def test_a_private_repository_is_private(hub, folder):
    push_folder(folder, "ada/model", hub_private_repo=True)
    assert hub.repositories["ada/model"].private


def test_logs_export_and_further_files_on_request(hub, folder, tmp_path):
    export = tmp_path / "export" / "1"
    (export / "variables").mkdir(parents=True)
    (export / "saved_model.pb").write_bytes(b"graph")
    (export / "variables" / "variables.index").write_bytes(b"index")
    push_folder(
        folder, "ada/model", logs=True, export_dir=tmp_path / "export", include=["notes.txt"]
    )
    further = set(remote(hub, "ada/model")) - PUSHED
    assert further == {
        "export/1/saved_model.pb",
        "export/1/variables/variables.index",
        "logs/events.out.tfevents.1",
        "notes.txt",
    }


def test_a_file_over_ten_megabytes_goes_to_lfs(hub, folder):
    big = os.urandom(1 << 20) * 11
    (folder / "big.json").write_bytes(big)
    push_folder(folder, "ada/model", include=["big.json"])
    assert hub.repositories["ada/model"].entries()["big.json"].sha256
    assert remote(hub, "ada/model")["big.json"] == big


def test_large_files_go_up_in_parts_where_the_hub_asks_for_it(hub, folder):
    hub.multipart_part = 4096
    push_folder(folder, "ada/model")
    assert hub.requests.count("lfs_put") > 3
    assert remote(hub, "ada/model") == local(folder)


def test_a_branch_is_created_and_main_is_left_alone(hub, folder):
    push_folder(folder, "ada/model", hub_revision="v2")
    assert remote(hub, "ada/model", "v2") == local(folder)
    assert remote(hub, "ada/model", "main") == {}


def test_the_bare_name_goes_to_the_tokens_namespace_and_is_remembered(hub, folder):
    assert push_folder(folder, "model").repo_id == "ada/model"
    assert push_folder(folder).repo_id == "ada/model"
    assert push_folder(folder, "lab/model").repo_id == "lab/model"


# Somebody else edits meanwhile


def test_a_remote_that_is_ahead_is_built_upon(hub, folder):
    push_folder(folder, "ada/model")
    hub.commit_as_someone_else("ada/model", {"CITATION.cff": b"cite"}, {"old.h5": b"weights"})
    (folder / "eval_results.json").write_text("{}")
    push_folder(folder, "ada/model", commit_message="Mine")
    files = remote(hub, "ada/model")
    assert files.pop("CITATION.cff") == b"cite" and files.pop("old.h5") == b"weights"
    assert files == local(folder)
    assert hub.repositories["ada/model"].log()[:2] == ["Mine", "Somebody else's work"]


def test_a_card_edited_on_the_hub_is_kept_and_said(hub, folder, caplog):
    push_folder(folder, "ada/model")
    hub.commit_as_someone_else("ada/model", {"README.md": b"# By hand\n", "vocab.txt": b"x"})
    (folder / "README.md").write_text("# Generated anew\n")
    for _ in range(2):  # the second push must not take the edit for ours
        done = push_folder(folder, "ada/model")
        assert done.kept == ("README.md",)
        assert remote(hub, "ada/model")["README.md"] == b"# By hand\n"
    assert "README.md was edited" in caplog.text
    assert "vocab.txt had been changed" in caplog.text
    assert remote(hub, "ada/model")["vocab.txt"] == (folder / "vocab.txt").read_bytes()
    assert (folder / "README.md").read_text() == "# Generated anew\n"


def test_a_commit_that_comes_in_between_is_built_upon(hub, folder, monkeypatch):
    push_folder(folder, "ada/model")
    (folder / "eval_results.json").write_text("{}")
    repository, commit = hub.repositories["ada/model"], hub.repositories["ada/model"].commit

    def other_first(files, message, revision="main", parent=None, deleted=()):
        monkeypatch.setattr(repository, "commit", commit)
        hub.commit_as_someone_else("ada/model", {"other.txt": b"1"})
        return commit(files, message, revision, parent, deleted)

    monkeypatch.setattr(repository, "commit", other_first)
    push_folder(folder, "ada/model")
    assert remote(hub, "ada/model") == {**local(folder), "other.txt": b"1"}


def test_a_file_that_the_repository_ignores_is_said_to_be_missing(hub, folder):
    hub.create("ada/model")
    hub.commit_as_someone_else("ada/model", {".gitignore": b"*.png\n"})
    with pytest.raises(NotDeliveredError, match=r"training\.png \(ignored by .*\.gitignore"):
        push_folder(folder, "ada/model")
    assert set(remote(hub, "ada/model")) == PUSHED - {"training.png"} | {".gitignore"}


def test_a_refused_card_does_not_hold_the_weights_back(hub, folder):
    hub.rejected_cards = True
    with pytest.raises(NotDeliveredError, match=r"README\.md \(.*license.*\)"):
        push_folder(folder, "ada/model")
    assert set(remote(hub, "ada/model")) == PUSHED - {"README.md"}


# Faults at every step: nothing is lost

HTTP_STEPS = ("tree", "preupload", "lfs_batch", "lfs_put", "lfs_verify", "commit")


def push_with(hub: LoopbackHub, folder: Path, **options: Any) -> None:
    push_folder(folder, "ada/model", **{"backoff": QUICK, **options})


@pytest.mark.parametrize("kind", ["drop", "status", "half_body", "lose_answer"])
def test_a_fault_at_each_step_in_turn_is_overcome(hub, folder, kind):
    """Each attempt gets one step further."""
    for step in HTTP_STEPS:
        hub.fault(step, kind, status=503, after=step == "preupload")  # the checks ask for it once
    push_with(hub, folder)
    assert remote(hub, "ada/model") == local(folder)
    assert {fault.step: fault.hits for fault in hub.faults} == dict.fromkeys(HTTP_STEPS, 1)


@pytest.mark.parametrize("step", ["lfs_put", "commit"])
def test_a_frozen_hub_is_given_up_and_the_next_push_delivers(hub, folder, step):
    before = local(folder)
    hub.fault(step, "freeze")
    with pytest.raises(NotDeliveredError, match="did not answer for 2 s") as caught:
        push_with(hub, folder, hub_timeout=2)
    assert f"tfmlm push {folder} --hub_model_id ada/model" in str(caught.value)
    assert local(folder) == before and remote(hub, "ada/model") == {}
    hub.thaw()
    push_with(hub, folder)
    assert remote(hub, "ada/model") == before


@pytest.mark.parametrize("step", ["tree", "commit"])
def test_a_killed_hub_is_said_and_the_next_push_delivers(hub, folder, step):
    before = local(folder)
    hub.fault(step, "kill")
    with pytest.raises(NotDeliveredError, match="cannot reach the Hub .*connection refused"):
        push_with(hub, folder, backoff=Backoff(2, 0.05))
    assert local(folder) == before and remote(hub, "ada/model") == {}
    hub.start()
    push_with(hub, folder)
    assert remote(hub, "ada/model") == before


def test_a_hub_that_breaks_every_time_is_given_up_after_the_attempts(hub, folder):
    fault = hub.fault("commit", "status", times=100, status=500)
    with pytest.raises(NotDeliveredError, match="the Hub answered 500"):
        push_with(hub, folder, backoff=Backoff(3, 0.05))
    assert fault.hits == 3


@pytest.mark.parametrize(("status", "said"), [(403, "403"), (413, "413"), (401, "token")])
def test_a_refusal_is_not_repeated(hub, folder, status, said):
    fault = hub.fault("commit", "status", times=100, status=status)
    with pytest.raises(NotDeliveredError, match=said):
        push_with(hub, folder)
    assert fault.hits == 1


def test_a_slow_hub_that_moves_is_waited_for(hub, folder):
    for step in ("tree", "lfs_batch", "lfs_put", "commit"):
        hub.fault(step, "delay", seconds=1.2)
    push_with(hub, folder, hub_timeout=2)
    assert remote(hub, "ada/model") == local(folder)


# Folders


def test_no_folder_no_config_no_weights(hub, tmp_path):
    with pytest.raises(UserError, match="no folder"):
        push_folder(tmp_path / "nowhere", "ada/model")
    with pytest.raises(UserError, match=r"no config\.json"):
        push_folder(tmp_path, "ada/model")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        push_folder(tmp_path, "ada/model")
    assert hub.requests == []


def test_a_pickle_is_refused(hub, folder):
    (folder / "extra.pkl").write_bytes(b"")
    with pytest.raises(UserError, match=r"extra\.pkl may be a pickle"):
        push_folder(folder, "ada/model", include=["extra.*"])
    assert hub.requests == []
