"""Answers of the loopback Hub, request by request."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from tests.hub.storage import GIT, BareRepository, StaleParentError, pointer_text

LFS_JSON = "application/vnd.git-lfs+json"


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


class HubRequestHandler(BaseHTTPRequestHandler):
    """One connection. `hub` is the `LoopbackHub`."""

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
            time.sleep(fault.seconds)
        elif fault.kind == "freeze":
            self.hub.frozen.wait(120)
            raise Cut
        elif fault.kind == "status":
            self._body()
            raise refused(fault.status, fault.message)
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

    def _repository(self, write: bool = False, git: bool = False) -> BareRepository:
        repo_id = str(self.named["id"])
        user = self._user()
        repository = self.hub.repositories.get(repo_id)
        if user is None and (write or (git and (repository is None or repository.private))):
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

    # The HTTP API

    def step_whoami(self) -> None:
        user = self._user()
        if user is None:
            raise refused(401, "Invalid username or password.")
        raise Answer(
            200,
            {
                "type": "user",
                "name": user.name,
                "fullname": user.name.title(),
                "email": f"{user.name}@example.org",
                "orgs": [{"name": n, "roleInOrg": "write"} for n in user.organizations],
                "auth": {
                    "type": "access_token",
                    "accessToken": {"displayName": "tests", "role": user.role},
                },
            },
        )

    def step_create(self) -> None:
        wanted = json.loads(self._body())
        user = self._user()
        if user is None:
            raise refused(401, "Invalid username or password.")
        repo_id = f"{wanted.get('organization') or user.name}/{wanted['name']}"
        if not user.may_write(repo_id):
            raise refused(403, f"You don't have the rights to create {repo_id}")
        known = repo_id in self.hub.repositories
        self.hub.create(repo_id, bool(wanted.get("private")))
        answer = {"url": f"{self.hub.url}/{repo_id}", "name": repo_id, "id": repo_id}
        raise Answer(409 if known else 200, answer)

    def step_validate_yaml(self) -> None:
        content = json.loads(self._body())["content"]
        if self.hub.rejected_cards:
            errors = [{"message": '"license" must be one of [a list of licences]'}]
            raise Answer(400, {"errors": errors, "warnings": []})
        if content.startswith("---"):
            yaml.safe_load(content.split("---")[1])
        raise Answer(200, {"errors": [], "warnings": []})

    def step_info(self) -> None:
        repository = self._repository()
        head = self._head(repository)
        repo_id = self.named["id"]
        siblings = [{"rfilename": path} for path in repository.entries(head)]
        about = {"id": repo_id, "modelId": repo_id, "sha": head, "private": repository.private}
        raise Answer(200, {**about, "siblings": siblings, "tags": [], "disabled": False})

    def step_refs(self) -> None:
        names = self._repository().git("for-each-ref", "--format=%(refname) %(objectname)")
        branches = [
            {"name": ref.removeprefix("refs/heads/"), "ref": ref, "targetCommit": commit}
            for ref, commit in (line.split() for line in names.decode().splitlines())
        ]
        raise Answer(200, {"branches": branches, "converts": [], "tags": []})

    def step_tree(self) -> None:
        repository = self._repository()
        entries = repository.entries(self._head(repository))
        prefix = f"{self.named['path']}/" if self.named.get("path") else ""
        listed: list[dict[str, Any]] = []
        for path, entry in entries.items():
            if not path.startswith(prefix):
                continue
            item = {"type": "file", "path": path, "oid": entry.blob, "size": entry.size}
            if entry.sha256:
                item["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": 132}
            listed.append(item)
        if prefix and not listed:
            raise refused(404, "No such folder", "EntryNotFound")
        if parse_qs(self.query).get("recursive", [""])[0].lower() != "true":
            listed = [item for item in listed if "/" not in item["path"].removeprefix(prefix)]
        raise Answer(200, listed)

    def step_branch(self) -> None:
        asked = json.loads(self._body() or b"{}")
        repository = self._repository(write=True)
        name, start = str(self.named["revision"]), asked.get("startingPoint") or "main"
        raise Answer(200 if repository.create_branch(name, start) else 409, {})

    def _require_commit_api(self) -> None:
        if not self.hub.offers_commit_api:
            self._body()
            raise Answer(404, b"404 page not found\n", Content_Type="text/plain")

    def step_preupload(self) -> None:
        self._require_commit_api()
        repository = self._repository(write=True)
        revision = self._head(repository)
        entries = repository.entries(revision)
        sizes = {file["path"]: file["size"] for file in json.loads(self._body())["files"]}
        large = repository.large(sizes, revision)
        ignored = repository.ignored(list(sizes), entries.get(".gitignore"))
        answers = [
            {
                "path": path,
                "uploadMode": "lfs" if path in large else "regular",
                "shouldIgnore": path in ignored,
                "oid": (entries[path].sha256 or entries[path].blob) if path in entries else None,
            }
            for path in sizes
        ]
        raise Answer(200, {"files": answers, "commitOid": revision})

    def step_commit(self) -> None:
        self._require_commit_api()
        repository = self._repository(write=True)
        self._head(repository)
        files: dict[str, bytes] = {}
        deleted: list[str] = []
        header: dict[str, Any] = {}
        for line in self._body().splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                header = value
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                if not self.hub.large_files.has(value["oid"]):
                    raise refused(400, f"LFS object of {value['path']} was not uploaded")
                files[value["path"]] = pointer_text(value["oid"], value["size"])
            elif item["key"] == "deletedFile":
                deleted.append(value["path"])
        try:
            made = repository.commit(
                files,
                header["summary"],
                str(self.named["revision"]),
                header.get("parentCommit"),
                tuple(deleted),
            )
        except StaleParentError:
            raise refused(
                412, "A commit has happened since. Please refresh and try again."
            ) from None
        url = f"{self.hub.url}/{self.named['id']}/commit/{made}"
        raise Answer(200, {"success": True, "commitOid": made, "commitUrl": url})

    # LFS, https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md

    def step_lfs_batch(self) -> None:
        batch = json.loads(self._body())
        upload = batch["operation"] == "upload"
        self._repository(write=upload)
        large = self.hub.large_files
        objects = []
        for wanted in batch["objects"]:
            oid, size = wanted["oid"], wanted["size"]
            href = f"{self.hub.url}/lfs/objects/{oid}"
            answer: dict[str, Any] = {"oid": oid, "size": size, "authenticated": True}
            part = self.hub.multipart_part
            if upload and not large.has(oid):
                action: dict[str, Any] = {"href": href}
                if part and size > part and "multipart" in batch.get("transfers", []):
                    count = -(-size // part)
                    urls = {str(n + 1): f"{href}?part={n + 1}" for n in range(count)}
                    action = {
                        "href": f"{href}?complete",
                        "header": {"chunk_size": str(part), **urls},
                    }
                    self.hub.parts[oid] = {}
                verify = {"href": f"{self.hub.url}/lfs/verify"}
                answer["actions"] = {"upload": action, "verify": verify}
            elif not upload and large.has(oid):
                answer["actions"] = {"download": {"href": href}}
            elif not upload:
                answer["error"] = {"code": 404, "message": "Object does not exist"}
            objects.append(answer)
        raise Answer(200, {"transfer": "basic", "objects": objects}, Content_Type=LFS_JSON)

    def step_lfs_put(self) -> None:
        oid, content = str(self.named["oid"]), self._body()
        number = parse_qs(self.query).get("part")
        if number:
            self.hub.parts[oid][int(number[0])] = content
            raise Answer(200, b"", ETag=f'"{number[0]}"')
        if not self.hub.large_files.put(oid, content):
            raise refused(400, "the content's SHA-256 is not the object's name")
        raise Answer(200, b"")

    def do_POST(self) -> None:  # noqa: N802
        """Completion of a multipart upload has the upload's own address."""
        path, _, query = self.path.partition("?")
        if query == "complete" and path.startswith("/lfs/objects/"):
            self.body_left, self.chunked = int(self.headers["Content-Length"]), False
            asked = json.loads(self._body())
            parts = self.hub.parts.pop(asked["oid"])
            content = b"".join(parts[part["partNumber"]] for part in asked["parts"])
            whole = self.hub.large_files.put(asked["oid"], content)
            self._send(Answer(200 if whole else 400, {}))
            return
        self._serve()

    def step_lfs_verify(self) -> None:
        asked = json.loads(self._body())
        path = self.hub.large_files.path(asked["oid"])
        whole = path.exists() and path.stat().st_size == asked["size"]
        raise Answer(200 if whole else 404, {}, Content_Type=LFS_JSON)

    def step_lfs_get(self) -> None:
        path = self.hub.large_files.path(str(self.named["oid"]))
        raise Answer(200, path.read_bytes())

    # git over smart HTTP, by git's own server program

    def step_git_refs(self) -> None:
        self._git("git-receive-pack" in self.query)

    def step_git_fetch(self) -> None:
        self._git(False)

    def step_git_push(self) -> None:
        self._git(True)

    def _git(self, write: bool) -> None:
        repository = self._repository(write=write, git=True)
        body = self._body()
        environment = {
            "PATH": os.defpath,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PROJECT_ROOT": str(repository.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": str(self.named["git"]),
            "QUERY_STRING": self.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "hub",
            "REMOTE_ADDR": "127.0.0.1",
        }
        program = [GIT, "http-backend"]
        done = subprocess.run(
            program, input=body, env=environment, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        status = int(headers.pop("Status", "200").split()[0])
        answer = Answer(status, content)
        answer.headers.update(headers)
        raise answer

    # Downloads

    def step_resolve(self) -> None:
        repository = self._repository()
        head = self._head(repository)
        entry = repository.entries(head).get(str(self.named["path"]))
        if entry is None:
            raise refused(404, "Entry not found", "EntryNotFound")
        headers = {"X_Repo_Commit": head, "ETag": f'"{entry.blob}"'}
        if entry.sha256:
            raise Answer(
                302,
                b"",
                **headers,
                X_Linked_ETag=f'"{entry.sha256}"',
                X_Linked_Size=str(entry.size),
                Location=f"{self.hub.url}/lfs/objects/{entry.sha256}",
            )
        content = repository.blob(entry.blob)
        raise Answer(200, content, **headers, Content_Length=str(len(content)))
