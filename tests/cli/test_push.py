"""`tfmlm push`: exit codes, one line on stderr, results on stdout."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.hub.conftest import finished, folder, hub  # noqa: F401
from tests.hub.small import TOKEN


def push(*arguments):
    command = [sys.executable, "-m", "tfmlm", "push", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_it_says_where_the_folder_is_now(hub, folder):  # noqa: F811
    done = push(folder, "--hub_model_id", "ada/model")
    assert done.returncode == 0, done.stderr
    commit = hub.repositories["ada/model"].head()
    assert done.stdout == f"{hub.url}/ada/model: 9 files at commit {commit[:7]} (9 of them new)\n"
    assert done.stderr == ""


def test_json(hub, folder):  # noqa: F811
    done = push(folder, "--hub_model_id", "ada/model", "--json", "--hub_revision", "v1")
    answer = json.loads(done.stdout)
    assert answer["repo_id"] == "ada/model" and answer["branch"] == "v1"
    assert answer["commit"] == hub.repositories["ada/model"].head("v1")
    assert "model.safetensors" in answer["files"] and answer["kept"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: folder"),
        (["FOLDER", "--hub_timeout", "0"], "above 0"),
        (["FOLDER", "--hub_timeout", "soon"], "no number of seconds"),
        (["nowhere"], "no folder nowhere"),
        (["FOLDER", "--hub_model_id", "bob/model"], "ada may not create bob/model"),
        (["FOLDER", "--hub_token", "hf_nobodysToken0123"], "refuses the token (401)"),
        (["FOLDER", "--export_dir", "nowhere"], "no folder nowhere"),
    ],
)
def test_user_errors_are_one_line_and_2(hub, folder, arguments, said):  # noqa: F811
    done = push(*[folder if argument == "FOLDER" else argument for argument in arguments])
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and said in done.stderr and done.stdout == ""


def test_what_does_not_arrive_is_3_and_the_line_says_how_to_send_it(hub, folder):  # noqa: F811
    hub.fault("commit", "status", times=100, status=403, message="storage is full")
    done = push(folder, "--hub_model_id", "ada/model")
    assert done.returncode == 3 and done.stdout == ""
    line = done.stderr.strip()
    assert "\n" not in line and "storage is full" in line and TOKEN not in line
    command = line.split("send it with: tfmlm push ")[1].split()
    hub.faults.clear()
    assert push(*command).returncode == 0


def test_no_hub_is_3(hub, folder):  # noqa: F811
    hub.stop()
    done = push(folder, "--hub_model_id", "ada/model")
    assert done.returncode == 3 and "cannot reach the Hub" in done.stderr
    assert done.stderr.count("\n") == 1
