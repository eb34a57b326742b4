"""Which checkpoint a run goes on from, and whether it may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfmlm.config import TrainConfig
from tfmlm.errors import UserError
from tfmlm.training.callbacks import RunState
from tfmlm.training.checkpoint import Checkpoint, latest_checkpoint, open_checkpoint

#: What has to be equal for a checkpoint to be of a run: (its name for people, a remedy).
_IDENTITY = {
    "blocks": ("the corpus or its tokens", ""),
    "validation": ("the validation text", ""),
    "global_rows": (
        "the rows of a step over all devices",
        "choose per_device_train_batch_size and gradient_accumulation_steps so that their product "
        "with the devices is {former}, ",
    ),
    "batch_growth": (
        "the growth of the batch (batch_warmup_steps with gradient_accumulation_steps)",
        "",
    ),
    "order": ("the order of the texts (group_by_length)", ""),
    "total_steps": ("the number of steps", ""),
}
#: Schedules that stay at the peak after the warm-up, at least for a while.
_STABLE = ("constant", "wsd")


def find_checkpoint(
    config: TrainConfig,
    folder: Path,
    identity: dict[str, Any],
    decay_from: Checkpoint | None,
    say: Callable[[str], None],
) -> Checkpoint | None:
    """The checkpoint to go on from: the newest whole one of this run, or where it begins.

    Args:
        config: settings of the run.
        folder: with the run's own checkpoints.
        identity: what has to be equal for a checkpoint to be of this run.
        decay_from: the checkpoint of another run that this one begins with.
        say: is given a line for each checkpoint that is passed over.

    Raises:
        UserError: the checkpoint is of another run.
    """
    checkpoint: Checkpoint | None = None
    if config.resume_from_checkpoint:
        checkpoint = open_checkpoint(Path(config.resume_from_checkpoint))
    elif not config.overwrite_output_dir:
        checkpoint, notes = latest_checkpoint(folder)
        for note in notes:
            say(note)
    if checkpoint is not None:
        _require_same(checkpoint, identity, "resume")
    elif decay_from is not None:
        _require_same(
            decay_from, {**identity, "total_steps": decay_from.run["total_steps"]}, "decay"
        )
        checkpoint = _for_a_new_run(decay_from)
    return checkpoint


def _require_same(checkpoint: Checkpoint, identity: dict[str, Any], what: str) -> None:
    for name, value in identity.items():
        former = checkpoint.run.get(name)
        if former != value:
            label, remedy = _IDENTITY[name]
            raise UserError(
                f"cannot {what} from {checkpoint.folder}: {label} changed ({former} → {value}); "
                f"{remedy.format(former=former)}start anew with overwrite_output_dir, or choose "
                "another output_dir"
            )


def open_stable_checkpoint(config: TrainConfig) -> Checkpoint | None:
    """The checkpoint in which the decay begins that `decay_from` asks for; None without it.

    Raises:
        UserError: it is no checkpoint, or its learning rate is not at the peak any more or yet, or
            is another one than the settings'.
    """
    if not config.decay_from:
        return None
    checkpoint = open_checkpoint(Path(config.decay_from).expanduser(), "decay")
    step = checkpoint.step
    rate = checkpoint.run.get("learning_rate") or {}
    problem = None
    if rate.get("by_clock"):
        problem = "its learning rate follows the clock (max_hours)"
    elif rate.get("kind") not in _STABLE:
        problem = f"its learning rate is {rate.get('kind')}, which has no stable phase"
    elif step < rate["warmup_steps"]:
        problem = f"step {step} is in the warm-up of {rate['warmup_steps']} steps"
    elif rate["kind"] == "wsd" and step > rate["total_steps"] - rate["decay_steps"]:
        problem = (
            f"in step {step} its learning rate falls already, since step "
            f"{rate['total_steps'] - rate['decay_steps']}; take a checkpoint before it"
        )
    elif rate["peak"] != config.learning_rate:
        problem = f"its learning_rate is {rate['peak']:g}, not {config.learning_rate:g}"
    if problem:
        raise UserError(f"cannot decay from {checkpoint.folder}: {problem}")
    return checkpoint


def _for_a_new_run(checkpoint: Checkpoint) -> Checkpoint:
    """Another run's checkpoint as the beginning of this one, whose best weights are to come."""
    state = RunState.from_dict(checkpoint.run["state"])
    state = replace(state, best_loss=RunState().best_loss, best_step=0, waited=0)
    return replace(checkpoint, run={**checkpoint.run, "state": state.to_dict()})
