"""Layers of an encoder that keep nothing for the backward pass but their inputs, and run again
there (Chen et al., 2016, "Training deep nets with sublinear memory cost").
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tfmlm.checkpoint.masked_positions import base_layer
from tfmlm.errors import UserError
from tfmlm.training.surgery.dropout import same_dropout_again
from tfmlm.training.surgery.gradients import short_gradients

#: Where the list of layers is, below the encoder, of architectures whose layers can run twice.
_LAYERS = {
    **dict.fromkeys(
        (
            "bert",
            "camembert",
            "convbert",
            "deberta",
            "deberta-v2",
            "electra",
            "esm",
            "layoutlm",
            "mpnet",
            "rembert",
            "roberta",
            "roberta-prelayernorm",
            "roformer",
            "tapas",
            "xlm-roberta",
        ),
        "encoder.layer",
    ),
    "distilbert": "transformer.layer",
    "eurobert": "layers",
    "modernbert": "layers",
}


class _Mode(threading.local):
    """Whether this thread traces or runs a training step that is to recompute."""

    on: bool = False


_mode = _Mode()


@contextlib.contextmanager
def recomputed_layers() -> Iterator[None]:
    """Inside the block, in this thread, layers keep their inputs only, if they are prepared."""
    previous, _mode.on = _mode.on, True
    try:
        yield
    finally:
        _mode.on = previous


def require_recomputation(config: Any) -> None:
    """Raises `UserError` where the layers cannot run again in the backward pass."""
    if config.model_type not in _LAYERS:
        raise UserError(
            f"gradient_checkpointing does not work with {config.model_type}; it works with "
            f"{', '.join(sorted(_LAYERS))}. Elsewhere a smaller per_device_train_batch_size with "
            "gradient_accumulation_steps needs less memory"
        )


def prepare_recomputation(model: Any) -> int:
    """Prepares the layers of a model for `recomputed_layers`; returns how many will run again.

    The last one keeps what it computes: the backward pass begins with it, so that running it again
    would save nothing. In BERT and its kin it has the masked positions alone (`masked_positions`).

    Raises:
        UserError: an architecture that is not known well enough.
    """
    require_recomputation(model.config)
    layers = base_layer(model)
    for name in _LAYERS[model.config.model_type].split("."):
        layers = getattr(layers, name)
    for layer in layers[:-1]:
        if not isinstance(layer.call, _Recomputed):
            layer.call = _Recomputed(layer.call)
    return len(layers) - 1


class _Recomputed:
    """A layer's `call` that runs again in the backward pass."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not _mode.on:
            return self._call(*args, **kwargs)
        given = tf.nest.flatten((args, kwargs))
        floating = [i for i, value in enumerate(given) if _is_floating(value)]
        again = same_dropout_again()
        structure: list[Any] = []

        def run(*values: tf.Tensor) -> tuple[tf.Tensor, ...]:
            filled = list(given)
            for place, value in zip(floating, values, strict=True):
                filled[place] = value
            own_args, own_kwargs = tf.nest.pack_sequence_as((args, kwargs), filled)
            # The second run happens outside of the blocks in which the first one did.
            with again() if structure else contextlib.nullcontext(), short_gradients():
                outputs = self._call(*own_args, **own_kwargs)
            structure.append(outputs)
            return tuple(value for value in tf.nest.flatten(outputs) if tf.is_tensor(value))

        results = iter(tf.recompute_grad(run)(*(given[place] for place in floating)))
        outputs = structure[0]
        flat = [next(results) if tf.is_tensor(v) else v for v in tf.nest.flatten(outputs)]
        return tf.nest.pack_sequence_as(outputs, flat)


def _is_floating(value: Any) -> bool:
    return tf.is_tensor(value) and value.dtype.is_floating
