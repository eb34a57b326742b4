"""The training step: logits at masked positions only, one exact loss over all devices.

The loss is the mean over all masked tokens of the global batch: each replica sums over its own
tokens (in float32; with loss scaling divided by a constant, so that half-precision gradients keep
their scale), the gradients, the sums and the counts are added up over replicas, workers and
micro-batches, and what is applied is divided by the total count. So an uneven number of masked
tokens, or none, is exact.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras
from transformers.modeling_tf_utils import convert_batch_encoding

from tfmlm.checkpoint.masked_positions import masked_logits
from tfmlm.data.batch_growth import BatchGrowth
from tfmlm.data.masking import IGNORED
from tfmlm.errors import UserError
from tfmlm.training.flops import step_flops
from tfmlm.training.surgery.dropout import dropout_seed, make_dropout_stateless, step_seed
from tfmlm.training.surgery.gradients import cross_entropy, short_gradients, use_short_gradients
from tfmlm.training.surgery.reads import gather_from_value
from tfmlm.training.surgery.recompute import prepare_recomputation, recomputed_layers

XLA_BUCKET = 64
"""With XLA the number of masked positions is rounded up to this, to compile few shapes."""

SMALLEST_WEIGHT = 1e-12
"""Sums of sample weights are not taken to be smaller when they divide."""

_OWN_LOSS = ("auto", "passthrough")  # what transformers' `compile` calls the model's own loss


class MaskedLMTrainer(tf_keras.Model):
    """A Keras model around a TF masked LM, for `compile`, `fit` and `evaluate`.

    `fit` takes what transformers' own `fit` takes: data sets of (features, labels) as
    `tfmlm.prepare_dataset` makes them, `labels` among the features, features without an
    `attention_mask`, ids alone; as data sets, arrays or a tokenizer's output. Each element is what
    a replica takes in a step: with accumulation it has `accumulation` times the rows.

    `sample_weight` [rows] or [rows, tokens] makes the loss a weighted mean over the masked tokens,
    so that a weight of 0 is the same as a row, or token, that is not there, and one of 2 the same
    as having it twice. A step whose weights are all 0 changes no weight of the model.

    Three things of the model are changed (`tfmlm/training/surgery`), none of which changes what it
    computes but for the draws of dropout:

    - its dropout layers draw by `seed`, step, replica and micro-batch, from now on (`dropout`);
    - its embedding tables are read without a copy of the whole table, from now on (`reads`);
    - GELU and layer norm have hand-written gradients while a step is traced (`gradients`).

    Args:
        model: a TF masked LM of transformers, built inside the strategy's scope.
        seed: determines dropout.
        accumulation: micro-batches of a step.
        growth: how many of them a step takes, where the batch grows at the beginning; the rows of
            the others have to be empty, as `tfmlm.data.pipeline.Layout` makes them.
        max_grad_norm: global norm to which gradients are scaled down; 0 for never.
        jit_compile: compile forward and backward pass with XLA (not `compile(jit_compile=…)`,
            which cannot compile the exchange between replicas).
        by_clock: before each step `told` is set to the share of the run's time that has gone and
            to 1 if the step is the last. What the first replica was told counts for all: the step
            after computes with it (`time_share`), and `last_step` is known when the step is done.
        gradient_checkpointing: the encoder's layers keep their inputs only and run again in the
            backward pass.

    Raises:
        UserError: from `compile` and `fit`, if something is asked for that the step cannot honour:
            `metrics`, `loss`, `class_weight` and the like; from a step, if there are no labels; an
            architecture for which there is no `gradient_checkpointing`.
    """

    def __init__(
        self,
        model: Any,
        *,
        seed: int = 0,
        accumulation: int = 1,
        growth: BatchGrowth | None = None,
        max_grad_norm: float = 0.0,
        jit_compile: bool = False,
        by_clock: bool = False,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__(name="masked_lm_trainer")
        self.model = model
        self.seed = seed
        self.accumulation = accumulation
        self.growth = growth
        self.max_grad_norm = max_grad_norm
        self.jit = jit_compile
        self.built = True
        # The values returned by a step are the same on all replicas already.
        self.distribute_reduction_method = "first"
        make_dropout_stateless(model)
        use_short_gradients(model)
        gather_from_value(model)
        self.gradient_checkpointing = gradient_checkpointing
        if gradient_checkpointing:
            prepare_recomputation(model)
        self.global_step = _counter("global_step", tf.int64)
        self.stop_votes = _counter("stop_votes", tf.float32)
        self.stop_vote = tf.Variable(0.0, trainable=False, name="stop_vote")
        self.by_clock = by_clock
        self.told = tf.Variable([0.0, 0.0], trainable=False, name="told")
        self.time_share = _counter("time_share", tf.float32)
        self.next_share = _counter("next_share", tf.float32)
        self.last_step = _counter("last_step", tf.float32)
        self.mask_in_step: Any = None
        self._flops = step_flops(model)
        self._epoch = _Sums("epoch")
        self._interval = _Sums("interval")
        self._validation = _Sums("validation")
        self._compiled_step = tf.function(self._gradients, jit_compile=True, reduce_retracing=True)

    @property
    def config(self) -> Any:
        """The wrapped model's config."""
        return self.model.config

    def save_pretrained(self, folder: Any, **kwargs: Any) -> None:
        """Writes `config.json` and `model.safetensors` (PyTorch's layout)."""
        from tfmlm.checkpoint.save import save_model

        save_model(self.model, folder)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.model(inputs, training=training)

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, **kwargs: Any) -> None:
        if kwargs.pop("jit_compile", None):
            raise UserError("give jit_compile to MaskedLMTrainer, not to compile")
        if loss is not None and not (isinstance(loss, str) and loss.startswith(_OWN_LOSS)):
            raise UserError(
                "MaskedLMTrainer has the masked-LM loss of its own; leave loss out of compile"
            )
        for name in ("metrics", "weighted_metrics", "loss_weights"):
            if kwargs.pop(name, None):
                raise UserError(
                    f"MaskedLMTrainer computes the loss alone and takes no {name}; leave it out of "
                    "compile, and measure accuracy with tfmlm evaluate"
                )
        super().compile(optimizer=optimizer, **kwargs)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        return super().fit(*_honoured("fit", args, kwargs), **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        return super().evaluate(*_honoured("evaluate", args, kwargs), **kwargs)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        return super().train_on_batch(*_honoured("train_on_batch", args, kwargs), **kwargs)

    @property
    def metrics(self) -> list[Any]:
        return []

    def reset_metrics(self) -> None:
        """Starts the means of an epoch or an evaluation anew (Keras calls it)."""
        if self._keep_epoch_once:
            self._keep_epoch_once = False
        else:
            self._epoch.reset()
        self._validation.reset()

    def resume_at(self, epoch: int, step: int) -> None:
        """The next `fit` begins at step `step` of epoch `epoch`, and goes on with its mean."""
        self._first_epoch_and_step = (epoch, step)
        self._keep_epoch_once = step > 0

    def _maybe_load_initial_counters_from_ckpt(
        self, steps_per_epoch: int, initial_epoch: int
    ) -> tuple[int, int]:
        """Keras' hook for its BackupAndRestore, which keeps too little for an exact resume."""
        return self._first_epoch_and_step or (initial_epoch, 0)

    def epoch_sums(self) -> dict[str, float]:
        """Of this epoch so far, over all replicas: tokens, places (padding too), flops, …"""
        return self._epoch.values()

    def state_variables(self) -> dict[str, tf.Variable]:
        """Counters that belong in a checkpoint, by name."""
        variables = {"global_step": self.global_step, "next_share": self.next_share}
        for sums in (self._epoch, self._interval):
            variables |= sums.variables()
        return variables

    def interval(self) -> dict[str, float]:
        """Since the last call: mean loss and gradient norm; masked tokens, tokens, places (padding
        too), floating-point operations of the model, steps."""
        values = self._interval.values()
        self._interval.reset()
        return values

    # -- training ---------------------------------------------------------------------------

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        if self.by_clock:
            self.time_share.assign(self.next_share)
        if self.mask_in_step is not None:
            data = self.mask_in_step(data, tf.convert_to_tensor(self.time_share))
        features, labels, token_weights = _unpacked(data)
        scale = self._scale(labels)
        gradients, loss, count, work = self._accumulated(features, labels, token_weights, scale)
        told, vote = tf.convert_to_tensor(self.told), tf.convert_to_tensor(self.stop_vote)
        if self.distribute_strategy.num_replicas_in_sync > 1:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            told *= tf.cast(tf.equal(replica, 0), told.dtype)
            sums = self._summed([*gradients, loss, count, work, vote, told])
            *gradients, loss, count, work, vote, told = sums
        floor = 1.0 if token_weights is None else SMALLEST_WEIGHT
        factor, norm = self._factor(gradients, scale / tf.maximum(count, floor))
        gradients = [gradient * factor for gradient in gradients]
        if token_weights is None:
            self._apply(gradients)
        else:
            self._apply_if(count > 0, gradients)
        self.global_step.assign_add(1)
        self.stop_votes.assign(vote)
        self.next_share.assign(told[0])
        self.last_step.assign(told[1])
        for tally in (self._epoch, self._interval):
            tally.add(loss, count, work, norm)
        return {"loss": self._epoch.mean()}

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        self.optimizer.apply_gradients(
            zip(gradients, self._trained_variables(), strict=True),
            experimental_aggregate_gradients=False,
        )

    def _apply_if(self, wanted: tf.Tensor, gradients: list[tf.Tensor]) -> None:
        """Applies gradients, or only counts the step; `wanted` is the same on all replicas."""
        optimizer: Any = self.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)

        def across(strategy: tf.distribute.Strategy, wanted: Any, *gradients: Any) -> None:
            # In cross-replica context, as Keras' LossScaleOptimizer does it: replicas may not meet
            # inside a branch.
            def apply() -> tf.Tensor:
                strategy.extended.call_for_each_replica(self._apply, args=(list(gradients),))
                return tf.constant(0)

            def count() -> tf.Tensor:
                optimizer.iterations.assign_add(1)
                return tf.constant(0)

            tf.cond(strategy.experimental_local_results(wanted)[0], apply, count)

        tf.distribute.get_replica_context().merge_call(across, args=(wanted, *gradients))

    def _summed(self, values: list[tf.Tensor]) -> list[tf.Tensor]:
        """Adds values up over all replicas of all workers, in few collective operations."""

        def add_up(strategy: tf.distribute.Strategy, *values: Any) -> Any:
            # A variable as the destination: tensors may not be placed on a device yet, which
            # `ReplicaContext.all_reduce` does not bear.
            pairs = [(value, self.global_step) for value in values]
            return strategy.extended.batch_reduce_to(tf.distribute.ReduceOp.SUM, pairs)

        context = tf.distribute.get_replica_context()
        return list(context.merge_call(add_up, args=tuple(values)))

    def _trained_variables(self) -> list[tf.Variable]:
        """Variables that the masked-LM loss reaches; poolers and the like are left out."""
        return [
            v for v, used in zip(self.model.trainable_variables, self._used, strict=True) if used
        ]

    _used: Any = None
    _keep_epoch_once = False
    _first_epoch_and_step: tuple[int, int] | None = None

    def _accumulated(
        self,
        features: dict[str, tf.Tensor],
        labels: tf.Tensor,
        token_weights: tf.Tensor | None,
        scale: tf.Tensor,
    ) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor, tf.Tensor]:
        """Sums over the micro-batches: gradients, loss, masked tokens (or weights), and the work
        that `_work` counts."""
        parts = self.accumulation
        rows = tf.shape(labels)[0] // parts
        taken = tf.constant(parts) if self.growth is None else tf.cast(self._taken(), tf.int32)
        seen = features["attention_mask"] if "attention_mask" in features else tf.ones_like(labels)
        if self.growth is not None:
            seen = seen[: taken * rows]
        work = self._work(seen, labels)
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group
        step = self._compiled_step if self.jit else self._gradients

        def run(part: Any) -> Any:
            cut = slice(part * rows, (part + 1) * rows)
            micro = {name: value[cut] for name, value in features.items()}
            seed = step_seed(self.seed, self.global_step, replica, part)
            of_tokens = None if token_weights is None else token_weights[cut]
            bucket = XLA_BUCKET if self.jit else 1
            positions, targets, weights = _targets(labels[cut], bucket, of_tokens)
            weighted = token_weights is not None
            more = (positions, targets, weights, scale, self._loss_scale(), seed)
            return step(micro, *more, weighted=weighted)

        if parts == 1:
            gradients, loss, count = run(0)
            return self._unscaled(gradients), loss, count, work
        first = run(tf.constant(0))
        spread = len(first[0])

        def add(part: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
            more, loss, count = run(part)
            new = [a + b for a, b in zip(sums, [*more, loss, count], strict=True)]
            return part + 1, *new

        sums = tf.while_loop(
            lambda part, *_: part < taken,
            add,
            [tf.constant(1), *first[0], first[1], first[2]],
            parallel_iterations=1,
        )[1:]
        gradients, (loss, count) = list(sums[:spread]), sums[spread:]
        return self._unscaled(gradients), loss, count, work

    def _work(self, seen: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Tokens, places and floating-point operations of a batch, float32 [3]."""
        tokens = tf.reduce_sum(tf.cast(seen, tf.float32))
        places = tf.cast(tf.size(seen), tf.float32)
        predictions = tf.reduce_sum(tf.cast(labels != IGNORED, tf.float32))
        flops = self._flops.of(tokens, predictions, tf.shape(labels)[1])
        return tf.stack([tokens, places, flops])

    def _taken(self) -> tf.Tensor:
        """Micro-batches of this step, where the batch grows."""
        assert self.growth is not None
        return self.growth.taken(tf.convert_to_tensor(self.global_step))

    def _gradients(
        self,
        features: Any,
        positions: tf.Tensor,
        targets: tf.Tensor,
        weights: tf.Tensor,
        scale: tf.Tensor,
        loss_scale: tf.Tensor,
        seed: tf.Tensor,
        weighted: bool,
    ) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        """Gradients of the sum of losses · loss_scale / scale, the sum of losses, their number."""
        variables = self.model.trainable_variables
        again = recomputed_layers() if self.gradient_checkpointing else contextlib.nullcontext()
        with tf.GradientTape() as tape, dropout_seed(seed), short_gradients(), again:
            logits = masked_logits(self.model, features, positions, training=True)
            logits = tf.cast(logits, tf.float32)
        losses, slopes = cross_entropy(logits, targets)
        if weighted or self.jit or self._scales_loss():
            slopes *= (weights * (loss_scale / scale))[:, tf.newaxis]
        total = tf.reduce_sum(losses * weights)
        gradients = tape.gradient(logits, variables, output_gradients=slopes)
        if self._used is None:
            self._used = [gradient is not None for gradient in gradients]
        dense = [tf.convert_to_tensor(g) for g in gradients if g is not None]
        return dense, total, tf.reduce_sum(weights)

    def _scales_loss(self) -> bool:
        return isinstance(self.optimizer, tf_keras.mixed_precision.LossScaleOptimizer)

    def _scale(self, labels: tf.Tensor) -> tf.Tensor:
        """What the sum of losses is divided by before the backward pass: 1, or for half-precision
        gradients roughly the masked tokens of a replica's share, the same on all replicas."""
        if not self._scales_loss():
            return tf.constant(1.0)
        return tf.cast(tf.shape(labels)[0] * 16, tf.float32)

    def _loss_scale(self) -> tf.Tensor:
        if self._scales_loss():
            return tf.cast(self.optimizer.loss_scale, tf.float32)
        return tf.constant(1.0)

    def _unscaled(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        if self._scales_loss():
            return self.optimizer.get_unscaled_gradients(gradients)
        return gradients

    def _factor(self, gradients: list[tf.Tensor], factor: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What to multiply the gradients by, clipping included, and their norm before clipping."""
        norm = tf.linalg.global_norm(gradients) * factor
        if self.max_grad_norm <= 0:
            return factor, norm
        return factor * (self.max_grad_norm / tf.maximum(norm, self.max_grad_norm)), norm

    # -- evaluation -------------------------------------------------------------------------

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        features, labels, token_weights = _unpacked(data)
        sums = evaluation_sums(self.model, features, labels, token_weights)
        values = [tf.cast(sums[0], tf.float32), tf.cast(sums[3], tf.float32)]
        if self.distribute_strategy.num_replicas_in_sync > 1:
            values = self._summed(values)
        loss, count = values
        self._validation.add(loss, count, tf.zeros([3]), tf.constant(0.0))
        return {"loss": self._validation.mean()}


class _Sums:
    """Running sums, equal on all replicas."""

    NAMES = ("loss", "masked_tokens", "tokens", "places", "flops", "gradient_norm", "steps")

    def __init__(self, name: str) -> None:
        self._name = name
        self._variables = {part: _counter(f"{name}_{part}", tf.float32) for part in self.NAMES}

    def variables(self) -> dict[str, tf.Variable]:
        return {f"{self._name}_{part}": v for part, v in self._variables.items()}

    def add(self, loss: Any, count: Any, work: Any, norm: Any) -> None:
        values = (loss, count, work[0], work[1], work[2], norm, 1.0)
        for part, value in zip(self.NAMES, values, strict=True):
            self._variables[part].assign_add(value)

    def mean(self) -> tf.Tensor:
        return tf.math.divide_no_nan(self._variables["loss"], self._variables["masked_tokens"])

    def reset(self) -> None:
        for variable in self._variables.values():
            variable.assign(0.0)

    def values(self) -> dict[str, float]:
        values = {part: float(variable.numpy()) for part, variable in self._variables.items()}
        values["loss"] /= values["masked_tokens"] or 1.0
        values["gradient_norm"] /= max(values["steps"], 1.0)
        return values


def token_losses(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Cross-entropy by token in float32: logits [N, vocabulary], targets [N] -> [N]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=targets, logits=tf.cast(logits, tf.float32)
    )


def evaluation_sums(
    model: Any, features: Any, labels: tf.Tensor, token_weights: tf.Tensor | None = None
) -> tf.Tensor:
    """float64 [4]: sum of losses, hits at rank 1, hits within rank 5, number of masked tokens.

    With `token_weights`, float32 [rows, tokens], each token counts by its weight.
    """
    positions, targets, weights = _targets(labels, 1, token_weights)
    weights = tf.cast(weights, tf.float64)
    logits = tf.cast(masked_logits(model, features, positions, training=False), tf.float32)
    losses = tf.cast(token_losses(logits, targets), tf.float64)
    top5 = tf.math.in_top_k(targets, logits, k=min(5, logits.shape[-1] or 5))
    top1 = tf.equal(tf.argmax(logits, axis=-1, output_type=targets.dtype), targets)
    return tf.stack(
        [
            tf.reduce_sum(losses * weights),
            tf.reduce_sum(tf.cast(top1, tf.float64) * weights),
            tf.reduce_sum(tf.cast(top5, tf.float64) * weights),
            tf.reduce_sum(weights),
        ]
    )


def _unpacked(data: Any) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor | None]:
    """Features by name, labels [rows, tokens], and weights of tokens float32 [rows, tokens].

    Raises:
        UserError: there are no labels, or two of them; weights of another shape.
    """
    features, labels, weights = tf_keras.utils.unpack_x_y_sample_weight(data)
    features = dict(features) if isinstance(features, Mapping) else {"input_ids": features}
    if isinstance(labels, Mapping):
        labels = labels.get("labels")
    if "labels" in features:
        if labels is not None:
            raise UserError("labels are given twice, among the features and beside them")
        labels = features.pop("labels")
    if labels is None:
        raise UserError(
            "there are no labels: give (features, labels), or labels among the features; "
            "tfmlm.prepare_dataset makes both"
        )
    if weights is None:
        return features, labels, None
    weights = tf.convert_to_tensor(weights)
    weights = tf.cast(weights, tf.float32)
    if weights.shape.rank == 1:
        weights = weights[:, tf.newaxis]
    if weights.shape.rank != 2:
        raise UserError(
            f"sample_weight has the shape {weights.shape}; give [rows] or [rows, tokens]"
        )
    return features, labels, tf.broadcast_to(weights, tf.shape(labels))


def _honoured(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The positional arguments of a call of Keras; tokenizers' outputs as dicts in both.

    Raises:
        UserError: class weights, which have no meaning for tokens.
    """
    bound = inspect.signature(getattr(tf_keras.Model, name)).bind(None, *args, **kwargs)
    if bound.arguments.get("class_weight") is not None:
        raise UserError(
            f"MaskedLMTrainer takes no class_weight: the classes are the whole vocabulary; give "
            f"{name} a sample_weight of tokens instead"
        )
    positional, keywords = convert_batch_encoding(*args, **kwargs)
    kwargs.update(keywords)
    return tuple(positional)


def _targets(
    labels: tf.Tensor, bucket: int, token_weights: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Positions int64 [N, 2] to be predicted, their ids [N] and weights [N] (1 by default).

    With a bucket over 1, N is rounded up to a multiple of it by entries of weight 0.
    """
    positions = tf.where(labels != IGNORED)
    targets = tf.gather_nd(labels, positions)
    if token_weights is None:
        weights = tf.ones(tf.shape(targets), tf.float32)
    else:
        weights = tf.gather_nd(token_weights, positions)
    if bucket > 1:
        count = tf.shape(targets)[0]
        extra = tf.maximum(-(-count // bucket), 1) * bucket - count
        positions = tf.pad(positions, [[0, extra], [0, 0]])
        targets = tf.pad(targets, [[0, extra]])
        weights = tf.pad(weights, [[0, extra]])
    return positions, targets, weights


def _counter(name: str, dtype: Any) -> tf.Variable:
    """A variable that every replica sets to the same value."""
    return tf.Variable(
        tf.zeros([], dtype),
        trainable=False,
        name=name,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
