"""The optimizer's state beside a checkpoint, as safetensors: nothing in it can run code."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from tfmlm.errors import UserError
from tfmlm.files import atomic_write

OPTIMIZER_STATE = "checkpoint/optimizer.safetensors"


def save_optimizer_state(model: Any, folder: str | os.PathLike[str], epoch: int) -> Path:
    """Writes the variables of `model.optimizer` (slots, iterations).

    Args:
        epoch: epochs that are done.
    """
    import numpy as np
    from safetensors.numpy import save_file

    arrays = {
        name: np.array(variable.numpy(), order="C") for name, variable in _variables(model).items()
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
    optimizer = _inner(model.optimizer)
    if hasattr(optimizer, "build"):
        optimizer.build(model.trainable_variables)
    else:
        _ = optimizer.iterations
        optimizer._create_all_weights(model.trainable_variables)
    variables = _variables(model)
    with safe_open(path, framework="np") as stored:
        arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        epoch = int(stored.metadata()["epoch"])
    kinds = {name.split("/")[0] for name in arrays}, {name.split("/")[0] for name in variables}
    fits = kinds[0] == kinds[1] and all(
        name in variables and tuple(variables[name].shape) == array.shape
        for name, array in arrays.items()
    )
    if not fits:
        raise UserError(f"{path} is the state of another optimizer or model")
    for name, array in arrays.items():
        variables[name].assign(array)
    return epoch


def _inner(optimizer: Any) -> Any:
    """The optimizer inside a loss scale optimizer."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _variables(model: Any) -> dict[str, Any]:
    """The optimizer's variables: `iterations`, and `slot/name` of the trainable variable.

    Names are those below the model's own, which counts up in a process; orders say nothing: that
    of a model's variables depends on how it was built. Without a gradient there is no slot yet.
    """
    optimizer = _inner(model.optimizer)
    if not hasattr(optimizer, "get_slot_names"):
        return {f"variable/{n:05d}": v for n, v in enumerate(optimizer.variables)}
    found = {"iterations": optimizer.iterations}
    for variable in model.trainable_variables:
        name = variable.name.partition("/")[2]
        for slot in optimizer.get_slot_names():
            with contextlib.suppress(KeyError):
                found[f"{slot}/{name}"] = optimizer.get_slot(variable, slot)
    return found
