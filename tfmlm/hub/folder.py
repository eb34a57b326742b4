"""What of a folder goes to the Hub, how each file is recognised there, and a still copy of it."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfmlm.errors import UserError

CARD = "README.md"
SNAPSHOT_PREFIX = ".tmp-push-"

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
        source: where it is.
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
            `export_dir` is no folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"no folder {root}; give the checkpoint folder to push")
    patterns = [*CHECKPOINT_FILES, *(LOG_FILES if logs else ()), *include]
    chosen: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not path.is_file() or any(fnmatch.fnmatchcase(name, p) for p in _NEVER):
            continue
        if not any(_matches(name, pattern) for pattern in patterns):
            continue
        if any(fnmatch.fnmatchcase(path.name, pickle) for pickle in PICKLES):
            raise UserError(
                f"{path} may be a pickle, which runs code when it is loaded, and is not pushed; "
                "save weights as safetensors"
            )
        chosen[name] = path
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
            if path.is_file() and not name.startswith(".tmp-"):
                chosen[f"export/{name}"] = path
    return sorted(chosen.items())


def _matches(name: str, pattern: str) -> bool:
    """A pattern without a slash is for the top of the folder only."""
    if "/" in name and "/" not in pattern:
        return False
    return fnmatch.fnmatchcase(name, pattern)


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
    """A still copy of what is pushed; training may go on writing to the folder."""

    files: tuple[LocalFile, ...]
    copy: Path | None

    def delete(self) -> None:
        if self.copy is not None:
            shutil.rmtree(self.copy, ignore_errors=True)


def snapshot(files: Sequence[tuple[str, Path]], beside: Path) -> Snapshot:
    """Copies `files` into a temporary folder in `beside`."""
    copy = Path(tempfile.mkdtemp(dir=beside, prefix=SNAPSHOT_PREFIX))
    try:
        copied = []
        for path, source in files:
            target = copy / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            copied.append(identify(path, target))
        return Snapshot(tuple(copied), copy)
    except BaseException:
        shutil.rmtree(copy, ignore_errors=True)
        raise


def in_place(files: Sequence[tuple[str, Path]]) -> Snapshot:
    """The files themselves, of a folder that nobody writes to."""
    return Snapshot(tuple(identify(path, source) for path, source in files), None)


def delete_old_snapshots(folder: Path) -> None:
    """Deletes what a killed run left behind."""
    for path in folder.glob(f"{SNAPSHOT_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yields an empty folder; its files replace those of `folder`, one rename each, at the end."""
    stage = Path(tempfile.mkdtemp(dir=folder, prefix=".tmp-save-"))
    try:
        yield stage
        for path in sorted(stage.rglob("*")):
            if path.is_file():
                target = folder / path.relative_to(stage)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
