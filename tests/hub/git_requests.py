"""git over smart HTTP, by git's own server program."""

from __future__ import annotations

import os
import subprocess

from tests.hub.connection import Answer, Connection
from tests.hub.storage import GIT


class GitRequests(Connection):
    """Steps named `git_…`."""

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
