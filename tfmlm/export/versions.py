"""Version folders of an export folder: numbers, appearing whole, each taken once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tfmlm.errors import RunFailedError, UserError
from tfmlm.files import (
    TemporaryFolder,
    disk_is_full,
    in_megabytes,
    publish_folder,
    require_writable_folder,
    undo_folders,
)

RECORD = "tfmlm.json"
#: TF Serving reads version numbers as signed 64-bit integers.
LARGEST_VERSION = 2**63 - 1
_DIGITS = len(str(LARGEST_VERSION))


def versions(export_dir: Path) -> list[int]:
    """Numbers of the version folders, ascending: those that a server can serve."""
    if not export_dir.is_dir():
        return []
    return sorted(
        number for entry in export_dir.iterdir() if (number := _number(entry.name)) is not None
    )


def _number(name: str) -> int | None:
    """The version that a folder's name says, or None."""
    digits = name.lstrip("0")
    if not (name.isascii() and name.isdigit()) or len(digits) > _DIGITS:
        return None
    number = int(digits or "0")
    return number if number <= LARGEST_VERSION else None


def latest_version(export_dir: Path) -> int | None:
    """The version that a server of this folder serves."""
    return max(versions(export_dir), default=None)


class NewVersion:
    """A version folder in the making.

    Attributes:
        folder: where to write; the version folder itself once `publish` has run.
    """

    def __init__(self, export_dir: Path, wanted: int | None, folder: Path) -> None:
        self._export_dir = export_dir
        self._wanted = wanted
        self.folder = folder

    def publish(self) -> Path:
        """Gives the folder its number in one step: the wanted one, or the next that is free.

        Two exports never get one number: a rename onto something fails.

        Raises:
            UserError: the wanted version was taken meanwhile.
        """
        while True:
            number = self._wanted or (latest_version(self._export_dir) or 0) + 1
            target = self._export_dir / str(number)
            if number > LARGEST_VERSION:
                raise UserError(
                    f"{self._export_dir} holds the version {LARGEST_VERSION}, and none is above "
                    "it; choose a free one"
                )
            try:
                publish_folder(self.folder, target)
            except FileExistsError:
                if self._wanted:
                    raise UserError(_taken(target)) from None
            else:
                self.folder = target
                return target


@contextlib.contextmanager
def new_version(export_dir: str | os.PathLike[str], wanted: int | None) -> Iterator[NewVersion]:
    """Yields a folder beside the versions, hidden from servers until it is published.

    What was not published is removed, whatever happened, and so is `export_dir` if made for it.

    Raises:
        UserError: the folder cannot be written, or the version exists or is not a version.
        RunFailedError: the disk is full.
    """
    with undo_folders(Path(export_dir)):
        root = require_writable_folder(export_dir, "export folder")
        if wanted is not None:
            if not 0 < wanted <= LARGEST_VERSION:
                raise UserError(f"version {wanted} is not a positive number of 63 bits")
            if (root / str(wanted)).exists():
                raise UserError(_taken(root / str(wanted)))
        with TemporaryFolder(root) as temporary:
            folder = temporary / "version"
            folder.mkdir()
            folder.chmod(0o755)
            try:
                yield NewVersion(root, wanted, folder)
            except Exception as error:
                if not disk_is_full(error):
                    raise
                size = sum(f.stat().st_size for f in temporary.rglob("*") if f.is_file())
                raise RunFailedError(
                    f"no space left on the disk of {root} after {in_megabytes(size)} of the export "
                    "(or a limit on file sizes is reached); free some and export again"
                ) from error


def _taken(target: Path) -> str:
    return f"version {target.name} exists in {target.parent}; choose another or leave it out"
