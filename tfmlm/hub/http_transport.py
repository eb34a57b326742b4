"""Pushes through the Hub's HTTP commit API: no git, no git-lfs, no token on disk.

Runs in the worker process (see `worker`): it sets huggingface_hub's sessions for the process.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from huggingface_hub import CommitOperationAdd, HfApi, configure_http_backend
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tfmlm.hub.folder import CARD, LocalFile
from tfmlm.hub.remote import (
    PLANS,
    HubFailure,
    LastPush,
    Plan,
    PushReport,
    RemoteState,
    compare,
    make_plan,
)
from tfmlm.redaction import one_line

# Larger files go to LFS whatever their names: https://huggingface.co/docs/hub/storage-limits
_READ_AT_ONCE = 10 * 1024 * 1024
# Bodies above this are sent block by block, so that a timeout holds for a block, not for all.
_WHOLE_BODY = 64 * 1024


class ProgressMeter:
    """Tells the parent that something moved: bytes that were never sent before, or an answer."""

    def __init__(self, report: Callable[[int], None]) -> None:
        self._report = report
        self._furthest: dict[tuple[str, str], int] = {}
        self._answered: set[tuple[str, str]] = set()

    def sent(self, key: tuple[str, str], position: int) -> None:
        before = self._furthest.get(key, 0)
        if position > before:
            self._furthest[key] = position
            self._report(sum(self._furthest.values()))

    def answered(self, key: tuple[str, str]) -> None:
        if key not in self._answered:
            self._answered.add(key)
            self._report(sum(self._furthest.values()))


class _MeteredBody:
    """A file-like request body that reports how far it was read."""

    def __init__(self, body: Any, key: tuple[str, str], meter: ProgressMeter) -> None:
        self._body, self._key, self._meter = body, key, meter
        self._start = body.tell()

    def read(self, size: int = -1) -> bytes:
        block = self._body.read(size)
        self._meter.sent(self._key, self._body.tell() - self._start)
        return block

    def __iter__(self) -> Any:
        return iter(lambda: self.read(1 << 14), b"")

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._body.seek(offset, whence)

    def tell(self) -> int:
        return self._body.tell()


class _Session(requests.Session):
    """Every request has a timeout and reports its progress; the Hub may not send us elsewhere."""

    def __init__(self, endpoint: str, timeout: float, meter: ProgressMeter) -> None:
        super().__init__()
        self._endpoint, self._timeout, self._meter = endpoint, timeout, meter

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where an answer redirects to, or None.

        Raises:
            HubFailure: the Hub redirects to another host. (A storage that it names may do so.)
        """
        target = super().get_redirect_target(resp)
        if target is None or _origin(resp.url) != _origin(self._endpoint):
            return target
        there = urljoin(resp.url, target)
        if _origin(there)[1:] == _origin(resp.url)[1:] and not (
            _origin(resp.url)[0] == "https" and _origin(there)[0] != "https"
        ):
            return target
        raise HubFailure(
            "setting",
            f"the Hub at {self._endpoint} redirects to {there.split('?')[0][:100]}; "
            "set HF_ENDPOINT to the address that answers",
        )

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        key = (str(method), str(url))
        kwargs.setdefault("timeout", self._timeout)
        body = kwargs.get("data")
        if isinstance(body, bytes) and len(body) > _WHOLE_BODY:
            body = io.BytesIO(body)
        if hasattr(body, "read") and hasattr(body, "tell"):
            kwargs["data"] = _MeteredBody(body, key, self._meter)
        response = super().request(method, url, *args, **kwargs)
        if response.status_code < 400:
            self._meter.answered(key)
        return response


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of an address; the port is None where it is the scheme's own."""
    parts = urlsplit(url)
    own = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, None if parts.port == own else parts.port


def configure(endpoint: str, timeout: float, meter: ProgressMeter) -> None:
    """Sets the sessions of huggingface_hub in this process."""
    configure_http_backend(lambda: _Session(endpoint, timeout, meter))


class Api(HfApi):
    """huggingface_hub's API; tells a refused model card from a Hub that has no validator."""

    def _validate_yaml(self, content: str, **kwargs: Any) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                super()._validate_yaml(content, **kwargs)
        except requests.exceptions.JSONDecodeError:
            return  # a Hub without /api/validate-yaml
        except ValueError as error:
            raise HubFailure("card", one_line(str(error))) from None


class HttpTransport:
    """Pushes to one branch of one model repository."""

    def __init__(self, endpoint: str, repo_id: str, branch: str, token: str) -> None:
        self._api = Api(endpoint=endpoint, token=token, library_name="tfmlm")
        self._repo_id, self._branch = repo_id, branch

    def state(self) -> RemoteState:
        try:
            head = self._api.repo_info(self._repo_id, revision=self._branch).sha
        except RevisionNotFoundError:
            return RemoteState(None, {})
        listing = self._api.list_repo_tree(self._repo_id, recursive=True, revision=head)
        names = {
            item.path: item.lfs.sha256 if item.lfs else item.blob_id
            for item in listing
            if isinstance(item, RepoFile)
        }
        return RemoteState(head, names)

    def push(self, files: Sequence[LocalFile], message: str, last: LastPush | None) -> PushReport:
        """Commits what differs, on top of whatever is there, and compares the head with `files`.

        Raises:
            HubFailure: see `classify`.
        """
        reasons: dict[str, str] = {}
        done = Plan(())
        ours = None
        for _ in range(PLANS):
            remote = self.state()
            plan = make_plan(files, remote, last, skip=reasons)
            if not plan.send or remote.head == ours:
                return compare(files, remote, done.then(plan), reasons)
            operations = [_operation(file) for file in plan.send]
            try:
                made = self._api.create_commit(
                    self._repo_id,
                    operations,
                    commit_message=message,
                    parent_commit=remote.head,
                    revision=self._branch,
                )
            except HubFailure as failure:
                if failure.kind != "card":
                    raise
                reasons[CARD] = failure.message
                continue
            except HfHubHTTPError as error:
                if getattr(error.response, "status_code", None) in (409, 412):
                    continue  # a commit came in between: plan again on top of it
                raise
            done, ours = done.then(plan), made.oid
            for operation in operations:
                if getattr(operation, "_should_ignore", False):
                    path = operation.path_in_repo
                    reasons[path] = "ignored by the repository's .gitignore"
        raise HubFailure("conflict", "other commits kept coming in between")


def _operation(file: LocalFile) -> CommitOperationAdd:
    """A file of the snapshot as a part of a commit.

    A small one is read here, once, and judged; of a large one the Hub takes only what has the
    SHA-256 that is judged here.

    Raises:
        HubFailure: it is no longer what the snapshot held.
    """
    whole = file.size <= _READ_AT_ONCE
    try:
        content = Path(file.source).read_bytes() if whole else file.source
        operation = CommitOperationAdd(file.path, content)
    except (OSError, ValueError) as error:
        raise HubFailure("rejected", f"the copy of {file.path} is gone ({error})") from None
    if operation.upload_info.sha256.hex() != file.sha256:
        raise HubFailure("rejected", f"{file.path} was changed while it was pushed; push again")
    return operation


def classify(error: BaseException, endpoint: str) -> HubFailure:
    """What a failure of huggingface_hub or requests means for the user."""
    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__  # huggingface_hub wraps failures of an upload
    if isinstance(error, HubFailure):
        return error
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _classify_answer(error, error.response, endpoint)
    unread = (LookupError, TypeError, AttributeError, requests.exceptions.JSONDecodeError)
    if isinstance(error, unread):  # huggingface_hub reads answers without judging them first
        said = one_line(f"{type(error).__name__}: {error}", 100)
        return HubFailure(
            "setting",
            f"{endpoint} is not a Hub: its answer cannot be read ({said}); check HF_ENDPOINT",
        )
    if isinstance(error, requests.Timeout):
        return HubFailure("stalled", f"the Hub at {endpoint} does not answer")
    if isinstance(error, requests.ConnectionError):
        return HubFailure("unreachable", f"cannot reach the Hub at {endpoint} ({_cause(error)})")
    if isinstance(error, requests.RequestException):
        return HubFailure("unreachable", f"the connection to {endpoint} broke ({_cause(error)})")
    return HubFailure("rejected", one_line(f"{type(error).__name__}: {error}"))


def _classify_answer(
    error: requests.HTTPError, response: requests.Response, endpoint: str
) -> HubFailure:
    status = response.status_code
    said = one_line(getattr(error, "server_message", None) or response.reason or "", 160)
    if isinstance(error, (RepositoryNotFoundError, EntryNotFoundError)):
        return HubFailure("not_found", f"the repository is not on the Hub at {endpoint}, or hidden")
    if status == 401:
        return HubFailure("token", "the Hub refuses the token (401)")
    if status == 403:
        return HubFailure("permission", f"the Hub refuses the push (403: {said})")
    if status == 429 or status >= 500:
        return HubFailure("server", f"the Hub answered {status} ({said})", _retry_after(response))
    return HubFailure("rejected", f"the Hub refuses the push ({status}: {said})")


def _retry_after(response: requests.Response) -> float:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else 0.0


def _cause(error: BaseException) -> str:
    """The innermost reason: urllib3 wraps it in the retries it did not make."""
    text = str(error)
    for known in (
        "Connection refused",
        "Name or service not known",
        "Temporary failure in name resolution",
        "Network is unreachable",
        "No route to host",
        "Connection reset by peer",
        "Broken pipe",
        "Remote end closed connection without response",
        "CERTIFICATE_VERIFY_FAILED",
    ):
        if known in text:
            return known.lower() if known.isascii() and not known.isupper() else known
    return one_line(text, 120)
