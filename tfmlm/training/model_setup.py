"""The model of a run: from a checkpoint or from scratch, checked against tokenizer and blocks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tfmlm.checkpoint._switches import require_obeyed
from tfmlm.checkpoint.limits import id_count, vocabulary_size
from tfmlm.checkpoint.load import load_config
from tfmlm.checkpoint.names import pytorch_names
from tfmlm.errors import UserError

_NOT_FOR_XLA = ("longformer",)


def new_config(
    model_type: str | None, overrides: str | None, tokenizer: Any, name: str | None = None
) -> Any:
    """A config for a new model whose ids are the tokenizer's.

    Args:
        model_type: which architecture; None: that of the config called `name`.
        overrides: changes, as `name=value,name=value`.
        tokenizer: the run's tokenizer.
        name: folder or Hub name of a config to start from; the architecture's defaults without.

    Raises:
        UserError: no such architecture for masked LMs in TensorFlow, a config of another one, or
            a bad override.
    """
    if name is not None:
        config = load_config(name)
        if model_type not in (None, config.model_type):
            raise UserError(f"config {name} is of type {config.model_type}, not {model_type}")
    else:
        assert model_type is not None
        config = _default_config(model_type)
    return _for_tokenizer(config, overrides, tokenizer)


def _default_config(model_type: str) -> Any:
    from transformers import CONFIG_MAPPING, TF_MODEL_FOR_MASKED_LM_MAPPING

    known = sorted(config.model_type for config in TF_MODEL_FOR_MASKED_LM_MAPPING)
    if model_type not in known:
        import difflib

        close = difflib.get_close_matches(model_type, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UserError(f"model_type is {model_type!r}{hint} (choose from {', '.join(known)})")
    return CONFIG_MAPPING[model_type]()


def _for_tokenizer(config: Any, overrides: str | None, tokenizer: Any) -> Any:
    """The config with the sizes and ids of a tokenizer, and the user's changes."""
    for name in ("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id"):
        if getattr(config, name, None) is not None:
            setattr(config, name, None)
    config.vocab_size = id_count(tokenizer)
    if tokenizer.pad_token_id is not None:
        config.pad_token_id = tokenizer.pad_token_id
    if hasattr(config, "pad_index"):
        config.pad_index = tokenizer.pad_token_id or 0
    for name in ("bos", "eos", "cls", "sep", "mask"):
        value = getattr(tokenizer, f"{name}_token_id", None)
        if value is not None and name in ("bos", "eos", "mask"):
            setattr(config, f"{name}_token_id", value)
    _override(config, overrides)
    require_obeyed(config)
    return config


def _override(config: Any, overrides: str | None) -> None:
    """Applies `name=value,name=value`, with values in the type of the config's own."""
    for item in filter(None, (part.strip() for part in (overrides or "").split(","))):
        name, separator, value = item.partition("=")
        name = name.strip()
        if not separator:
            raise UserError(f"config_overrides: {item!r} is not NAME=VALUE")
        if not hasattr(config, name):
            import difflib

            close = difflib.get_close_matches(name, config.to_dict(), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise UserError(f"config_overrides: {config.model_type} has no {name}{hint}")
        old = getattr(config, name)
        try:
            setattr(config, name, _parse(value.strip(), old))
        except ValueError:
            raise UserError(
                f"config_overrides: {name} is {value!r}; expected {type(old).__name__}"
            ) from None


def _parse(text: str, old: Any) -> Any:
    if isinstance(old, bool):
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError
        return text.lower() in ("true", "1")
    if isinstance(old, int):
        return int(text)
    if isinstance(old, float):
        if not math.isfinite(float(text)):
            raise ValueError
        return float(text)
    if old is None or isinstance(old, list | tuple):
        import yaml

        # A list is written with semicolons or spaces, since commas part the overrides.
        return yaml.safe_load(text.replace(";", ",").replace(" ", ","))
    return text


def build_new_model(config: Any) -> Any:
    """A TF masked LM with initial weights, all of them made.

    Raises:
        UserError: the config's numbers do not fit together.
    """
    from transformers import TFAutoModelForMaskedLM

    try:
        model = TFAutoModelForMaskedLM.from_config(config)
        model.build_in_name_scope()
        model(_example(model), training=False)
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"a {config.model_type} of this config cannot be built: {reason}"
        ) from error
    return model


def _example(model: Any) -> dict[str, Any]:
    import tensorflow as tf

    return {"input_ids": tf.ones([1, 8], tf.int32), "attention_mask": tf.ones([1, 8], tf.int32)}


def fit_vocabulary(model: Any, tokenizer: Any, say: Callable[[str], None]) -> None:
    """Gives the model rows for tokens that its tokenizer has and it has not."""
    size, wanted = vocabulary_size(model.config), id_count(tokenizer)
    if wanted > size:
        say(f"The embeddings grow from {size:,} to {wanted:,} rows, as the tokenizer has ids")
        try:
            model.resize_token_embeddings(wanted)
        except Exception as error:
            raise UserError(
                f"the tokenizer has {wanted} ids, the model {size}, and its embeddings "
                f"cannot be resized ({type(error).__name__}); use the model's own tokenizer"
            ) from error


def require_xla(model: Any, replicas: int) -> None:
    """Raises `UserError` where forward and backward pass cannot be compiled with XLA."""
    if replicas > 1:
        raise UserError(
            f"jit_compile does not work with {replicas} devices: XLA cannot compile a step that "
            "reads weights mirrored over devices; leave it out, or use strategy one_device"
        )
    if model.config.model_type in _NOT_FOR_XLA:
        raise UserError(
            f"jit_compile does not work with {model.config.model_type}: its attention has shapes "
            "that XLA cannot know; leave it out"
        )


def output_bias(model: Any) -> Any:
    """The variable [vocabulary] that is added to the logits, or None."""
    size = vocabulary_size(model.config)
    found = [
        v
        for v in model.trainable_variables
        if v.shape.rank == 1 and v.shape[0] == size and v.name.split(":")[0].endswith("bias")
    ]
    return found[-1] if found else None


def bias_is_missing(model: Any, missing: tuple[str, ...]) -> bool:
    """Whether the output bias is among the weights (PyTorch's names) a checkpoint lacked."""
    bias = output_bias(model)
    if bias is None:
        return False
    return bool({*pytorch_names(model, bias), bias.name} & set(missing))


def set_unigram_bias(model: Any, log_probabilities: np.ndarray) -> bool:
    """Sets the output bias to log-unigram frequencies; returns whether the model has one.

    An untrained head then starts at the loss of guessing by frequency, not at log(vocabulary).
    """
    bias = output_bias(model)
    if bias is None:
        return False
    value = np.full(int(bias.shape[0]), float(log_probabilities.min()), np.float32)
    count = min(len(value), len(log_probabilities))
    value[:count] = log_probabilities[:count]
    bias.assign(value)
    return True
