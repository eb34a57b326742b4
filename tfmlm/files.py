"""Files and folders that appear whole or not at all: temporary name beside, then rename."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfmlm.errors import UserError

TEMPORARY_PREFIX = ".tmp-"


def require_writable_folder(path: str | os.PathLike[str], what: str = "output folder") -> Path:
    """Creates `path` as a folder if need be and proves that a file can be written in it.

    Raises:
        UserError: `path` is a file, or nothing can be written there.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{what} {folder} is a file; give the path of a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=TEMPORARY_PREFIX):
            pass
    except OSError as error:
        raise UserError(f"cannot write in the {what} {folder}: {error.strerror or error}") from None
    return folder


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path in the same folder; renames it to `path` when the block succeeds."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(
        dir=target.parent, prefix=TEMPORARY_PREFIX, suffix=target.suffix
    )
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Yields a temporary sibling folder; renames it to `path` when the block succeeds.

    Args:
        overwrite: replace a folder that is already at `path`.

    Raises:
        FileExistsError: something is at `path` and `overwrite` is false.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=TEMPORARY_PREFIX))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if overwrite and target.exists():
            old = Path(tempfile.mkdtemp(dir=target.parent, prefix=TEMPORARY_PREFIX))
            target.rename(old / target.name)
            temporary.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            _rename_to_new(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _rename_to_new(source: Path, target: Path) -> None:
    """Renames a folder, refusing to replace anything (rename(2) would replace an empty folder)."""
    if target.exists():
        raise FileExistsError(f"{target} exists")
    source.rename(target)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes `value` as indented JSON, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(
            json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
        )
