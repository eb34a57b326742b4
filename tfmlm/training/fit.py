"""A training run from its settings to its checkpoint folder."""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from tfmlm.checkpoint.limits import block_length
from tfmlm.checkpoint.load import load_config, load_model_and_report, load_tokenizer
from tfmlm.config import TrainConfig
from tfmlm.data.tokenizer_training import trained_tokenizer
from tfmlm.errors import UserError
from tfmlm.files import disk_is_full, full_disk_said, in_megabytes, write_json
from tfmlm.training import model_setup, report, run_folder
from tfmlm.training.callbacks import (
    Checkpoints,
    Curve,
    Evaluation,
    Progress,
    RunState,
    load_weights,
)
from tfmlm.training.checkpoint import (
    Checkpoint,
    keep_newest,
    latest_checkpoint,
    open_checkpoint,
    restore_trainer,
    size_of_checkpoint,
)
from tfmlm.training.corpora import Corpora, open_corpora
from tfmlm.training.data import HeldOut, prepare_run_data
from tfmlm.training.metrics import Evaluator, log_unigram, unigram_loss
from tfmlm.training.optimizer import WarmupSchedule, create_optimizer
from tfmlm.training.policy import precision
from tfmlm.training.signals import StopSignals
from tfmlm.training.strategy import (
    distribute,
    get_strategy,
    is_chief,
    layout_of,
    lost_workers_as_failed_run,
    worker_count,
)
from tfmlm.training.trainer import MaskedLMTrainer


def run_training(
    config: TrainConfig,
    *,
    callbacks: Sequence[tf_keras.callbacks.Callback] = (),
    strategy: tf.distribute.Strategy | None = None,
) -> dict[str, Any]:
    """Trains, evaluates and writes the checkpoint folder; resumes what is there.

    Args:
        config: settings of the run.
        callbacks: further Keras callbacks; `model` is the `MaskedLMTrainer`, whose
            `save_pretrained` writes the weights.
        strategy: a distribution strategy, instead of the one that the settings name.

    Returns:
        What `all_results.json` holds: train_loss, train_runtime, train_steps, epoch, …, and, with
        held-out text, eval_loss, perplexity, eval_accuracy, eval_top5_accuracy,
        eval_masked_tokens, unigram_loss, and initial_eval_loss if `eval_on_start`. If the run was
        stopped by a signal: `{"stopped": True, "train_steps": …}`.

    Raises:
        UserError: a setting or a file is wrong; nothing has been trained.
        RunFailedError: a worker is missing, or was lost.
        KeyboardInterrupt: Ctrl-C; a checkpoint has been saved.
    """
    folder = Path(config.output_dir).expanduser()
    alone = not run_folder.shared_by_workers()
    with run_folder.undone_if_refused(folder), run_folder.owned(folder, alone):
        run_folder.check_output_folder(config)
        corpora = open_corpora(config)
        if strategy is None:
            strategy = get_strategy(
                config.strategy, tpu_name=config.tpu_name, worker_timeout=config.worker_timeout
            )
        run = _Run(config, folder, corpora, strategy)
        with (
            precision(config.mixed_precision),
            lost_workers_as_failed_run(strategy),
            run_folder.owned(folder, run.chief and not alone),
            full_disk_said(folder, "the run", _RESUMES),
        ):
            return run.go(callbacks)


_RESUMES = "free some; the same command goes on from the last checkpoint"


class _Run:
    """One run: settings, data, model, and what is made of them."""

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        corpora: Corpora,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self.config = config
        self.folder = folder
        self.corpora = corpora
        self.strategy = strategy
        self.chief = is_chief(strategy)
        self.checkpoints = folder / run_folder.CHECKPOINTS

    def say(self, text: str) -> None:
        """One line on stderr, from one worker only."""
        if self.chief:
            print(text, file=sys.stderr, flush=True)

    def go(self, callbacks: Sequence[tf_keras.callbacks.Callback]) -> dict[str, Any]:
        config = self.config
        tokenizer = self._tokenizer()
        model_config = self._model_config(tokenizer)
        length = block_length(model_config, tokenizer, config.max_seq_length)
        layout = layout_of(
            self.strategy, config.per_device_train_batch_size * config.gradient_accumulation_steps
        )
        data = prepare_run_data(config, self.corpora, tokenizer, length, layout, self.chief)
        held_out, total = data.held_out, data.total_steps
        identity = {
            "blocks": data.checksum,
            "validation": held_out.blocks.checksum if held_out else None,
            "global_rows": layout.global_rows,
            "total_steps": total,
        }
        finished = run_folder.finished_results(self.folder, identity)
        if finished and not config.overwrite_output_dir:
            self.say(f"{self.folder} holds this run's results already; nothing to do")
            return finished
        checkpoint = self._checkpoint(identity)

        model = self._model(tokenizer, model_config, data.counts, checkpoint is not None)
        trainer, schedule = self._trainer(model, total)
        trainer.tokenizer = tokenizer  # for callbacks that save a checkpoint folder
        state = RunState()
        first_step = 0
        if checkpoint is not None:
            state = RunState.from_dict(checkpoint.run["state"])
            with self.strategy.scope():
                restore_trainer(trainer, checkpoint.arrays())
            first_step = checkpoint.step
            self.say(f"Resuming from step {first_step} of {total} ({checkpoint.folder})")
        if self.chief and config.overwrite_output_dir:  # not before all else has proved right
            run_folder.clear_former_run(self.folder, keep=Path(tokenizer.name_or_path))
        if self.chief and (checkpoint is None or config.overwrite_output_dir):
            write_json(self.folder / report.RUN_FILE, config.to_dict())
        if self.chief:
            self._require_space(model, trainer, total - first_step)
        trainer.tokenizer = tokenizer  # for callbacks that save
        for callback in callbacks:
            if hasattr(callback, "steps"):  # PushToHub counts the steps of the whole run
                callback.steps = first_step
        trainer.resume_at(*divmod(first_step, data.steps_per_epoch))

        batches = data.batches(model, first_step)
        evaluator = self._evaluator(model, tokenizer, held_out, data.pad_to)
        amount = f"{data.samples:,} blocks" if data.samples is not None else "a stream"
        self.say(
            f"Training {type(model).__name__} ({model.count_params():,} parameters) on {amount} "
            f"of up to {length} tokens, {total} steps of {layout.global_rows} on "
            f"{self.strategy.num_replicas_in_sync} device(s)"
        )
        self._show_example(batches, tokenizer)
        extra: dict[str, Any] = {}
        if evaluator is not None and config.eval_on_start:
            extra["initial_eval_loss"] = (
                checkpoint.run.get("initial_eval_loss")
                if checkpoint is not None
                else evaluator()["eval_loss"]
            )
        writer = None
        if self.chief:
            writer = tf.summary.create_file_writer(str(self.folder / run_folder.LOGS))
        with StopSignals() as signals:
            common = (state, data.steps_per_epoch, total, first_step)
            curve = Curve(*common, every=config.logging_steps, schedule=schedule, writer=writer)
            steps: list[Any] = [Progress(*common)] if self.chief else []
            steps.append(curve)
            best_file = self._best_file()
            evaluation = None
            if evaluator is not None:
                evaluation = Evaluation(
                    *common,
                    evaluator=evaluator,
                    config=config,
                    curve=curve,
                    best_file=best_file,
                    chief=self.chief,
                )
                steps.append(evaluation)
            keeper = Checkpoints(
                *common,
                folder=self.checkpoints,
                config=config,
                run={**identity, **extra},
                chief=self.chief,
                signals=signals,
                workers=worker_count(self.strategy),
            )
            steps.append(keeper)
            trainer.fit(
                distribute(self.strategy, batches.apply(_of_unknown_length)),
                epochs=math.ceil(total / data.steps_per_epoch),
                steps_per_epoch=data.steps_per_epoch,
                callbacks=[*steps, *callbacks],
                verbose=0,
            )
            if signals.obeyed and not state.finished:
                return self._stopped(signals, keeper)
        if writer is not None:
            writer.close()
        if best_file is not None and state.best_step and state.best_step != keeper.step:
            self._restore_best(model, best_file, state)
            evaluation = None
        figures = None
        if evaluator is not None:
            fresh = evaluation is not None and evaluation.last_step == keeper.step
            figures = dict(state.evaluations[-1]) if fresh else evaluator()
            figures = {k: v for k, v in figures.items() if k not in ("step",)}
            figures["epoch"] = keeper.epoch
            assert held_out is not None
            figures |= extra
            figures["unigram_loss"] = unigram_loss(
                model,
                tokenizer,
                held_out.blocks,
                counts=data.counts,
                rows=held_out.rows,
                masking=config,
                seed=config.seed,
            )
        train = report.train_results(state, keeper, data.samples, layout.global_rows)
        if not self.chief:
            return {**train, **(figures or {})}
        results = self._written(model, tokenizer, state, train, figures)
        run_folder.mark_finished(self.folder, identity)
        return results

    def _require_space(self, model: Any, trainer: MaskedLMTrainer, steps: int) -> None:
        """Proves that what is left of the run has room on the disk."""
        every = self.config.save_steps
        run_folder.require_space_for_run(
            self.folder,
            state=size_of_checkpoint(trainer),
            weights=sum(v.shape.num_elements() * v.dtype.size for v in model.weights),
            saves=(steps - 1) // every if every else 1,
            keep=self.config.save_total_limit,
            best=self._best_file() is not None,
        )

    def _written(
        self,
        model: Any,
        tokenizer: Any,
        state: RunState,
        train: dict[str, Any],
        figures: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """Writes what the run leaves, if need be in the room of the older checkpoints.

        Raises:
            RunFailedError: the disk is full all the same.
        """
        for last in (False, True):
            try:
                return report.write_run(
                    self.config, self.folder, model, tokenizer, state, train, figures
                )
            except Exception as error:
                if last or not disk_is_full(error):
                    weights = sum(v.shape.num_elements() * v.dtype.size for v in model.weights)
                    what = f"the trained model, which needs {in_megabytes(weights)}"
                    with full_disk_said(self.folder, what, _RESUMES):
                        raise
                keep_newest(self.checkpoints)
        raise AssertionError("unreachable")

    # -- parts ------------------------------------------------------------------------------

    def _tokenizer(self) -> Any:
        config = self.config
        if config.train_tokenizer:
            if sys.stderr.isatty():  # elsewhere an error is to be the only line
                self.say(f"Training a {config.train_tokenizer} tokenizer")
            return trained_tokenizer(
                self.corpora.train,
                config.train_tokenizer,
                config.vocab_size,
                self.checkpoints,
                lowercase=config.tokenizer_lowercase,
                model_type=config.model_type or load_config(str(config.config_name)).model_type,
            )
        name = config.tokenizer_name or config.model_name_or_path
        assert name is not None
        revision = None if config.tokenizer_name else config.revision
        return load_tokenizer(name, revision)

    def _model_config(self, tokenizer: Any) -> Any:
        config = self.config
        if config.is_new_model:
            return model_setup.new_config(
                config.model_type, config.config_overrides, tokenizer, config.config_name
            )
        assert config.model_name_or_path is not None
        return load_config(config.model_name_or_path, config.revision)

    def _evaluator(
        self, model: Any, tokenizer: Any, held_out: HeldOut | None, pad_to: int | None
    ) -> Evaluator | None:
        if held_out is None:
            return None
        return Evaluator(
            model,
            tokenizer,
            held_out.blocks,
            rows=held_out.rows,
            batch_size=self.config.per_device_eval_batch_size,
            masking=self.config,
            seed=self.config.seed,
            strategy=self.strategy,
            pad_to=pad_to,
        )

    def _checkpoint(self, identity: dict[str, Any]) -> Checkpoint | None:
        config = self.config
        if config.resume_from_checkpoint:
            checkpoint: Checkpoint | None = open_checkpoint(Path(config.resume_from_checkpoint))
        elif config.overwrite_output_dir:
            return None
        else:
            checkpoint, notes = latest_checkpoint(self.checkpoints)
            for note in notes:
                self.say(note)
        if checkpoint is None:
            return None
        for name, value in identity.items():
            if checkpoint.run.get(name) != value:
                what, remedy = {
                    "blocks": ("the corpus or its tokens", ""),
                    "validation": ("the validation text", ""),
                    "global_rows": (
                        "the rows of a step over all devices",
                        "choose per_device_train_batch_size and gradient_accumulation_steps so "
                        f"that their product with the devices is {checkpoint.run.get(name)}, ",
                    ),
                    "total_steps": ("the number of steps", ""),
                }[name]
                raise UserError(
                    f"cannot resume from {checkpoint.folder}: {what} changed "
                    f"({checkpoint.run.get(name)} → {value}); {remedy}start anew with "
                    "overwrite_output_dir, or choose another output_dir"
                )
        return checkpoint

    def _model(self, tokenizer: Any, model_config: Any, counts: np.ndarray, resumed: bool) -> Any:
        config = self.config
        tf_keras.utils.set_random_seed(config.seed)
        with self.strategy.scope():
            if config.is_new_model:
                model = model_setup.build_new_model(model_config)
                untrained_head = True
            else:
                assert config.model_name_or_path is not None
                model, loaded = load_model_and_report(config.model_name_or_path, config.revision)
                model_setup.fit_vocabulary(model, tokenizer, self.say)
                untrained_head = model_setup.bias_is_missing(model, loaded.missing)
            if untrained_head and not resumed:
                frequencies = log_unigram(counts, tokenizer)
                if model_setup.set_unigram_bias(model, frequencies) and not config.is_new_model:
                    self.say(
                        "The checkpoint has no masked-LM head: its output bias starts at the "
                        "corpus' log-unigram frequencies"
                    )
        return model

    def _trainer(self, model: Any, total: int) -> tuple[MaskedLMTrainer, WarmupSchedule]:
        config = self.config
        if config.jit_compile:
            model_setup.require_xla(model, self.strategy.num_replicas_in_sync)
        warmup = config.warmup_steps or math.ceil(config.warmup_ratio * total)
        with self.strategy.scope():
            trainer = MaskedLMTrainer(
                model,
                seed=config.seed,
                accumulation=config.gradient_accumulation_steps,
                max_grad_norm=config.max_grad_norm,
                jit_compile=config.jit_compile,
            )
            optimizer, schedule = create_optimizer(
                config.learning_rate,
                total,
                num_warmup_steps=min(warmup, total),
                schedule=config.lr_scheduler_type,
                weight_decay=config.weight_decay,
                beta_1=config.adam_beta1,
                beta_2=config.adam_beta2,
                epsilon=config.adam_epsilon,
                end=config.lr_end,
                power=config.lr_power,
            )
            optimizer.iterations  # noqa: B018 (made before the other weights, as in a first step)
            if config.mixed_precision == "fp16":
                optimizer = tf_keras.mixed_precision.LossScaleOptimizer(optimizer)
            trainer.compile(optimizer)
            inner: Any = getattr(optimizer, "inner_optimizer", optimizer)
            inner._create_all_weights(model.trainable_variables)
        return trainer, schedule

    def _best_file(self) -> Path | None:
        wanted = self.config.load_best_model_at_end or self.config.early_stopping_patience
        return self.checkpoints / "best.safetensors" if wanted else None

    def _restore_best(self, model: Any, best_file: Path, state: RunState) -> None:
        self.say(f"Keeping the weights of step {state.best_step}, the best evaluation's")
        with self.strategy.scope():
            load_weights(model, best_file)

    def _show_example(self, batches: tf.data.Dataset, tokenizer: Any) -> None:
        if not self.chief:
            return
        features, labels = next(iter(batches.take(1)))
        seen, hidden = report.masked_example(features, labels, tokenizer)
        self.say(f"First block, masked: {seen}\n  to predict: {hidden}")

    def _stopped(self, signals: StopSignals, keeper: Checkpoints) -> dict[str, Any]:
        name = signal.Signals(signals.received or signal.SIGTERM).name
        self.say(
            f"Stopped by {name} after step {keeper.step} of {keeper.total_steps}; a checkpoint is "
            "saved, and the same command resumes"
        )
        if signals.received == signal.SIGINT:
            raise KeyboardInterrupt
        return {"stopped": True, "train_steps": keeper.step}


def _of_unknown_length(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Keras starts a data set of exactly one epoch anew each epoch; this one goes on."""
    return dataset.filter(lambda *_: True)
