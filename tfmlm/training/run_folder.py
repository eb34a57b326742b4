"""The output folder of a run: whose it is, and what may be in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tfmlm.config import TrainConfig
from tfmlm.errors import UserError
from tfmlm.files import require_writable_folder, write_json
from tfmlm.training.report import RUN_FILE

CHECKPOINTS = "checkpoints"
LOGS = "logs"
FINISHED = "finished.json"
RESULTS = ("train_results.json", "eval_results.json", "all_results.json", "training.png")

# Settings that do not change what a run computes: a resumed run may have others.
FREE_SETTINGS = frozenset(
    {
        "output_dir",
        "overwrite_output_dir",
        "resume_from_checkpoint",
        "train_file",  # compared by the blocks' checksum instead
        "validation_file",
        "cache_dir",
        "overwrite_cache",
        "save_steps",
        "save_total_limit",
        "logging_steps",
        "eval_steps",
        "eval_on_start",
        "early_stopping_patience",
        "load_best_model_at_end",
        "per_device_eval_batch_size",
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


def clear_former_run(folder: Path) -> None:
    """Deletes what a former run left, and nothing else."""
    for name in (RUN_FILE, *RESULTS):
        (folder / name).unlink(missing_ok=True)
    for name in (CHECKPOINTS, LOGS):
        shutil.rmtree(folder / name, ignore_errors=True)


def different_settings(former: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """Names of settings that differ and change what is computed."""
    return [
        name
        for name, value in current.items()
        if name not in FREE_SETTINGS and name in former and former[name] != value
    ]


def mark_finished(folder: Path, identity: dict[str, Any]) -> None:
    """Notes that the run of this data and these steps came to its end."""
    write_json(folder / CHECKPOINTS / FINISHED, identity)


def finished_results(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The results of this very run, if it came to its end in this folder."""
    try:
        mark = json.loads((folder / CHECKPOINTS / FINISHED).read_text(encoding="utf-8"))
        results = json.loads((folder / "all_results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return results if mark == identity and (folder / "model.safetensors").exists() else None


def _former_settings(folder: Path) -> dict[str, Any] | None:
    try:
        values = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None
