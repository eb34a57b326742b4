"""The output folder of a run: whose it is, and what may be in it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfmlm.config import TrainConfig
from tfmlm.errors import TfmlmError, UserError
from tfmlm.files import (
    FolderInUseError,
    folder_in_use,
    in_megabytes,
    read_json,
    remove_leftovers,
    require_space,
    require_writable_folder,
    undo_folders,
    write_json,
)
from tfmlm.training.report import RUN_FILE

CHECKPOINTS = "checkpoints"
LOGS = "logs"
FINISHED = "finished.json"
RESULTS = ("train_results.json", "eval_results.json", "all_results.json", "training.png")

# Bytes of logs, tokenizer, model card and picture, generously.
_SMALL_FILES = 4_000_000

# Settings that do not change what a run computes: a resumed run may have others. The rows of a step
# over all devices are compared with the checkpoint's instead of the numbers they are a product of.
FREE_SETTINGS = frozenset(
    {
        "output_dir",
        "overwrite_output_dir",
        "resume_from_checkpoint",
        "train_file",  # compared by the blocks' checksum instead
        "validation_file",
        "cache_dir",
        "overwrite_cache",
        "save_strategy",
        "save_steps",
        "save_total_limit",
        "logging_steps",
        "eval_strategy",
        "eval_steps",
        "eval_on_start",
        "early_stopping_patience",
        "load_best_model_at_end",
        "per_device_eval_batch_size",
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "gradient_checkpointing",
        "push_to_hub",
        "hub_model_id",
        "hub_private_repo",
        "hub_revision",
        "hub_timeout",
        "worker_timeout",
        "strategy",
        "tpu_name",
    }
)


def check_output_folder(config: TrainConfig) -> Path:
    """Proves that the run can write in its folder, and that the folder is this run's or free.

    Raises:
        UserError: it holds another run, or files that are no run's.
    """
    folder = Path(config.output_dir).expanduser()
    exists = folder.exists()
    require_writable_folder(folder)
    remove_leftovers(folder / CHECKPOINTS)
    if config.overwrite_output_dir or not exists:
        return folder
    former = _former_settings(folder)
    if former is not None:
        changed = different_settings(former, config.to_dict())
        if changed:
            name = changed[0]
            raise UserError(
                f"{folder} holds another run ({name} was {former.get(name)!r} there, is "
                f"{config.to_dict()[name]!r} now): choose another output_dir, or start anew with "
                "overwrite_output_dir"
            )
        return folder
    strange = [
        entry.name
        for entry in folder.iterdir()
        if not entry.name.startswith(".") and entry.name not in ("README.md", CHECKPOINTS)
    ]
    if strange:
        raise UserError(
            f"{folder} is not empty ({sorted(strange)[0]}): choose another output_dir, or replace "
            "its results with overwrite_output_dir"
        )
    return folder


@contextlib.contextmanager
def undone_if_refused(folder: Path) -> Iterator[None]:
    """A run that ends with an error before its first checkpoint leaves its folder as it was.

    Folders that were made for it and are empty go too. Where several workers share the folder,
    only those: another one may be at work in it.
    """
    before = _own_entries(folder)
    with undo_folders(folder):
        try:
            yield
        except FolderInUseError:
            raise  # what is there is the other run's
        except TfmlmError:
            if not shared_by_workers() and not list((folder / CHECKPOINTS).glob("step-*")):
                for entry in sorted(_own_entries(folder) - before, reverse=True):
                    _remove(entry)
            raise


def shared_by_workers() -> bool:
    """Whether several processes make one run, whose chief alone writes."""
    return "TF_CONFIG" in os.environ or "SLURM_STEP_NUM_TASKS" in os.environ


@contextlib.contextmanager
def owned(folder: Path, mine: bool = True) -> Iterator[None]:
    """Keeps other runs out of the folder, if `mine`.

    Raises:
        FolderInUseError: another run is at work in it.
    """
    if not mine:
        yield
        return
    message = f"another run is writing in {folder}; wait for its end, or choose another output_dir"
    with folder_in_use(folder, message):
        yield


def require_space_for_run(
    folder: Path, *, state: int, weights: int, saves: int, keep: int, best: bool
) -> None:
    """Proves before the first step that what the run will write has room.

    Args:
        state, weights: bytes of a checkpoint and of the model.
        saves: how many checkpoints the run writes.
        keep: how many are kept; while one more is written, all of them are there.
        best: whether the best weights are kept too.

    Raises:
        UserError: there is not enough space.
    """
    count = min(max(saves, 1), keep + 1)
    needed = count * state + (3 if best else 1) * weights + _SMALL_FILES
    there = sum(f.stat().st_size for f in (folder / CHECKPOINTS).glob("step-*/*") if f.is_file())
    what = f"this run ({count} checkpoints of {in_megabytes(state)}, and the model)"
    require_space(folder, needed - there, what)


def _own_entries(folder: Path) -> set[Path]:
    """Files and folders in `folder` that a run writes while it goes on."""
    own = {folder / RUN_FILE, folder / LOGS, folder / CHECKPOINTS}
    own |= set((folder / CHECKPOINTS).glob("*"))
    return {entry for entry in own if entry.exists()}


def _remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)


def clear_former_run(folder: Path, keep: Path | None = None) -> None:
    """Deletes what a former run left, and nothing else; `keep` is an entry of its checkpoints."""
    for name in (RUN_FILE, *RESULTS):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / LOGS, ignore_errors=True)
    for entry in (folder / CHECKPOINTS).glob("*"):
        if keep is None or entry.name != keep.name:
            _remove(entry)


def different_settings(former: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """Names of settings that differ and change what is computed."""
    free = FREE_SETTINGS
    if current.get("average_checkpoints", 1) > 1:
        free = free - {"save_strategy", "save_steps"}  # they say which weights the mean is of
    return [
        name
        for name, value in current.items()
        if name not in free and name in former and former[name] != value
    ]


def mark_finished(folder: Path, identity: dict[str, Any]) -> None:
    """Notes that the run of this data and these steps came to its end."""
    write_json(folder / CHECKPOINTS / FINISHED, identity)


def finished_results(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The results of this very run, if it came to its end in this folder."""
    try:
        mark = read_json(folder / CHECKPOINTS / FINISHED)
        results = read_json(folder / "all_results.json")
    except (OSError, ValueError):
        return None
    return results if mark == identity and (folder / "model.safetensors").exists() else None


def _former_settings(folder: Path) -> dict[str, Any] | None:
    try:
        values = read_json(folder / RUN_FILE)
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None
