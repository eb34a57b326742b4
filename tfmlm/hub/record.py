"""What a folder's last push left on the Hub, kept in the folder (never pushed)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfmlm.files import read_json, write_json
from tfmlm.hub.delivery import Target
from tfmlm.hub.remote import LastPush, PushReport

RECORD = ".tfmlm-hub.json"


def read_record(folder: Path) -> dict[str, Any]:
    """The record; empty if there is none or it is broken."""
    try:
        record = read_json(folder / RECORD)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def last_push(folder: Path, target: Target) -> LastPush | None:
    """What was pushed to this branch last; None if nothing was, or to another one."""
    record = read_record(folder)
    here = (target.endpoint, target.repo_id, target.branch)
    if (record.get("endpoint"), record.get("repo_id"), record.get("branch")) != here:
        return None
    commit, names = record.get("commit"), record.get("files")
    if not isinstance(commit, str) or not isinstance(names, dict):
        return None
    return LastPush(commit, names)


def note_target(folder: Path, target: Target) -> None:
    """Notes where the folder goes, before anything is pushed, for a later `tfmlm push FOLDER`."""
    if last_push(folder, target) is None:
        _write(folder, target, None, {})


def write_record(folder: Path, target: Target, report: PushReport, last: LastPush | None) -> None:
    """Notes what is on the Hub now; a kept file stays known as we last wrote it."""
    names = dict(last.names) if last else {}
    names.update({path: n for path, n in report.names.items() if path not in report.kept})
    _write(folder, target, report.commit, names)


def _write(folder: Path, target: Target, commit: str | None, names: dict[str, str]) -> None:
    where = {"endpoint": target.endpoint, "repo_id": target.repo_id, "branch": target.branch}
    write_json(folder / RECORD, {**where, "commit": commit, "files": names})
