"""A Hub on loopback: the HTTP API and LFS, with faults on demand.

Behind it are real git repositories and real LFS objects; huggingface_hub and transformers talk to
it as they talk to huggingface.co. Every request belongs to a step (`STEPS`),
and a `Fault` at a step delays it, freezes it, answers it with an error, cuts the connection before
or after the work is done, or kills the server.

    with LoopbackHub(tmp_path) as hub:
        hub.add_user("ada", "hf_adas_token")
        environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_adas_token", "HF_HUB_OFFLINE": "0"}
        hub.fault("commit", "lose_answer")
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.hub.request_handler import HubRequestHandler
from tests.hub.storage import BareRepository, LargeFiles, pointer_text

ID = r"(?P<id>[\w.-]+/[\w.-]+?)"
STEPS = {
    "whoami": ("GET", r"/api/whoami-v2"),
    "create": ("POST", r"/api/repos/create"),
    "validate_yaml": ("POST", r"/api/validate-yaml"),
    "info": ("GET", rf"/api/models/{ID}(/revision/(?P<revision>[^/]+))?"),
    "refs": ("GET", rf"/api/models/{ID}/refs"),
    "tree": ("GET", rf"/api/models/{ID}/tree/(?P<revision>[^/]+)(/(?P<path>.+))?"),
    "branch": ("POST", rf"/api/models/{ID}/branch/(?P<revision>[^/]+)"),
    "preupload": ("POST", rf"/api/models/{ID}/preupload/(?P<revision>[^/]+)"),
    "commit": ("POST", rf"/api/models/{ID}/commit/(?P<revision>[^/]+)"),
    "lfs_batch": ("POST", rf"/{ID}(\.git)?/info/lfs/objects/batch"),
    "lfs_verify": ("POST", r"/lfs/verify"),
    "lfs_put": ("PUT", r"/lfs/objects/(?P<oid>[0-9a-f]{64})"),
    "lfs_get": ("GET", r"/lfs/objects/(?P<oid>[0-9a-f]{64})"),
    "git_refs": ("GET", rf"/{ID}(\.git)?/info/refs"),
    "resolve": ("HEAD|GET", rf"/{ID}/resolve/(?P<revision>[^/]+)/(?P<path>.+)"),
}
PUSH_STEPS = ("tree", "preupload", "lfs_batch", "lfs_put", "lfs_verify", "commit")
FAULTS = (
    "delay",
    "freeze",
    "status",
    "redirect",
    "answer",
    "drop",
    "half_body",
    "lose_answer",
    "kill",
)


@dataclass
class User:
    name: str
    role: str = "write"
    organizations: tuple[str, ...] = ()

    def may_write(self, repo_id: str) -> bool:
        return self.role == "write" and self.may_read_private(repo_id)

    def may_read_private(self, repo_id: str) -> bool:
        return repo_id.split("/")[0] in (self.name, *self.organizations)


@dataclass
class Fault:
    """What goes wrong at a step.

    Attributes:
        kind: `delay` (work after `seconds`, or once `until` is set), `freeze` (no answer until
            `thaw`), `status` (answer `status`), `redirect` (to the address `to`), `answer` (200 and
            `body`), `drop` (cut the connection, nothing done),
            `half_body` (read half of the body, then cut), `lose_answer` (do the work, then cut),
            `kill` (after `seconds` the server is gone).
        times: how many requests it hits.
        after: how many requests go well before.
    """

    step: str
    kind: str
    times: float = 1
    after: int = 0
    seconds: float = 0.0
    until: threading.Event | None = None
    status: int = 500
    message: str = "broken on purpose"
    to: str = ""
    body: str = ""
    hits: int = 0


@dataclass
class LoopbackHub:
    """The server. `url` stays the same over `stop` and `start`."""

    root: Path
    offers_commit_api: bool = True
    multipart_part: int | None = None
    users: dict[str, User] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    rejected_cards: bool = False

    def __post_init__(self) -> None:
        self.large_files = LargeFiles(self.root / "lfs")
        self.repositories: dict[str, BareRepository] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.frozen = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    def __enter__(self) -> LoopbackHub:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.frozen.clear()
        handler = type("Handler", (HubRequestHandler,), {"hub": self})
        self._server = _Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stops listening and cuts every connection: what a killed server looks like."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        self.thaw()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def thaw(self) -> None:
        """Lets the frozen requests go on (their connections may be gone)."""
        self.frozen.set()

    def fault(self, step: str, kind: str, **details: Any) -> Fault:
        assert step in STEPS and kind in FAULTS
        fault = Fault(step, kind, **details)
        self.faults.append(fault)
        return fault

    def next_fault(self, step: str) -> Fault | None:
        """The fault that hits this request; every request is logged here."""
        with self._lock:
            self.requests.append(step)
            for fault in self.faults:
                if fault.step != step:
                    continue
                if fault.after:
                    fault.after -= 1
                elif fault.hits < fault.times:
                    fault.hits += 1
                    return fault
        return None

    def add_user(self, name: str, token: str, role: str = "write", *organizations: str) -> None:
        self.users[token] = User(name, role, organizations)

    def create(self, repo_id: str, private: bool = False) -> BareRepository:
        with self._lock:
            if repo_id not in self.repositories:
                folder = self.root / "git" / f"{repo_id}.git"
                self.repositories[repo_id] = BareRepository(folder, private)
            return self.repositories[repo_id]

    def content(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """Every file of a revision with its bytes, LFS objects included."""
        repository = self.repositories[repo_id]
        return {
            path: self.large_files.path(entry.sha256).read_bytes()
            if entry.sha256
            else repository.blob(entry.blob)
            for path, entry in repository.entries(revision).items()
        }

    def commit_as_someone_else(
        self, repo_id: str, files: dict[str, bytes], large: dict[str, bytes] | None = None
    ) -> str:
        """A commit by another person, in between."""
        import hashlib

        pointers = {}
        for path, content in (large or {}).items():
            sha256 = hashlib.sha256(content).hexdigest()
            self.large_files.put(sha256, content)
            pointers[path] = pointer_text(sha256, len(content))
        return self.repositories[repo_id].commit({**files, **pointers}, "Somebody else's work")

    def match(self, method: str, path: str) -> tuple[str, dict[str, str | None]] | None:
        for step, (methods, pattern) in STEPS.items():
            if method in methods.split("|") and (found := re.fullmatch(pattern, path)):
                return step, found.groupdict()
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Cut connections are part of the tests: no traceback on the terminal."""
