"""Pushes with git and git-lfs, for a Hub that does not offer the HTTP commit API.

Every push works in a throw-away git directory: fetch the branch (depth 1, no LFS content), put our
files on top of its tree, send the LFS objects, push. Nothing has to be cloned, the folder need not
be empty or a clone, and other people's commits are built upon. The token is handed to git by a
credential helper that reads the environment; it is in no file and in no address.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from tfmlm.hub.folder import LocalFile
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
from tfmlm.redaction import one_line, redact

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_POINTER = re.compile(
    rb"\Aversion https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\n"
)
_POINTER_SIZE = 1024
# The Hub takes no larger file outside LFS: https://huggingface.co/docs/hub/storage-limits
_REGULAR_LIMIT = 10 * 1024 * 1024
_TOKEN_VARIABLE = "TFMLM_PUSH_TOKEN"
_HELPER = (
    f'!f() {{ test "$1" = get && echo username=user && echo "password=${_TOKEN_VARIABLE}"; }}; f'
)
_SETTINGS = {
    "credential.helper": ("", _HELPER),  # the empty one drops the user's helpers, which would store
    "filter.lfs.clean": ("git-lfs clean -- %f",),
    "filter.lfs.process": ("git-lfs filter-process",),
    "filter.lfs.required": ("true",),
    "lfs.locksverify": ("false",),
    "lfs.transfer.maxretries": ("1",),  # attempts are repeated as a whole, see `delivery`
    "core.autocrlf": ("false",),
    "gc.auto": ("0",),
}
# What git, git-lfs and curl say, without the addresses in it.
_FAILURES = (
    (r"error: 401|HTTP 401|Authentication failed|Authentication required", "token"),
    (r"could not read (Username|Password)", "token"),
    (r"error: 403|HTTP 403|Authorization error|not authorized|no permission", "permission"),
    (r"error: 404|HTTP 404|[Rr]epository .*not found", "not_found"),
    (r"error: (5\d\d|429)|HTTP (5\d\d|429)|Server error|Rate limit exceeded", "server"),
    (r"declined|remote rejected|Unprocessable entity|storage", "rejected"),
)


def missing_tool() -> str | None:
    """A line that says which of git and git-lfs is not installed; None if both are there."""
    if shutil.which("git") is None:
        return "git is not installed (Debian, Ubuntu: apt install git git-lfs)"
    if shutil.which("git-lfs") is None:
        return (
            "git-lfs is not installed (Debian, Ubuntu: apt install git-lfs; macOS: brew install "
            "git-lfs)"
        )
    return None


class GitTransport:
    """Pushes to one branch of one model repository.

    Args:
        scratch: a folder on a disk with room for the pushed files.
        report: is told that something moved.
    """

    def __init__(
        self,
        endpoint: str,
        repo_id: str,
        branch: str,
        token: str,
        *,
        author: str,
        scratch: Path,
        report: Callable[[], None],
    ) -> None:
        self._url = f"{endpoint}/{repo_id}"
        self._endpoint, self._branch, self._token = endpoint, branch, token
        self._scratch, self._report = scratch, report
        settings = {
            **_SETTINGS,
            "user.name": (author,),
            "user.email": (f"{author}@users.noreply.huggingface.co",),
        }
        self._options = [
            part
            for key, values in settings.items()
            for value in values
            for part in ("-c", f"{key}={value}")
        ]

    def push(self, files: Sequence[LocalFile], message: str, last: LastPush | None) -> PushReport:
        """Commits what differs, on top of whatever is there, and compares the head with `files`.

        Raises:
            HubFailure: git or git-lfs failed; `conflict` if other commits kept coming in between.
        """
        if tool := missing_tool():
            raise HubFailure("tool", tool)
        with self._repository() as git:
            done = Plan(())
            ours = None
            for _ in range(PLANS):
                remote = self._state(git)
                plan = make_plan(files, remote, last)
                if not plan.send or remote.head == ours:
                    return compare(files, remote, done.then(plan), {})
                commit = self._commit(git, remote, plan.send, message)
                if self._send(git, commit, [f.sha256 for f in plan.send]):
                    done, ours = done.then(plan), commit
        raise HubFailure("conflict", "other commits kept coming in between")

    @contextlib.contextmanager
    def _repository(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix=".tmp-push-git-") as folder:
            root = Path(folder)
            self._git(root, "init", "--quiet")
            self._git(root, "remote", "add", "origin", self._url)
            yield root

    def _state(self, git: Path) -> RemoteState:
        branch = f"refs/heads/{self._branch}"
        if not self._git(git, "ls-remote", "origin", branch).strip():
            return RemoteState(None, {})
        self._git(git, "fetch", "--quiet", "--depth=1", "--no-tags", "origin", branch)
        head = self._git(git, "rev-parse", "FETCH_HEAD").decode().strip()
        names = {}
        for line in filter(None, self._git(git, "ls-tree", "-rlz", head).split(b"\0")):
            meta, path = line.split(b"\t", 1)
            _, kind, blob, size = meta.decode().split()
            name = blob
            if kind == "blob" and int(size) <= _POINTER_SIZE:
                content = self._git(git, "cat-file", "blob", blob)
                if found := _POINTER.match(content):
                    name = found[1].decode()
            names[path.decode()] = name
        return RemoteState(head, names)

    def _commit(
        self, git: Path, remote: RemoteState, files: Sequence[LocalFile], message: str
    ) -> str:
        parents = ["-p", remote.head] if remote.head else []
        self._git(git, "read-tree", *([remote.head] if remote.head else ["--empty"]))
        attributes = git / ".gitattributes"
        if ".gitattributes" in remote.names:
            self._git(git, "checkout-index", "--force", ".gitattributes")
        outside = [f.path for f in files if f.size > _REGULAR_LIMIT and not self._in_lfs(git, f)]
        if outside:
            with attributes.open("a", encoding="utf-8") as lines:
                lines.writelines(f"{p} filter=lfs diff=lfs merge=lfs -text\n" for p in outside)
            self._add(git, ".gitattributes", attributes)
        for file in files:
            self._add(git, file.path, Path(file.source))
        tree = self._git(git, "write-tree").decode().strip()
        return self._git(git, "commit-tree", tree, *parents, "-m", message).decode().strip()

    def _add(self, git: Path, path: str, source: Path) -> None:
        """Puts a file in the index, through the LFS filter where the attributes say so."""
        with source.open("rb") as content:
            made = self._git(git, "hash-object", "-w", "--path", path, "--stdin", stdin=content)
        blob = made.decode().strip()
        self._git(git, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")

    def _in_lfs(self, git: Path, file: LocalFile) -> bool:
        answer = self._git(git, "check-attr", "filter", "--", file.path)
        return answer.decode().strip().endswith(": lfs")

    def _send(self, git: Path, commit: str, contents: Sequence[str]) -> bool:
        """Sends LFS objects, then the commit. False if another commit came in between."""
        stored = [name for name in contents if list((git / ".git/lfs/objects").rglob(name))]
        if stored:
            self._git(git, "lfs", "push", "--object-id", "origin", *stored)
        refs = f"{commit}:refs/heads/{self._branch}"
        try:
            self._git(git, "push", "--porcelain", "--no-verify", "origin", refs)
        except HubFailure as failure:
            if re.search(r"fetch first|non-fast-forward|stale info|cannot lock ref", str(failure)):
                return False
            raise
        return True

    def _git(
        self, folder: Path, *arguments: str, stdin: IO[bytes] | int = subprocess.DEVNULL
    ) -> bytes:
        """Runs git; reports what it says as progress.

        Raises:
            HubFailure: git failed.
        """
        process = subprocess.Popen(
            ["git", *self._options, *arguments],
            cwd=folder,
            env=self._environment(folder),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        said: list[bytes] = []
        listener = threading.Thread(target=self._listen, args=(process, said))
        watcher = _LfsProgress(folder / "lfs-progress", self._report)
        listener.start()
        with watcher:
            assert process.stdout is not None
            output = process.stdout.read()
            process.wait()
        listener.join()
        if process.returncode:
            text = redact((output + b"\n" + b"".join(said)).decode("utf-8", "replace"), self._token)
            raise _failure(text, arguments[0], self._endpoint)
        self._report()
        return output

    def _listen(self, process: subprocess.Popen[bytes], said: list[bytes]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            self._report()

    def _environment(self, folder: Path) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "HF_TOKEN"))}
        return {
            **kept,
            _TOKEN_VARIABLE: self._token,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_LFS_PROGRESS": str(folder / "lfs-progress"),
            "GIT_LFS_SKIP_SMUDGE": "1",
            "LC_ALL": "C",
        }


class _LfsProgress:
    """Watches the file in which git-lfs notes its progress; reports when it grows."""

    def __init__(self, path: Path, report: Callable[[], None]) -> None:
        self._path, self._report = path, report
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        size = 0
        while not self._done.wait(0.5):
            now = self._path.stat().st_size if self._path.exists() else 0
            if now > size:
                size = now
                self._report()


def _failure(text: str, command: str, endpoint: str) -> HubFailure:
    """What git's words mean for the user."""
    text = re.sub(r"https?://\S+", "", text)
    shown = one_line(_essence(text), 200)
    for pattern, kind in _FAILURES:
        if re.search(pattern, text):
            if kind == "token":
                return HubFailure(kind, "the Hub refuses the token (401)")
            if kind == "not_found":
                return HubFailure(
                    kind, f"the repository is not on the Hub at {endpoint}, or hidden"
                )
            return HubFailure(kind, f"git {command}: {shown}")
    return HubFailure("unreachable", f"git {command} with {endpoint}: {shown}")


def _essence(text: str) -> str:
    """The lines that say why, of everything that git prints."""
    telling = [
        line.split(" &{", 1)[0]  # git-lfs 3 prints the parts of an address after it
        for line in text.splitlines()
        if re.match(r"(fatal|error|remote|!|batch response|LFS|Fatal)", line.strip())
    ]
    return " ".join(telling) or text
