"""Version folders of an export folder: numbers, appearing whole, each taken once."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tfmlm.errors import RunFailedError, UserError
from tfmlm.files import TEMPORARY_PREFIX, require_writable_folder

RECORD = "tfmlm.json"
#: TF Serving reads version numbers as signed 64-bit integers.
LARGEST_VERSION = 2**63 - 1
#: What the system says when nothing more can be written; TensorFlow passes on the words alone.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def versions(export_dir: Path) -> list[int]:
    """Numbers of the version folders, ascending."""
    if not export_dir.is_dir():
        return []
    return sorted(
        int(entry.name)
        for entry in export_dir.iterdir()
        if entry.name.isascii() and entry.name.isdigit()
    )


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

        Two exports never get one number: a rename onto a folder that holds something fails.

        Raises:
            UserError: the wanted version was taken meanwhile.
        """
        while True:
            number = self._wanted or (latest_version(self._export_dir) or 0) + 1
            target = self._export_dir / str(number)
            try:
                if not target.exists():
                    self.folder.rename(target)
                    self.folder = target
                    return target
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            if self._wanted:
                raise UserError(_taken(target))


@contextlib.contextmanager
def new_version(export_dir: str | os.PathLike[str], wanted: int | None) -> Iterator[NewVersion]:
    """Yields a folder beside the versions, hidden from servers until it is published.

    What was not published is removed, whatever happened.

    Raises:
        UserError: the folder cannot be written, or the version exists or is not a version.
        RunFailedError: the disk is full.
    """
    root = require_writable_folder(export_dir, "export folder")
    if wanted is not None:
        if not 0 < wanted <= LARGEST_VERSION:
            raise UserError(f"version {wanted} is not a positive number of 63 bits")
        if (root / str(wanted)).exists():
            raise UserError(_taken(root / str(wanted)))
    temporary = Path(tempfile.mkdtemp(dir=root, prefix=TEMPORARY_PREFIX))
    try:
        temporary.chmod(0o755)
        yield NewVersion(root, wanted, temporary)
    except Exception as error:
        if _disk_is_full(error):
            size = sum(f.stat().st_size for f in temporary.rglob("*") if f.is_file())
            raise RunFailedError(
                f"no space left on the disk of {root} after {size / 1e6:.0f} MB of the export "
                "(or a limit on file sizes is reached); free some and export again"
            ) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _taken(target: Path) -> str:
    return f"version {target.name} exists in {target.parent}; choose another or leave it out"


def _disk_is_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(os.strerror(number).lower() in str(error).lower() for number in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False
