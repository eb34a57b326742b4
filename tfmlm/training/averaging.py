"""The mean of the last checkpoints' weights (Izmailov et al., 2018; Kaddour, 2022)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfmlm.errors import RunFailedError, UserError
from tfmlm.training.checkpoint import STATE_FILE, numbered_weights, open_checkpoint, steps_of

_PREFIX = "model/"


def steps_to_average(root: Path, count: int, every: int | None, last: int) -> list[int]:
    """The steps of the last checkpoints that a run saves by plan, oldest first.

    A checkpoint that was saved because the run was stopped is not among them, so that an
    interrupted run has the mean of one that was not.

    Args:
        root: folder of the checkpoints.
        count: how many.
        every: steps between two checkpoints.
        last: the run's last step so far, which counts too.
    """
    planned = [s for s in steps_of(root) if s == last or (every and s % every == 0)]
    return sorted(planned)[-count:]


def set_mean(model: Any, root: Path, steps: list[int]) -> None:
    """Sets the weights of a model to their mean over checkpoints, taken in float64.

    Raises:
        RunFailedError: a checkpoint is damaged.
    """
    sums: dict[str, np.ndarray] = {}
    for step in steps:
        for name, value in _weights(root / f"step-{step:08d}"):
            sums[name] = sums[name] + value if name in sums else value
    for name, variable in numbered_weights(model).items():
        total = sums[_PREFIX + name]
        mean = total / len(steps) if np.issubdtype(total.dtype, np.floating) else total
        variable.assign(mean.astype(variable.dtype.as_numpy_dtype))


def _weights(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The model's arrays of a checkpoint, floating-point ones in float64."""
    from safetensors import safe_open

    try:
        open_checkpoint(folder, "average")
    except UserError as error:
        raise RunFailedError(
            f"{error}; remove this checkpoint and run the same command again to go on from the one "
            "before"
        ) from None
    with safe_open(folder / STATE_FILE, framework="np") as stored:
        for name in stored.keys():  # noqa: SIM118
            if name.startswith(_PREFIX):
                value = stored.get_tensor(name)
                floating = np.issubdtype(value.dtype, np.floating)
                yield name, value.astype(np.float64) if floating else value
