"""One connection to the loopback Hub: reading requests, faults, who may do what, answers."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.hub.storage import BareRepository


class Answer(Exception):  # noqa: N818
    """Ends a request with a status, a body and headers."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Cut(Exception):  # noqa: N818
    """The connection is to be cut without an answer."""


def refused(status: int, message: str, code: str | None = None) -> Answer:
    answer = Answer(status, {"error": message}, X_Error_Message=message)
    if code:
        answer.headers["X-Error-Code"] = code
    return answer


class Connection(BaseHTTPRequestHandler):
    """`hub` is the `LoopbackHub`. Subclasses have a method `step_NAME` for each step of it."""

    protocol_version = "HTTP/1.1"
    hub: Any

    def setup(self) -> None:
        super().setup()
        self.hub.opened(self.connection)

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.hub.closed(self.connection)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        self.query = url.query
        found = self.hub.match(self.command, unquote(url.path))
        self.body_left = int(self.headers.get("Content-Length") or 0)
        self.chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        try:
            if found is None:
                self.hub.requests.append(f"? {self.command} {url.path}")
                self._body()
                raise refused(404, "no such endpoint")
            step, self.named = found
            if self.named.get("revision"):
                self.named["revision"] = unquote(self.named["revision"])
            fault = self.hub.next_fault(step)
            self._go_wrong_before(fault)
            try:
                getattr(self, f"step_{step}")()
            except Answer as answer:
                if fault and fault.kind == "lose_answer":
                    raise Cut from None
                self._send(answer)
        except Answer as answer:
            self._send(answer)
        except (Cut, ConnectionError, BrokenPipeError):
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(2)

    do_GET = do_PUT = do_HEAD = _serve

    def _go_wrong_before(self, fault: Any) -> None:
        if fault is None or fault.kind == "lose_answer":
            return
        if fault.kind == "delay":
            if fault.until is not None:
                fault.until.wait(120)
            time.sleep(fault.seconds)
        elif fault.kind == "freeze":
            self.hub.frozen.wait(120)
            raise Cut
        elif fault.kind == "status":
            self._body()
            raise refused(fault.status, fault.message)
        elif fault.kind == "redirect":
            self._body()
            raise Answer(307, b"", Location=fault.to)
        elif fault.kind == "answer":
            self._body()
            raise Answer(200, fault.body.encode(), Content_Type="application/json")
        elif fault.kind == "half_body":
            self.rfile.read(self.body_left // 2)
            raise Cut
        elif fault.kind == "kill":
            time.sleep(fault.seconds)
            threading.Thread(target=self.hub.stop).start()
            raise Cut
        else:
            raise Cut

    def _send(self, answer: Answer) -> None:
        body = answer.body
        if isinstance(body, (dict, list)):
            answer.headers.setdefault("Content-Type", "application/json")
            body = json.dumps(body).encode()
        body = body or b""
        length = answer.headers.pop("Content-Length", len(body))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if self.chunked:
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            content = b"".join(parts)
        else:
            content = self.rfile.read(self.body_left)
            if len(content) < self.body_left:
                raise Cut
        self.body_left, self.chunked = 0, False
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        return content

    # Who asks, and may they?

    def _user(self) -> Any:
        scheme, _, secret = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            secret = base64.b64decode(secret).decode().split(":", 1)[1]
        if not secret:
            return None
        if secret not in self.hub.users:
            raise refused(401, "Invalid credentials in Authorization header")
        return self.hub.users[secret]

    def _repository(self, write: bool = False) -> BareRepository:
        repo_id = str(self.named["id"])
        user = self._user()
        repository = self.hub.repositories.get(repo_id)
        if user is None and write:
            self._body()
            raise Answer(401, b"", WWW_Authenticate='Basic realm="Hub"')
        hidden = repository is None or (
            repository.private and not (user and user.may_read_private(repo_id))
        )
        if hidden:
            self._body()
            raise refused(404 if user else 401, "Repository not found", "RepoNotFound")
        if write and not user.may_write(repo_id):
            self._body()
            raise refused(403, f"You have no permission to write to {repo_id}")
        return repository

    def _head(self, repository: BareRepository) -> str:
        head = repository.head(self.named.get("revision") or "main")
        if head is None:
            raise refused(404, "Invalid rev id", "RevisionNotFound")
        return head
