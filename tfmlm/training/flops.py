"""Operations of a training step, and how many of them a second the machine can do.

Counted are the products of matrices that the model's shapes ask for, as for "model FLOPs
utilization" (Chowdhery et al., 2022, PaLM, appendix B): 6 a weight and token (2 forward, 4
backward), and 12 · width a pair of tokens that attention compares; here the vocabulary projection
counts at the masked positions only, since only there it is computed, and so does what follows the
attention in the last layer of BERT and its kin. Recomputation and padding do
not count.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfmlm.checkpoint.limits import vocabulary_size
from tfmlm.checkpoint.masked_positions import at_positions_only
from tfmlm.training.optimizer import path_below_model

#: Side of the square matrices by which a machine's peak is measured, on a GPU and elsewhere.
_SIDES = {True: 8192, False: 1536}
#: In the path of weights that ALBERT's layers share.
_SHARED = "albert_layer_groups"


@dataclass(frozen=True)
class StepFlops:
    """Floating-point operations of forward and backward pass, by what they are for.

    Attributes:
        token: of a token, attention's comparisons left out.
        prediction: of a masked position, in the head and in what of the last layer is computed at
            masked positions only.
        pair: of two tokens that are compared, in the layers that see whole texts.
        near_pair: the same in the layers that see a window.
        window: tokens that a token sees there.
    """

    token: float
    prediction: float
    pair: float
    near_pair: float = 0.0
    window: int = 0

    def of(self, tokens: Any, predictions: Any, length: Any) -> Any:
        """Of a batch with so many tokens and masked positions, in rows of `length`; float32."""
        seen = tf.cast(length, tf.float32)
        near = tf.minimum(seen, float(self.window))
        compared = self.pair * seen + self.near_pair * near
        return tokens * (self.token + compared) + predictions * self.prediction


def step_flops(model: Any) -> StepFlops:
    """The operations of a step by the shapes of a TF masked LM's weights."""
    config = model.config
    layers = int(getattr(config, "num_hidden_layers", None) or getattr(config, "n_layers", 0) or 0)
    width = int(getattr(config, "hidden_size", None) or getattr(config, "dim", 0) or 0)
    vocabulary = vocabulary_size(config)
    base = getattr(model, model.base_model_prefix)
    inside = {id(variable) for variable in base.trainable_variables}
    late = {id(variable) for variable in at_positions_only(model)}
    encoder = head = projection = 0
    for variable in model.trainable_variables:
        shape = variable.shape
        size, path = int(shape.num_elements()), path_below_model(variable.name).lower()
        if vocabulary in shape and shape.rank == 2:
            projection = size  # tied with the embeddings, or a table of its own
        elif shape.rank < 2 or ("embedding" in path and not path.endswith("kernel")):
            continue  # embeddings are looked up
        elif id(variable) in inside and id(variable) not in late:
            encoder += size * (layers // config.num_hidden_groups if _SHARED in path else 1)
        else:
            head += size
    near = _window_layers(config, layers)
    window = int(getattr(config, "local_attention", 0) or 0) + 1
    return StepFlops(
        token=6.0 * encoder,
        prediction=6.0 * (head + projection),
        pair=12.0 * width * (layers - near),
        near_pair=12.0 * width * near,
        window=window,
    )


def _window_layers(config: Any, layers: int) -> int:
    """How many layers see a window only."""
    every = getattr(config, "global_attn_every_n_layers", None)
    return layers - len(range(0, layers, every)) if every else 0


@functools.cache
def matrix_peak(dtype: str) -> float:
    """FLOP/s of one device in products of large square matrices, as measured now, once a process.

    Args:
        dtype: `float32`, `bfloat16` or `float16`.
    """
    gpu = bool(tf.config.list_physical_devices("GPU"))
    if dtype == "float16" and not gpu:
        dtype = "float32"  # CPUs emulate it
    side = _SIDES[gpu]
    device = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    with tf.device(device[0].name):
        matrix = tf.cast(tf.random.stateless_normal([side, side], [0, 1]), dtype)
        best = float("inf")
        for _ in range(4):  # the first is warm-up, too
            begun = time.perf_counter()
            tf.reduce_sum(tf.matmul(matrix, matrix)[0]).numpy()
            best = min(best, time.perf_counter() - begun)
    return 2.0 * side**3 / best


def devices_of_the_run(replicas: int, workers: int) -> int:
    """How many times `matrix_peak` the machines of a run can do: logical CPUs share one."""
    return replicas if tf.config.list_physical_devices("GPU") else workers
