"""What a Hub keeps: bare git repositories (written with git's own plumbing) and LFS objects."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

POINTER = re.compile(
    rb"\Aversion https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n\Z"
)
GIT_ATTRIBUTES = "".join(
    f"{pattern} filter=lfs diff=lfs merge=lfs -text\n"
    for pattern in ("*.safetensors", "*.h5", "*.bin", "*.onnx", "*.pb", "*tfevents*")
)
_ENVIRONMENT = dict(os.environ)  # the Hub's own: tests change that of the client
GIT = shutil.which("git") or "git"
REGULAR_LIMIT = 10 * 1024 * 1024


class StaleParentError(Exception):
    """The branch is not where the writer thought it was."""


@dataclass(frozen=True)
class Entry:
    """One file of a commit: git's blob id, and the LFS object if the blob is a pointer."""

    path: str
    blob: str
    size: int
    sha256: str | None


def pointer_text(sha256: str, size: int) -> bytes:
    """The LFS pointer file, https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md."""
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    )


class LargeFiles:
    """LFS objects by SHA-256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        return self.folder / sha256

    def has(self, sha256: str) -> bool:
        return self.path(sha256).exists()

    def put(self, sha256: str, content: bytes) -> bool:
        """Keeps an object; False if the content is not what the name says."""
        if hashlib.sha256(content).hexdigest() != sha256:
            return False
        descriptor, name = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).replace(self.path(sha256))
        return True


class BareRepository:
    """A bare git repository with the .gitattributes of a new model on the Hub."""

    def __init__(self, folder: Path, private: bool) -> None:
        self.folder = folder
        self.private = private
        self._lock = threading.Lock()
        # Git objects never change, and branches change by this object alone.
        self._heads: dict[str, str | None] = {}
        self._entries: dict[str, dict[str, Entry]] = {}
        self._blobs: dict[str, bytes] = {}
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main")
        self.commit({".gitattributes": GIT_ATTRIBUTES.encode()}, "initial commit")

    def git(self, *arguments: str, data: bytes | None = None, index: str | None = None) -> bytes:
        environment = {
            **_ENVIRONMENT,
            "GIT_DIR": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", "Hub"), ("EMAIL", "hub@example.org"))
            },
        }
        if index:
            environment["GIT_INDEX_FILE"] = index
        done = subprocess.run(
            [GIT, *arguments], input=data, env=environment, capture_output=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"git {arguments}: {done.stderr.decode()}")
        return done.stdout

    def head(self, revision: str = "main") -> str | None:
        """The commit of a branch, tag or commit id; None if there is none such."""
        if revision not in self._heads:
            heads = self._heads
            name = f"{revision}^{{commit}}"
            try:
                found = self.git("rev-parse", "--verify", "--quiet", name).decode().strip()
            except RuntimeError:
                found = None
            heads[revision] = found  # of no use to anyone if a branch was moved meanwhile
            return found
        return self._heads[revision]

    def move(self, branch: str, commit: str, *before: str) -> None:
        """Sets a branch; with `before`, only if that is what it was."""
        self.git("update-ref", f"refs/heads/{branch}", commit, *before)
        self._heads = {}

    def create_branch(self, name: str, start: str = "main") -> bool:
        """False if the branch exists."""
        if self.head(f"refs/heads/{name}"):
            return False
        self.move(name, self.head(start) or "")
        return True

    def entries(self, revision: str = "main") -> dict[str, Entry]:
        commit = self.head(revision) or revision
        if commit not in self._entries:
            self._entries[commit] = self._read_entries(commit)
        return dict(self._entries[commit])

    def _read_entries(self, commit: str) -> dict[str, Entry]:
        listing = self.git("ls-tree", "-r", "-l", "-z", commit).decode()
        rows = [line.replace("\t", " ", 1).split(maxsplit=4) for line in listing.split("\0")[:-1]]
        small = {blob for _, _, blob, size, _ in rows if int(size) < 200}
        pointers = self._pointers(sorted(small))
        found = {}
        for _, _, blob, size, path in rows:
            sha256, length = pointers.get(blob, (None, int(size)))
            found[path] = Entry(path, blob, length, sha256)
        return found

    def _pointers(self, blobs: list[str]) -> dict[str, tuple[str, int]]:
        """Which of these blobs are LFS pointers, and to what."""
        asked = "".join(f"{blob}\n" for blob in blobs).encode()
        answer = self.git("cat-file", "--batch", data=asked)
        found = {}
        while answer:
            head, _, rest = answer.partition(b"\n")
            blob, _, size = head.decode().split()
            content, answer = rest[: int(size)], rest[int(size) + 1 :]
            if match := POINTER.match(content):
                found[blob] = (match[1].decode(), int(match[2]))
        return found

    def blob(self, blob: str) -> bytes:
        if blob not in self._blobs:
            self._blobs[blob] = self.git("cat-file", "blob", blob)
        return self._blobs[blob]

    def log(self, revision: str = "main") -> list[str]:
        """Subjects of the commits, newest first."""
        return self.git("log", "--format=%s", revision).decode().splitlines()

    def large(self, sizes: dict[str, int], revision: str = "main") -> set[str]:
        """Which files belong in LFS: by .gitattributes, or by their size in bytes."""
        asked = "\n".join(sizes).encode()
        with self._index(revision) as index:
            said = self.git("check-attr", "--cached", "--stdin", "filter", data=asked, index=index)
        listed = {line.removesuffix(": filter: lfs") for line in said.decode().splitlines()}
        return {p for p, size in sizes.items() if p in listed or size > REGULAR_LIMIT}

    def ignored(self, paths: list[str], entry: Entry | None) -> set[str]:
        """Which files a .gitignore leaves out."""
        if entry is None:
            return set()
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([GIT, "init", "-q", folder], check=True)
            (Path(folder) / ".gitignore").write_bytes(self.blob(entry.blob))
            asked = [GIT, "-C", folder, "check-ignore", *paths]
            said = subprocess.run(asked, capture_output=True, text=True, check=False)
        return set(said.stdout.splitlines())

    def commit(
        self,
        files: dict[str, bytes],
        message: str,
        revision: str = "main",
        parent: str | None = None,
        deleted: tuple[str, ...] = (),
    ) -> str:
        """Adds a commit with `files` (pointers for what is in LFS) on top of a branch.

        Raises:
            StaleParentError: `parent` is given and is not the branch's head.
        """
        with self._lock:
            head = self.head(f"refs/heads/{revision}")
            if parent is not None and parent != head:
                raise StaleParentError(head)
            with self._index(head) as index:
                lines = b"".join(
                    b"100644 %s\t%s\n"
                    % (
                        self.git("hash-object", "-w", "--stdin", data=content).strip(),
                        path.encode(),
                    )
                    for path, content in files.items()
                )
                lines += b"".join(b"0 %s\t%s\n" % (b"0" * 40, path.encode()) for path in deleted)
                self.git("update-index", "--index-info", data=lines, index=index)
                tree = self.git("write-tree", index=index).decode().strip()
            parents = ["-p", head] if head else []
            made = self.git("commit-tree", tree, *parents, "-m", message).decode().strip()
            self.move(revision, made, head or "0" * 40)
            return made

    @contextlib.contextmanager
    def _index(self, revision: str | None) -> Iterator[str]:
        with tempfile.TemporaryDirectory() as folder:
            index = os.path.join(folder, "index")  # noqa: PTH118
            if revision:
                self.git("read-tree", revision, index=index)
            else:
                self.git("read-tree", "--empty", index=index)
            yield index
