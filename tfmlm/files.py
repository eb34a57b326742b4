"""Files and folders that appear whole or not at all: temporary name beside, then rename.

Whoever makes a temporary folder holds a lock on it, which the system releases when the process
ends, however it ends. So what a killed process left behind can be told from what is in use, and is
removed by whoever next writes beside it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfmlm.errors import RunFailedError, TfmlmError, UserError

TEMPORARY_PREFIX = ".tmp-"
_MADE_BY_US = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}([a-z]+-)*[a-z0-9_]{{8}}(\.\w+)?")
#: Below a temporary folder: where a folder is that was to be replaced, until it was.
_REPLACED = ".replaced"
#: What the system says when nothing more can be written; libraries pass on the words alone.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# linux/fs.h
_NO_REPLACE, _EXCHANGE = 1, 2


class TemporaryFolder:
    """A folder in `beside` that is in use while this process holds it, and is then deleted.

    Attributes:
        path: the folder, empty; only this user can look into it.

    Raises:
        OSError: nothing can be written in `beside`.
    """

    def __init__(self, beside: str | os.PathLike[str]) -> None:
        remove_leftovers(beside)
        while True:
            self.path = Path(tempfile.mkdtemp(dir=beside, prefix=TEMPORARY_PREFIX))
            self._lock = _open_folder(self.path)
            if self._lock is not None:
                with contextlib.suppress(OSError):  # a file system without locks: nothing is swept
                    fcntl.flock(self._lock, fcntl.LOCK_EX)
                if self.path.exists():  # not taken for a leftover before the lock was ours
                    return
                os.close(self._lock)

    def delete(self) -> None:
        """Deletes the folder with what is still in it; the second call does nothing."""
        if self._lock is None:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
        self._lock = None

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.delete()


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Deletes the temporary files and folders in `folder` whose maker is gone.

    A folder that one of them was about to replace gets its name back.
    """
    try:
        names = [entry.name for entry in os.scandir(folder) if _MADE_BY_US.fullmatch(entry.name)]
    except OSError:
        return
    for name in names:
        path = Path(folder) / name
        lock = _open_folder(path)
        if lock is None:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # in use, or a file system without locks
            pass
        else:
            _restore(path)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()
        finally:
            os.close(lock)


def _open_folder(path: Path) -> int | None:
    """A descriptor to be locked; None if there is nothing of ours."""
    with contextlib.suppress(OSError):
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    return None


def _restore(temporary: Path) -> None:
    """Puts a folder back that was moved away and not yet replaced."""
    replaced = temporary / _REPLACED
    if replaced.is_dir():
        for folder in replaced.iterdir():
            with contextlib.suppress(OSError):
                _rename(folder, temporary.parent / folder.name, _NO_REPLACE)


class FolderInUseError(UserError):
    """Another process writes in the folder; nothing in it may be touched."""


@contextlib.contextmanager
def folder_in_use(folder: Path, message: str) -> Iterator[None]:
    """Makes a folder this process's own for a while; makes the folder if need be.

    Raises:
        FolderInUseError: with `message`: another process has it.
        UserError: the folder cannot be written.
    """
    require_writable_folder(folder)
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUseError(message) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(lock)


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
        with TemporaryFolder(folder) as temporary:
            (temporary / "proof").write_bytes(b"x")
    except OSError as error:
        raise UserError(f"cannot write in the {what} {folder}: {error.strerror or error}") from None
    return folder


@contextlib.contextmanager
def undo_folders(folder: Path) -> Iterator[None]:
    """Removes `folder` and those above it if a block that failed made them and they are empty."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise


def require_space(folder: Path, needed: int, what: str) -> None:
    """Proves that the disk of a folder has room.

    Args:
        needed: bytes.
        what: what needs them, for the message.

    Raises:
        UserError: there are fewer.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"not enough space in {folder} for {what}: {in_megabytes(needed)} are needed, "
            f"{in_megabytes(free)} are free, {in_megabytes(needed - free)} are missing; free some "
            "or choose a folder on another disk"
        )


def in_megabytes(size: int) -> str:
    """A number of bytes for a person, in MB."""
    return f"{max(size, 0) / 1e6:,.1f} MB"


def disk_is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came of, says that nothing more can be written."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(os.strerror(number).lower() in str(error).lower() for number in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def full_disk_said(folder: Path, what: str, remedy: str) -> Iterator[None]:
    """Turns an error of a full disk into one line that names folder, work and remedy.

    Raises:
        RunFailedError: the disk is full, or a limit on file sizes is reached.
    """
    try:
        yield
    except TfmlmError:
        raise
    except Exception as error:
        if not disk_is_full(error):
            raise
        raise RunFailedError(
            f"no space left in {folder} for {what} (or a limit on file sizes is reached); {remedy}"
        ) from error


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a path to write to; what is there is renamed to `path` when the block succeeds."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFolder(target.parent) as folder:
        yield folder / target.name
        (folder / target.name).replace(target)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Yields an empty folder; it is renamed to `path` when the block succeeds.

    Args:
        overwrite: replace a folder that is already at `path`.

    Raises:
        FileExistsError: something is at `path` and `overwrite` is false.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFolder(target.parent) as folder:
        new = folder / target.name
        new.mkdir()
        yield new
        if overwrite and target.exists():
            _replace_folder(new, target, folder / _REPLACED)
        else:
            publish_folder(new, target)


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yields an empty folder; its files replace those of `folder`, one rename each, at the end."""
    with TemporaryFolder(folder) as stage:
        yield stage
        for path in sorted(stage.rglob("*")):
            if path.is_file():
                target = folder / path.relative_to(stage)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)


def publish_folder(source: Path, target: Path) -> None:
    """Renames a folder to a name that nothing has.

    Raises:
        FileExistsError: something is at `target`, be it an empty folder.
    """
    _rename(source, target, _NO_REPLACE)


def _replace_folder(new: Path, target: Path, replaced: Path) -> None:
    """Puts `new` in the place of `target`: at every moment one of both is there, where the file
    system can exchange names; elsewhere `remove_leftovers` puts the old one back."""
    try:
        _rename(new, target, _EXCHANGE)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
        replaced.mkdir()
        target.rename(replaced / target.name)
        new.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)


def _rename(source: Path, target: Path, flag: int) -> None:
    """renameat2(2) with one of its flags; a check and a rename where it is not there."""
    function = _renameat2()
    code = errno.ENOSYS
    if function is not None:
        here = -100  # AT_FDCWD
        if function(here, os.fsencode(source), here, os.fsencode(target), flag) == 0:
            return
        code = ctypes.get_errno()
    if flag != _NO_REPLACE or code not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(code, os.strerror(code), str(target))
    if target.exists() or target.is_symlink():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)


@functools.cache
def _renameat2() -> Any:
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        number, text = ctypes.c_int, ctypes.c_char_p
        function.argtypes = [number, text, number, text, ctypes.c_uint]
    return function


def cache_folder() -> Path:
    """tfmlm's folder in the user's cache folder: `XDG_CACHE_HOME`, else `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tfmlm"


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes `value` as indented JSON, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(
            json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def read_json(path: str | os.PathLike[str]) -> Any:
    """Reads a JSON file that may be broken in any way.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or nested so deeply that nobody wrote it.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
