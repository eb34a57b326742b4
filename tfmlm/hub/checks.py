"""What has to be true before training starts: token, permission, network, repository.

Runs in the worker process.
"""

from __future__ import annotations

import base64
import contextlib
from typing import Any
from urllib.parse import quote

import requests
from huggingface_hub.utils import HfHubHTTPError, RepositoryNotFoundError, get_session

from tfmlm.hub.http_transport import Api, classify
from tfmlm.hub.remote import DEFAULT_BRANCH, HubFailure


def check(
    endpoint: str,
    name: str,
    token: str,
    *,
    private: bool | None = None,
    branch: str = DEFAULT_BRANCH,
) -> dict[str, Any]:
    """Creates the repository and the branch where they are missing, and proves that we may push.

    Args:
        name: `user/model`, or `model` for the token's own namespace.
        private: whether a new repository is private; `True` refuses a public one that exists.

    Returns:
        `repo_id`.

    Raises:
        HubFailure: with one line that says what to do.
    """
    api = Api(endpoint=endpoint, token=token, library_name="tfmlm")
    user = _who(api, endpoint)
    repo_id = name if "/" in name else f"{user}/{name}"
    info = _create(api, repo_id, private, user, endpoint)
    if private and info is not None and info.private is False:
        raise HubFailure(
            "setting",
            f"repository {repo_id} exists and is public; make it private in its settings, choose "
            "another hub_model_id, or leave hub_private_repo out",
        )
    if branch != DEFAULT_BRANCH:
        api.create_branch(repo_id, branch=branch, exist_ok=True)
    _prove_permission(endpoint, repo_id, token, user)
    _require_commit_api(endpoint, repo_id, branch, token)
    return {"repo_id": repo_id}


def _who(api: Api, endpoint: str) -> str:
    try:
        answer = api.whoami()
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            raise HubFailure(
                "token",
                f"the Hub at {endpoint} refuses the token ({status}); make a new one with write "
                f"permission at {endpoint}/settings/tokens and log in with `hf auth login`",
            ) from None
        if status == 404:
            raise HubFailure("setting", f"{endpoint} is not a Hub; check HF_ENDPOINT") from None
        raise
    token = (answer.get("auth") or {}).get("accessToken") or {}
    if token.get("role") == "read":
        raise HubFailure(
            "permission",
            f"the token of {answer['name']} can only read; make one with write permission at "
            f"{endpoint}/settings/tokens",
        )
    return str(answer["name"])


def _create(api: Api, repo_id: str, private: bool | None, user: str, endpoint: str) -> Any:
    """Creates the repository if need be; its description, or None where the Hub gives none."""
    with contextlib.suppress(RepositoryNotFoundError):
        return api.repo_info(repo_id)
    try:
        api.create_repo(repo_id, private=bool(private), exist_ok=True)
    except HfHubHTTPError as error:
        if getattr(error.response, "status_code", None) in (401, 403):
            raise HubFailure(
                "permission",
                f"{user} may not create {repo_id} at {endpoint}; use a name below {user}/, or a "
                "token with write permission there",
            ) from None
        raise
    with contextlib.suppress(HfHubHTTPError):
        return api.repo_info(repo_id)
    return None


def _prove_permission(endpoint: str, repo_id: str, token: str, user: str) -> None:
    """Asks for what a `git push` asks for first; it changes nothing."""
    basic = base64.b64encode(f"user:{token}".encode()).decode()
    response = get_session().get(
        f"{endpoint}/{repo_id}.git/info/refs",
        params={"service": "git-receive-pack"},
        headers={"Authorization": f"Basic {basic}"},
    )
    if response.status_code in (401, 403):
        raise HubFailure(
            "permission",
            f"{user} may not push to {repo_id} ({response.status_code}); ask its owner for write "
            f"permission, use a token that has it, or choose another hub_model_id",
        )


def _require_commit_api(endpoint: str, repo_id: str, branch: str, token: str) -> None:
    """Asks what a commit asks first; it changes nothing."""
    response = get_session().post(
        f"{endpoint}/api/models/{repo_id}/preupload/{quote(branch, safe='')}",
        json={"files": [{"path": "config.json", "sample": "", "size": 0}]},
        headers={"Authorization": f"Bearer {token}"},
    )
    if response.status_code in (404, 405, 501):
        raise HubFailure(
            "setting",
            f"{endpoint} does not offer the Hub's commit API ({response.status_code}), so nothing "
            "can be pushed to it; check HF_ENDPOINT",
        )
    if response.status_code >= 400:
        error = requests.HTTPError(response=response)
        raise classify(error, endpoint)
