"""`model.safetensors` in PyTorch's layout, written without torch.

transformers' own `safe_serialization` of a TF model keeps TensorFlow's names and layout, which
PyTorch's classes do not read. The names and transpositions here are those that transformers'
PyTorch-to-TensorFlow loader applies, the other way round.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from tfmlm.checkpoint.names import pytorch_names
from tfmlm.files import atomic_write

WEIGHTS_NAME = "model.safetensors"


def pytorch_state(model: Any) -> dict[str, np.ndarray]:
    """The weights of a TF model of transformers by PyTorch's names, in PyTorch's layout, float32.

    Tied weights appear once, under the name of the input embedding.
    """
    from transformers.modeling_tf_pytorch_utils import (
        apply_transpose,
        convert_tf_weight_name_to_pt_weight_name,
    )

    state: dict[str, np.ndarray] = {}
    for variable in model.weights:
        value = np.asarray(variable.numpy())
        _, transpose = convert_tf_weight_name_to_pt_weight_name(
            variable.name, tf_weight_shape=value.shape
        )
        name = pytorch_names(model, variable)[0]
        if name in state:
            raise ValueError(f"two variables of the model would both be saved as {name}")
        array = apply_transpose(transpose, value, pt_to_tf=False)
        state[name] = np.ascontiguousarray(_pytorch_shape(name, array))
    if model.config.model_type == "albert":  # whose TF class has PyTorch's one bias twice
        state["predictions.bias"] = state["predictions.decoder.bias"]
    return state


def save_model(model: Any, folder: str | os.PathLike[str]) -> None:
    """Writes `config.json` and `model.safetensors` into a folder, each whole or not at all."""
    from safetensors.numpy import save_file

    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    state = pytorch_state(model)
    with atomic_write(path / WEIGHTS_NAME) as temporary:
        save_file(state, temporary, metadata={"format": "pt"})
    save_config(model, path)


def save_config(model: Any, folder: Path) -> None:
    """Writes `config.json`, naming PyTorch's class as the architecture."""
    import copy

    config = copy.deepcopy(model.config)
    config.architectures = [type(model).__name__.removeprefix("TF")]
    config.torch_dtype = None
    with atomic_write(folder / "config.json") as temporary:
        config.to_json_file(temporary, use_diff=True)


def _pytorch_shape(name: str, array: np.ndarray) -> np.ndarray:
    """Dimensions of size 1 where PyTorch has them and TensorFlow has them elsewhere."""
    if name.endswith("key_conv_attn_layer.bias"):  # ConvBERT's SeparableConv1D
        return array.reshape(-1, 1)
    if name.endswith("depthwise.weight"):
        return array.reshape(-1, 1, array.shape[-1])
    return array
