"""Step checkpoints that are whole or not there, checked when read.

A checkpoint is a folder `step-<number>` with `state.safetensors` (every array that the rest of the
run depends on) and `checkpoint.json` (counters, the loss curve, the other file's size and digest,
and its own digest). It is written beside and renamed; one that was damaged later is passed over
for the one before. No pickle.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfmlm.errors import UserError
from tfmlm.files import atomic_folder, read_json, remove_leftovers
from tfmlm.training.optimizer import path_below_model

STATE_FILE = "state.safetensors"
MANIFEST = "checkpoint.json"
_NAME = re.compile(r"step-(\d{1,18})")
_BLANK = b"0" * 32
_SELF = re.compile(rb'("self": ")[0-9a-f]{32}')


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint.

    Attributes:
        folder: where it is.
        step: steps done.
        run: what `save_checkpoint` was given.
    """

    folder: Path
    step: int
    run: dict[str, Any]

    def arrays(self) -> dict[str, np.ndarray]:
        """The saved arrays by name."""
        from safetensors.numpy import load_file

        return dict(load_file(self.folder / STATE_FILE))


def save_checkpoint(
    root: Path, step: int, arrays: dict[str, np.ndarray], run: dict[str, Any]
) -> Path:
    """Writes `root/step-<step>`."""
    from safetensors.numpy import save_file

    target = root / f"step-{step:08d}"
    with atomic_folder(target, overwrite=True) as temporary:
        state = temporary / STATE_FILE
        save_file({k: np.asarray(v, order="C") for k, v in arrays.items()}, state)
        manifest = {
            "step": step,
            "size": state.stat().st_size,
            "blake2b": _digest(state),
            "self": _BLANK.decode(),
            "run": run,
        }
        text = (json.dumps(manifest) + "\n").encode()
        (temporary / MANIFEST).write_bytes(_signed(text))
    return target


def steps_of(root: Path) -> list[int]:
    """The steps of the checkpoints that are there, newest first."""
    return [step for step, _ in _step_folders(root)]


def remove_older(root: Path, keep: int, also: Collection[int] = ()) -> None:
    """Removes all but the newest `keep` checkpoints and those of the steps `also`."""
    for step, folder in _step_folders(root)[keep:]:
        if step not in also:
            shutil.rmtree(folder, ignore_errors=True)


def keep_newest(root: Path) -> None:
    """Deletes all but the newest whole checkpoint, to make room."""
    checkpoint, _ = latest_checkpoint(root)
    remove_leftovers(root)
    for _, folder in _step_folders(root):
        if checkpoint is not None and folder != checkpoint.folder:
            shutil.rmtree(folder, ignore_errors=True)


def latest_checkpoint(root: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint, and a line for each broken one that was passed over."""
    notes: list[str] = []
    for _, folder in _step_folders(root):
        checkpoint, problem = _read(folder)
        if checkpoint is not None:
            return checkpoint, notes
        notes.append(f"checkpoint {folder.name} is passed over: {problem}")
    return None, notes


def open_checkpoint(folder: Path, purpose: str = "resume") -> Checkpoint:
    """Opens one checkpoint folder.

    Args:
        folder: the folder of one step.
        purpose: what for, for the message.

    Raises:
        UserError: it is no checkpoint, or broken.
    """
    checkpoint, problem = _read(folder)
    if checkpoint is None:
        raise UserError(f"cannot {purpose} from {folder}: {problem}")
    return checkpoint


def _read(folder: Path) -> tuple[Checkpoint | None, str]:
    try:
        text = (folder / MANIFEST).read_bytes()
        blank, found = _SELF.subn(rb"\g<1>" + _BLANK, text, count=1)
        if not found or _signed(blank) != text:
            return None, f"its {MANIFEST} is damaged"
        manifest = read_json(folder / MANIFEST)
        state = folder / STATE_FILE
        if state.stat().st_size != manifest["size"]:
            return None, "its file is cut off"
        if _digest(state) != manifest["blake2b"]:
            return None, "its file is damaged"
        return Checkpoint(folder, int(manifest["step"]), manifest["run"]), ""
    except FileNotFoundError as error:
        return None, f"{Path(error.filename or '').name} is missing"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, f"it cannot be read ({type(error).__name__})"


def _signed(text: bytes) -> bytes:
    """A manifest with its own digest in the place of the blank one."""
    digest = hashlib.blake2b(text, digest_size=len(_BLANK) // 2).hexdigest()
    return _SELF.sub(rb"\g<1>" + digest.encode(), text, count=1)


def _step_folders(root: Path) -> list[tuple[int, Path]]:
    """(step, folder), newest first."""
    if not root.is_dir():
        return []
    found = []
    for folder in root.iterdir():
        match = _NAME.fullmatch(folder.name)
        if match and folder.is_dir():
            found.append((int(match.group(1)), folder))
    return sorted(found, reverse=True)


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


def trainer_arrays(trainer: Any) -> dict[str, np.ndarray]:
    """Everything the rest of a run depends on, by name: weights, moments, counters."""
    return {name: np.asarray(v.numpy()) for name, v in _variables(trainer).items()}


def size_of_checkpoint(trainer: Any) -> int:
    """Bytes of the arrays of a checkpoint."""
    return sum(v.shape.num_elements() * v.dtype.size for v in _variables(trainer).values())


def restore_trainer(trainer: Any, arrays: dict[str, np.ndarray]) -> None:
    """Sets the trainer's variables to saved arrays.

    Raises:
        UserError: the arrays belong to another model or optimizer.
    """
    variables = _variables(trainer)
    different = {
        name
        for name in variables.keys() | arrays.keys()
        if name not in variables
        or name not in arrays
        or tuple(variables[name].shape) != arrays[name].shape
    }
    if different:
        raise UserError(
            f"the checkpoint belongs to another model or optimizer ({sorted(different)[0]} "
            "differs); use another output_dir or overwrite_output_dir"
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _variables(trainer: Any) -> dict[str, Any]:
    variables = {f"model/{name}": v for name, v in numbered_weights(trainer.model).items()}
    optimizer = trainer.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    variables |= {f"optimizer/{number}": v for number, v in enumerate(inner.weights)}
    if inner is not optimizer and optimizer.dynamic:
        variables["optimizer/loss_scale"] = optimizer._loss_scale._current_loss_scale
        variables["optimizer/loss_scale_counter"] = optimizer.dynamic_counter
    variables |= {f"trainer/{name}": v for name, v in trainer.state_variables().items()}
    return variables


def numbered_weights(model: Any) -> dict[str, Any]:
    """A model's variables by number and path below its name, which Keras makes unique."""
    return {f"{i}/{path_below_model(v.name)}": v for i, v in enumerate(model.weights)}
