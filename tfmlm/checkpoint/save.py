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

    rename = getattr(model, "tf_to_pt_weight_rename", None)
    state: dict[str, np.ndarray] = {}
    for variable in model.weights:
        value = np.asarray(variable.numpy())
        name, transpose = convert_tf_weight_name_to_pt_weight_name(
            variable.name, tf_weight_shape=value.shape
        )
        names = (name,) if rename is None else rename(name)
        array = apply_transpose(transpose, value, pt_to_tf=False)
        array = np.ascontiguousarray(_pytorch_shape(names[0], array))
        target = names[0]
        if target in state:
            if np.array_equal(state[target], array):
                continue
            target = _untied_name(target)
        state[target] = array
    if model.config.model_type == "mobilebert":  # read by TensorFlow's loader, tied or not
        decoder = model.predictions.predictions.decoder.numpy()
        state["cls.predictions.decoder.weight"] = np.ascontiguousarray(decoder)
    return state


def tie_decoder(model: Any) -> None:
    """Makes the output embedding the input embedding where transformers means to and does not.

    TFEsmForMaskedLM makes its embedding a second time while it is built, and
    TFMobileBertForMaskedLM never ties its decoder, so that in training they part ways, which
    PyTorch's classes cannot represent under the same config.
    """
    if not getattr(model.config, "tie_word_embeddings", True):
        return
    if model.config.model_type == "esm":
        layer = model.esm.embeddings.word_embeddings
        model.lm_head.decoder = layer.embeddings
        layer._trainable_weights = [layer.embeddings]
    elif model.config.model_type == "mobilebert":
        head = model.predictions.predictions
        stale = head.decoder
        head.decoder = model.mobilebert.embeddings.weight
        head._trainable_weights = [w for w in head._trainable_weights if w is not stale]


def untied_decoder(model: Any) -> bool:
    """Whether a config says that the embeddings are tied and the weights differ (ESM, MobileBERT;
    see `tie_decoder`)."""
    if not getattr(model.config, "tie_word_embeddings", True):
        return False
    if model.config.model_type == "esm":
        pair = model.lm_head.decoder, model.esm.embeddings.word_embeddings.embeddings
    elif model.config.model_type == "mobilebert":
        pair = (
            model.predictions.predictions.decoder,
            model.mobilebert.embeddings.weight,
        )
    else:
        return False
    return not np.array_equal(pair[0].numpy(), pair[1].numpy())


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
    if untied_decoder(model):
        config.tie_word_embeddings = False
    with atomic_write(folder / "config.json") as temporary:
        config.to_json_file(temporary, use_diff=True)


def _pytorch_shape(name: str, array: np.ndarray) -> np.ndarray:
    """Dimensions of size 1 where PyTorch has them and TensorFlow has them elsewhere."""
    if name.endswith("key_conv_attn_layer.bias"):  # ConvBERT's SeparableConv1D
        return array.reshape(-1, 1)
    if name.endswith("depthwise.weight"):
        return array.reshape(-1, 1, array.shape[-1])
    return array


def _untied_name(name: str) -> str:
    if name != "esm.embeddings.word_embeddings.weight":
        raise ValueError(f"two variables of the model would both be saved as {name}")
    return "lm_head.decoder.weight"
