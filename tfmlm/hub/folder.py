"""What of a folder goes to the Hub, how each file is recognised there, and a still copy of it."""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfmlm.errors import UserError
from tfmlm.files import TEMPORARY_PREFIX, TemporaryFolder, disk_is_full, in_megabytes

CARD = "README.md"
# How often a file that changes while it is copied is copied again.
_COPIES = 5

# A checkpoint's files. The tokenizers' names are those of `vocab_files_names` in transformers.
CHECKPOINT_FILES = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "bpe.codes",
    "emoji.txt",
    "entity_vocab.json",
    "*.model",
    "chat_template.jinja",
    CARD,
    "LICENSE*",
    "NOTICE*",
    "training.png",
    "*_results.json",
)
LOG_FILES = ("logs/*",)
# Formats that run code when they are loaded.
PICKLES = ("*.pkl", "*.pickle", "*.bin", "*.pt", "*.pth", "*.ckpt", "*.joblib", "*.dill")
_NEVER = (".git/*", ".tmp-*", ".cache/*", ".tfmlm*", "checkpoints/*")


@dataclass(frozen=True)
class LocalFile:
    """A file to be pushed.

    Attributes:
        path: where it goes, relative to the repository, with `/`.
        source: where its still copy is.
        size: bytes.
        sha256: hex; the name of the content in LFS.
        blob: hex; git's name of the content as a regular file.
    """

    path: str
    source: str
    size: int
    sha256: str
    blob: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def files_to_push(
    folder: str | os.PathLike[str],
    *,
    include: Sequence[str] = (),
    logs: bool = False,
    export_dir: str | os.PathLike[str] | None = None,
) -> list[tuple[str, Path]]:
    """Names in the repository and paths of what is pushed, sorted by name.

    Args:
        folder: a checkpoint folder.
        include: further files of the folder, as patterns (`*.json`, `figures/*`).
        logs: also the TensorBoard logs below `logs/`.
        export_dir: also this SavedModel export, as `export/`.

    Raises:
        UserError: there is no `config.json` or no weights, a file of `include` is a pickle, or
            `export_dir` is no folder, or something is a link out of the folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"no folder {root}; give the checkpoint folder to push")
    patterns = [*CHECKPOINT_FILES, *(LOG_FILES if logs else ()), *include]
    chosen: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if any(fnmatch.fnmatchcase(name, p) for p in _NEVER):
            continue
        if path.is_symlink() and path.is_dir() and any(_is_below(name, p) for p in patterns):
            raise UserError(f"{path} is a link to a folder, which is not pushed; copy it there")
        if not path.is_file() or not any(_matches(name, pattern) for pattern in patterns):
            continue
        if any(fnmatch.fnmatchcase(path.name, pickle) for pickle in PICKLES):
            raise UserError(
                f"{path} may be a pickle, which runs code when it is loaded, and is not pushed; "
                "save weights as safetensors"
            )
        chosen[name] = _inside(path, root)
    if "config.json" not in chosen:
        raise UserError(f"folder {root} holds no config.json, so it is no checkpoint folder")
    if not any(name.endswith(".safetensors") for name in chosen):
        raise UserError(
            f"folder {root} holds no model.safetensors; save the model as safetensors first"
        )
    if export_dir is not None:
        export = Path(export_dir)
        if not export.is_dir():
            raise UserError(f"no folder {export}; give the folder of a SavedModel export")
        for path in sorted(export.rglob("*")):
            name = path.relative_to(export).as_posix()
            if name.startswith(TEMPORARY_PREFIX):
                continue
            if path.is_symlink() and path.is_dir():
                raise UserError(f"{path} is a link to a folder, which is not pushed; copy it there")
            if path.is_file():
                chosen[f"export/{name}"] = _inside(path, export)
    return sorted(chosen.items())


def _matches(name: str, pattern: str) -> bool:
    """A pattern without a slash is for the top of the folder only."""
    if "/" in name and "/" not in pattern:
        return False
    return fnmatch.fnmatchcase(name, pattern)


def _is_below(folder: str, pattern: str) -> bool:
    """Whether a pattern asks for what is in a folder."""
    above, slash, _ = pattern.rpartition("/")
    return bool(slash) and fnmatch.fnmatchcase(folder, above)


def _inside(path: Path, root: Path) -> Path:
    """Where a file really is.

    Raises:
        UserError: it is a link to something outside of `root`.
    """
    real = path.resolve()
    if not real.is_relative_to(root.resolve()):
        raise UserError(
            f"{path} is a link out of the folder, to {real}, and is not pushed; put a copy there"
        )
    return real


def identify(path: str, source: Path) -> LocalFile:
    """Reads a file once and gives it both names that a Hub may know its content by."""
    size = source.stat().st_size
    sha256, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size)
    with source.open("rb") as file:
        while block := file.read(1 << 20):
            sha256.update(block)
            blob.update(block)
    return LocalFile(path, str(source), size, sha256.hexdigest(), blob.hexdigest())


@dataclass(frozen=True)
class Snapshot:
    """A still copy of what is pushed; whatever happens to the folder later does not change it."""

    files: tuple[LocalFile, ...]
    copy: TemporaryFolder | None = None

    def delete(self) -> None:
        if self.copy is not None:
            self.copy.delete()


def snapshot(files: Sequence[tuple[str, Path]], beside: Path) -> Snapshot:
    """Copies `files` into a temporary folder in `beside`, or in the system's if that is read-only.

    Raises:
        UserError: the disk is full; a file is gone, is no regular file, became a link, or does not
            stand still.
    """
    size = sum(source.stat().st_size for _, source in files if source.exists())
    try:
        copy = TemporaryFolder(beside)
    except OSError:
        copy = TemporaryFolder(tempfile.gettempdir())
    try:
        copied = [_copied(path, source, copy.path / path) for path, source in files]
        return Snapshot(tuple(copied), copy)
    except BaseException as error:
        copy.delete()
        if disk_is_full(error):
            raise UserError(
                f"no space in {copy.path.parent} for a copy of what is pushed "
                f"({in_megabytes(size)}); free some and push again"
            ) from None
        raise


def _copied(path: str, source: Path, target: Path) -> LocalFile:
    """Copies a file that stood still meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(_COPIES):
        try:
            descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            reason = "is a link now" if error.errno == errno.ELOOP else error.strerror
            raise UserError(f"cannot push {path}: {source} {reason}") from None
        with os.fdopen(descriptor, "rb") as file, target.open("wb") as out:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UserError(f"cannot push {path}: {source} is no regular file")
            shutil.copyfileobj(file, out, 1 << 20)
            out.flush()
            file.seek(0)
            again = hashlib.sha256()
            while block := file.read(1 << 20):
                again.update(block)
        made = identify(path, target)
        if made.sha256 == again.hexdigest():
            return made
    raise UserError(f"{source} is being written to; push again when it is finished")
