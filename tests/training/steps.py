"""Run as a process: trains 20 steps under one or more layouts and saves the weights.

python -m tests.training.steps OUT.npz CACHE LAYOUT...

A layout is NAME:STRATEGY:ROWS:ACCUMULATION, where ROWS are those of a micro-batch. If NAME begins
with `weighted`, tokens have weights that depend on their ids, and all are 0 in every third step.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tests.training import small

GLOBAL_ROWS = 8
STEPS = 20

# BERT's own. The gradient of an attention key's bias is 0 but for rounding, since softmax does not
# see it; with an epsilon of the noise's size Adam makes steps of the learning rate's size of it.
EPSILON = 1e-6


def main() -> None:
    out, cache, *layouts = sys.argv[1:]
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    if any(":mirrored:" in layout for layout in layouts):
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )
    from tfmlm.training import get_strategy

    results: dict[str, np.ndarray] = {}
    for layout in layouts:
        name, strategy_name, rows, accumulation = layout.split(":")
        strategy = get_strategy(strategy_name, worker_timeout=60)
        weighted = name.startswith("weighted")
        weights, losses, copied, apart = train(
            strategy, int(rows), int(accumulation), Path(cache), weighted
        )
        results |= {f"{name}/weight/{path}": weight for path, weight in weights.items()}
        results[f"{name}/losses"] = losses
        results[f"{name}/copied"] = copied
        results[f"{name}/apart"] = apart
    np.savez(out, **results)


def train(strategy, rows: int, accumulation: int, cache: Path, weighted: bool):
    import tensorflow as tf
    import tf_keras

    from tfmlm.config import MaskingConfig
    from tfmlm.data.pipeline import EpochOrder, masked_batches
    from tfmlm.training.optimizer import create_optimizer
    from tfmlm.training.strategy import distribute, layout_of
    from tfmlm.training.trainer import MaskedLMTrainer

    # A low rate and short, uneven rows: some replicas and micro-batches get few masked tokens,
    # and the last step of each epoch has rows without any.
    blocks = small.blocks(cache, line_by_line=True)
    masking = MaskingConfig(mlm_probability=0.1)
    layout = layout_of(strategy, rows * accumulation)
    assert layout.global_rows == GLOBAL_ROWS, layout
    order = EpochOrder(np.arange(50), layout.global_rows, seed=5)
    with strategy.scope():
        model = small.model()
        trainer = MaskedLMTrainer(model, accumulation=accumulation, max_grad_norm=1.0)
        optimizer, _ = create_optimizer(1e-3, STEPS, num_warmup_steps=2, epsilon=EPSILON)
        trainer.compile(optimizer)
    batches = masked_batches(
        model,
        blocks,
        tokenizer=small.tokenizer(),
        masking=masking,
        layout=layout,
        order=order,
        steps=STEPS,
        seed=5,
        pad_to=None,
    )
    if weighted:

        def with_weights(index, batch):
            features, labels = batch
            step = index // layout.replicas  # there is an element for each replica
            weights = tf.cast(labels % 3, tf.float32) * tf.cast(step % 3 > 0, tf.float32)
            return features, labels, weights

        batches = batches.enumerate().map(with_weights)
    losses = []

    class Record(tf_keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            losses.append(logs["loss"])

    trainer.fit(
        distribute(strategy, batches),
        steps_per_epoch=STEPS,
        epochs=1,
        verbose=0,
        callbacks=[Record()],
    )
    weights = {f"{w.name.split('/', 1)[1]}": w.numpy() for w in model.weights}
    copied = [w.name for w in model.weights if _is_copied(w)]
    apart = [w.name for w in model.weights if _differs_by_replica(w)]
    return weights, np.array(losses), np.array(copied), np.array(apart)


def _differs_by_replica(variable) -> bool:
    """Whether the copies of a variable on several devices have come apart."""
    first, *others = (part.numpy() for part in getattr(variable, "values", (variable,)))
    return any((first != other).any() for other in others)


def _is_copied(variable) -> bool:
    """Whether a read of the first replica's variable is a copy of its value."""
    import tensorflow as tf

    part = getattr(variable, "values", (variable,))[0]
    reads = [tf.raw_ops.ReadVariableOp(resource=part.handle, dtype=part.dtype) for _ in range(2)]
    places = [np.asarray(memoryview(read)).__array_interface__["data"][0] for read in reads]
    return places[0] != places[1]


if __name__ == "__main__":
    main()
