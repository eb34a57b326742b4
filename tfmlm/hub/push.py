"""Sends a finished folder to the Hub: `tfmlm push`."""

from __future__ import annotations

import logging
import os
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfmlm.errors import NotDeliveredError, UserError
from tfmlm.hub.delivery import (
    HARD_LIMIT,
    Backoff,
    Target,
    attempt_push,
    check_target,
    deliver,
    endpoint_in_use,
    find_token,
)
from tfmlm.hub.folder import files_to_push, snapshot
from tfmlm.hub.record import last_push, read_record, write_record
from tfmlm.hub.remote import DEFAULT_BRANCH, HubFailure, PushReport
from tfmlm.redaction import redact

logger = logging.getLogger("tfmlm.hub")
DEFAULT_TIMEOUT = 600.0


@dataclass(frozen=True)
class Delivered:
    """A push that arrived: the remote head holds exactly the local files.

    Attributes:
        url: the repository.
        commit: the remote head.
        files: paths of the folder that are on the Hub.
        sent: those that were not there before.
        kept: paths left as somebody edited them on the Hub.
    """

    repo_id: str
    branch: str
    url: str
    commit: str
    files: tuple[str, ...]
    sent: tuple[str, ...]
    kept: tuple[str, ...]


def push_folder(
    folder: str | os.PathLike[str],
    hub_model_id: str | None = None,
    *,
    hub_token: str | None = None,
    hub_private_repo: bool = False,
    hub_revision: str = DEFAULT_BRANCH,
    hub_timeout: float = DEFAULT_TIMEOUT,
    commit_message: str | None = None,
    include: Sequence[str] = (),
    logs: bool = False,
    export_dir: str | os.PathLike[str] | None = None,
    backoff: Backoff | None = None,
    moved: Callable[[int], None] = lambda sent: None,
) -> Delivered:
    """Pushes a checkpoint folder and compares the Hub's head with it.

    Args:
        hub_model_id: `user/model`; the folder's last one, or its name, if left out.
        hub_timeout: seconds without movement after which the Hub is given up.
        include: further files of the folder, as patterns.
        logs: also `logs/`.
        export_dir: also this SavedModel export, as `export/`.
        moved: is told the bytes sent so far.

    Raises:
        UserError: nothing was sent: folder, name, token, or permission is not right.
        NotDeliveredError: something is not on the Hub; the message holds the command to repeat.
    """
    root = Path(folder)
    files = files_to_push(root, include=include, logs=logs, export_dir=export_dir)
    name = hub_model_id or read_record(root).get("repo_id") or root.absolute().name
    token = find_token(hub_token)
    command = repeat_command(
        root,
        name,
        hub_revision,
        private=hub_private_repo,
        logs=logs,
        export_dir=export_dir,
        include=include,
    )
    try:
        target = check_target(
            name,
            token,
            private=hub_private_repo,
            branch=hub_revision,
            timeout=hub_timeout,
        )
    except HubFailure as failure:
        text = redact(failure.message, token)
        if failure.permanent:
            raise UserError(text) from None
        raise NotDeliveredError(not_delivered(name, root, text, command)) from None
    last = last_push(root, target)
    message = commit_message or "Masked language model"
    copy = snapshot(files, root)
    try:
        report = deliver(
            lambda told: attempt_push(target, copy.files, message, last, hub_timeout, told),
            hub_timeout,
            backoff or Backoff(),
            pause=_sleep,
            failed=lambda failure, wait: logger.warning(
                redact(f"push failed ({failure.message}); next try in {wait:.0f} s", token)
            ),
            moved=moved,
        )
    except HubFailure as failure:
        text = redact(failure.message, token)
        raise NotDeliveredError(not_delivered(target.repo_id, root, text, command)) from None
    finally:
        copy.delete()
    try:
        write_record(root, target, report, last)
    except OSError as error:
        logger.warning(f"cannot note in {root} what was pushed: {error.strerror or error}")
    say_notes(report, target)
    if report.missing:
        text = missing_text(report)
        raise NotDeliveredError(not_delivered(target.repo_id, root, text, command))
    return Delivered(
        target.repo_id,
        target.branch,
        target.url,
        report.commit or "",
        tuple(sorted(report.names)),
        report.sent,
        report.kept,
    )


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def repeat_command(
    folder: Path,
    name: str,
    branch: str = DEFAULT_BRANCH,
    *,
    private: bool = False,
    logs: bool = False,
    export_dir: str | os.PathLike[str] | None = None,
    include: Sequence[str] = (),
) -> str:
    """The command line that pushes the folder later."""
    words = ["tfmlm", "push", str(folder), "--hub_model_id", name]
    if branch != DEFAULT_BRANCH:
        words += ["--hub_revision", branch]
    if private:
        words.append("--hub_private_repo")
    if logs:
        words.append("--logs")
    if export_dir is not None:
        words += ["--export_dir", str(export_dir)]
    for pattern in include:
        words += ["--include", pattern]
    return shlex.join(words)


def not_delivered(name: str, folder: Path, reason: str, command: str) -> str:
    """The one line that says what did not arrive and what to do."""
    return f"not delivered to {name}: {reason}; all is saved in {folder}, send it with: {command}"


def missing_text(report: PushReport) -> str:
    """What is not on the Hub as it is here."""
    return ", ".join(f"{path} ({reason})" for path, reason in sorted(report.missing.items()))


def say_notes(report: PushReport, target: Target) -> None:
    """Says what somebody else changed on the Hub since the last push."""
    for path in report.kept:
        logger.warning(
            f"{path} was edited at {target.url} and is kept as it is there; ours is in the folder"
        )
    if report.replaced:
        logger.warning(
            f"{', '.join(report.replaced)} had been changed at {target.url} by another commit, "
            "which stays in the history; ours is now on top"
        )


__all__ = [
    "DEFAULT_TIMEOUT",
    "HARD_LIMIT",
    "Delivered",
    "endpoint_in_use",
    "missing_text",
    "not_delivered",
    "push_folder",
    "repeat_command",
    "say_notes",
]
