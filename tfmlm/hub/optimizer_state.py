"""The optimizer's state beside a checkpoint, as safetensors: nothing in it can run code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tfmlm.errors import UserError
from tfmlm.files import atomic_write

OPTIMIZER_STATE = "checkpoint/optimizer.safetensors"


def save_optimizer_state(model: Any, folder: str | os.PathLike[str], epoch: int) -> Path:
    """Writes the variables of `model.optimizer` (slots, iterations), in order.

    Args:
        epoch: epochs that are done.
    """
    import numpy as np
    from safetensors.numpy import save_file

    variables = _variables(model.optimizer)
    arrays = {
        f"{number:05d}": np.ascontiguousarray(variable.numpy())
        for number, variable in enumerate(variables)
    }
    path = Path(folder) / OPTIMIZER_STATE
    with atomic_write(path) as temporary:
        save_file(arrays, temporary, metadata={"epoch": str(epoch)})
    return path


def load_optimizer_state(model: Any, folder: str | os.PathLike[str]) -> int:
    """Sets the state of a compiled model's optimizer from `PushToHub(checkpoint=True)`'s folder.

    The weights come with `from_pretrained(folder)`. Returns the epochs done, for
    `fit(initial_epoch=...)`.

    Raises:
        UserError: there is no state, or it is another optimizer's.
    """
    from safetensors import safe_open

    path = Path(folder) / OPTIMIZER_STATE
    if not path.exists():
        raise UserError(f"no {path}; PushToHub(checkpoint=True) writes it")
    optimizer = model.optimizer
    if hasattr(optimizer, "build"):
        optimizer.build(model.trainable_variables)
    else:
        _ = optimizer.iterations
        optimizer._create_all_weights(model.trainable_variables)
    variables = _variables(optimizer)
    with safe_open(path, framework="np") as stored:
        names = sorted(stored.keys())
        arrays = [stored.get_tensor(name) for name in names]
        epoch = int(stored.metadata()["epoch"])
    shapes = [tuple(variable.shape) for variable in variables]
    if [array.shape for array in arrays] != shapes:
        raise UserError(
            f"{path} holds {len(arrays)} arrays of another optimizer or model; "
            f"this one has {len(shapes)} variables"
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return epoch


def _variables(optimizer: Any) -> list[Any]:
    variables = optimizer.variables
    return list(variables() if callable(variables) else variables)
