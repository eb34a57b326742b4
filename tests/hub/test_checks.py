"""What is found before training: one clear line each, and nothing is created or trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hub.small import TOKEN
from tests.hub_server import LoopbackHub
from tfmlm.errors import UserError
from tfmlm.hub.delivery import check_target


def refused(tmp_path: Path, **options: object) -> str:
    """The one line with which `PushToHub` refuses to start."""
    import tfmlm

    arguments = {"hub_model_id": "ada/model", "hub_timeout": 2.0, **options}
    with pytest.raises(UserError) as caught:
        tfmlm.PushToHub(tmp_path / "out", **arguments)
    line = str(caught.value)
    assert "\n" not in line and TOKEN not in line and 20 < len(line) < 260
    return line


def test_no_token(hub, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    line = refused(tmp_path)
    assert "no token" in line and "hf auth login" in line and "HF_TOKEN" in line
    assert hub.requests == []


@pytest.mark.parametrize("token", ["hf_with\nnewline_in_it", "hf_ünicode_in_it", "two words"])
def test_a_token_that_cannot_be_one(hub, tmp_path, token):
    line = refused(tmp_path, hub_token=token)
    assert "copy it again" in line and token not in line
    assert hub.requests == []


def test_a_bad_token(hub, tmp_path):
    line = refused(tmp_path, hub_token="hf_nobodysTokenAtAll012345")
    assert "refuses the token (401)" in line and "/settings/tokens" in line
    assert "hf_nobodys" not in line


def test_a_token_that_can_only_read(hub, tmp_path):
    hub.add_user("ada", TOKEN, "read")
    assert "can only read" in refused(tmp_path)
    assert "ada/model" not in hub.repositories


def test_no_permission_to_create(hub, tmp_path):
    assert "ada may not create bob/model" in refused(tmp_path, hub_model_id="bob/model")


def test_no_permission_to_push(hub, tmp_path):
    hub.create("bob/model")
    assert "ada may not push to bob/model" in refused(tmp_path, hub_model_id="bob/model")


def test_a_public_repository_is_not_taken_for_a_private_one(hub, tmp_path):
    hub.create("ada/model")
    assert "exists and is public" in refused(tmp_path, hub_private_repo=True)


def test_no_network(hub, tmp_path):
    hub.stop()
    assert f"cannot reach the Hub at {hub.url} (connection refused)" in refused(tmp_path)


def test_a_name_that_does_not_resolve(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid:1")
    assert "cannot reach the Hub at http://hub.invalid:1" in refused(tmp_path)


def test_a_hub_that_hangs(hub, tmp_path):
    hub.fault("whoami", "freeze")
    assert f"the Hub at {hub.url} did not answer for 2 s" in refused(tmp_path)


def test_an_address_that_is_no_hub(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.url}/nothing/here")
    assert "is not a Hub; check HF_ENDPOINT" in refused(tmp_path)


def test_a_hub_that_is_down_for_a_moment_is_asked_again(hub):
    hub.fault("whoami", "status", times=2, status=503)
    assert check_target("ada/model", TOKEN).repo_id == "ada/model"


def test_a_hub_that_stays_down(hub, tmp_path):
    hub.fault("whoami", "status", times=100, status=503)
    assert "the Hub answered 503" in refused(tmp_path)


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_mode(hub, tmp_path, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    assert f"{variable} is set" in refused(tmp_path)


@pytest.mark.parametrize("name", ["a/b/c", "ada/mo--del", "ada/mo del", "ada/model.git"])
def test_a_name_that_no_repository_can_have(hub, tmp_path, name):
    assert refused(tmp_path, hub_model_id=name).startswith("hub_model_id: ")
    assert hub.requests == []


@pytest.mark.parametrize("step", ["whoami", "create", "git_refs", "preupload"])
def test_a_hub_that_redirects_to_another_host(hub, tmp_path, step):
    hub.fault(step, "redirect", to="https://elsewhere.invalid/")
    line = refused(tmp_path)
    assert f"{hub.url} redirects to https://elsewhere.invalid" in line and "HF_ENDPOINT" in line


def test_a_redirect_on_the_same_host_is_followed(hub):
    """The Hub does so where a repository was renamed."""
    hub.fault("whoami", "redirect", to=f"{hub.url}/api/whoami-v2?moved")
    assert check_target("ada/model", TOKEN).repo_id == "ada/model"


@pytest.mark.parametrize(
    ("step", "body"), [("whoami", "{}"), ("whoami", "<html>"), ("info", "null"), ("create", "[]")]
)
def test_an_answer_that_no_hub_gives(hub, tmp_path, step, body):
    hub.fault(step, "answer", body=body)
    line = refused(tmp_path)
    assert f"{hub.url} is not a Hub" in line and "HF_ENDPOINT" in line


def test_a_hub_without_the_commit_api(hub, tmp_path):
    hub.offers_commit_api = False
    line = refused(tmp_path)
    assert "does not offer the Hub's commit API (404)" in line and "HF_ENDPOINT" in line


def test_no_program_is_needed(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check_target("ada/model", TOKEN).repo_id == "ada/model"


def test_an_output_folder_that_is_a_file(hub, tmp_path):
    (tmp_path / "out").write_text("")
    assert "is a file" in refused(tmp_path)


def test_what_the_checks_leave_on_the_hub(hub: LoopbackHub):
    target = check_target("model", TOKEN, private=True, branch="dev")
    assert target.repo_id == "ada/model"
    repository = hub.repositories["ada/model"]
    assert repository.private
    assert repository.head("dev") == repository.head("main")
    assert repository.log() == ["initial commit"]
