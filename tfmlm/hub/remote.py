"""What is on the Hub, what has to go there, and how a Hub can fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tfmlm.hub.folder import CARD, LocalFile

DEFAULT_BRANCH = "main"
# How often a push is planned anew because somebody else's commit came in between.
PLANS = 6


class HubFailure(Exception):
    """A push or a check failed.

    Attributes:
        kind: `token`, `permission`, `not_found`, `unreachable`, `stalled`, `server`, `rejected`,
            `conflict`, `card` or `setting`.
        permanent: trying again cannot help.
        wait: seconds that the Hub asked to wait before the next try.
    """

    PERMANENT = frozenset({"token", "permission", "not_found", "rejected", "setting"})

    def __init__(self, kind: str, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.wait = wait

    @property
    def permanent(self) -> bool:
        return self.kind in self.PERMANENT

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "message": self.message, "wait": self.wait}


@dataclass(frozen=True)
class RemoteState:
    """A branch of the repository.

    Attributes:
        head: commit; None for a repository without a commit.
        names: path → name of the content: SHA-256 for a file in LFS, git's blob id for others.
    """

    head: str | None
    names: Mapping[str, str]

    def holds(self, file: LocalFile) -> bool:
        return self.names.get(file.path) in (file.sha256, file.blob)


@dataclass(frozen=True)
class LastPush:
    """What this folder's last push left on the Hub, to tell our files from other people's edits."""

    commit: str
    names: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """What one commit does.

    Attributes:
        send: files that differ from the remote ones.
        kept: paths that are left as somebody else edited them (the model card only).
        replaced: paths that somebody else changed since our last push and that are replaced; the
            other version stays in the history.
    """

    send: tuple[LocalFile, ...]
    kept: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()

    def then(self, later: Plan) -> Plan:
        """Both plans, one after the other."""
        send = {file.path: file for file in (*self.send, *later.send)}
        kept = dict.fromkeys((*self.kept, *later.kept))
        replaced = dict.fromkeys((*self.replaced, *later.replaced))
        return Plan(tuple(send.values()), tuple(kept), tuple(replaced))


def make_plan(
    files: Iterable[LocalFile], remote: RemoteState, last: LastPush | None, skip: Iterable[str] = ()
) -> Plan:
    """What to send on top of `remote`.

    A model card that was edited on the Hub since our last push is kept: its text was written by a
    person. Of other files ours is the newer one.

    Args:
        skip: paths not to be sent (a card whose metadata the Hub refused).
    """
    send, kept, replaced = [], [], []
    skipped = frozenset(skip)
    for file in files:
        if file.path in skipped or remote.holds(file):
            continue
        there = remote.names.get(file.path)
        edited = last is not None and there is not None and there != last.names.get(file.path)
        if edited and file.path == CARD and CARD in (last.names if last else {}):
            kept.append(file.path)
            continue
        if edited:
            replaced.append(file.path)
        send.append(file)
    return Plan(tuple(send), tuple(kept), tuple(replaced))


@dataclass(frozen=True)
class PushReport:
    """What a push did, after the remote head was compared with the local files.

    Attributes:
        commit: the remote head that was compared.
        names: path → name of the content on the Hub, of our files.
        sent: paths in the new commit.
        missing: paths that are not on the Hub as they are here, with the reason.
        kept, replaced: see `Plan`.
    """

    commit: str | None
    names: dict[str, str] = field(default_factory=dict)
    sent: tuple[str, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()


def compare(
    files: Iterable[LocalFile], remote: RemoteState, plan: Plan, reasons: Mapping[str, str]
) -> PushReport:
    """Compares the remote head with the local files, content by content.

    Args:
        plan: all that was done.
        reasons: path → why it could not be sent.
    """
    names, missing = {}, {}
    for file in files:
        there = remote.names.get(file.path)
        if remote.holds(file) or file.path in plan.kept:
            names[file.path] = str(there)
        else:
            default = "not on the Hub" if there is None else "another content is on the Hub"
            missing[file.path] = reasons.get(file.path, default)
    sent = tuple(file.path for file in plan.send if file.path in names)
    return PushReport(remote.head, names, sent, missing, plan.kept, plan.replaced)
