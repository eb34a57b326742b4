"""A training run from its settings to its checkpoint folder."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from tfmlm._quiet import quiet_in_notebooks
from tfmlm.checkpoint.documents import require_documents
from tfmlm.checkpoint.limits import block_length
from tfmlm.checkpoint.load import load_config, load_model_and_report, load_tokenizer
from tfmlm.config import TrainConfig
from tfmlm.data.batch_growth import BatchGrowth
from tfmlm.data.tokenizer_training import trained_tokenizer
from tfmlm.errors import RunFailedError
from tfmlm.files import disk_is_full, full_disk_said, in_megabytes, write_json
from tfmlm.progress import Bar, say, shown
from tfmlm.training import model_setup, report, run_folder
from tfmlm.training.averaging import set_mean
from tfmlm.training.callbacks import (
    Checkpoints,
    Curve,
    Evaluation,
    Progress,
    RunLength,
    RunState,
    load_weights,
)
from tfmlm.training.checkpoint import (
    Checkpoint,
    keep_newest,
    restore_trainer,
    size_of_checkpoint,
)
from tfmlm.training.clock import Clock, TellTime, TimeBudget, new_budget, saving_seconds
from tfmlm.training.corpora import Corpora, open_corpora
from tfmlm.training.data import ENDLESS, HeldOut, RunData, prepare_run_data
from tfmlm.training.flops import devices_of_the_run, matrix_peak
from tfmlm.training.metrics import Evaluator, log_unigram, unigram_loss
from tfmlm.training.optimizer import create_optimizer
from tfmlm.training.phases import Phases
from tfmlm.training.policy import POLICIES, precision
from tfmlm.training.resume import find_checkpoint, open_stable_checkpoint
from tfmlm.training.schedule import ClockSchedule, WarmupSchedule
from tfmlm.training.signals import StopSignals
from tfmlm.training.strategy import (
    distribute,
    get_strategy,
    is_chief,
    layout_of,
    lost_workers_as_failed_run,
    wait_for_all,
    worker_count,
)
from tfmlm.training.surgery.recompute import require_recomputation
from tfmlm.training.trainer import MaskedLMTrainer


def run_training(
    config: TrainConfig,
    *,
    callbacks: Sequence[tf_keras.callbacks.Callback] = (),
    strategy: tf.distribute.Strategy | None = None,
    clock: Clock = time.monotonic,
) -> dict[str, Any]:
    """Trains, evaluates and writes the checkpoint folder; resumes what is there.

    Args:
        config: settings of the run.
        callbacks: further Keras callbacks; `model` is the `MaskedLMTrainer`, whose
            `save_pretrained` writes the weights.
        strategy: a distribution strategy, instead of the one that the settings name.
        clock: seconds from any moment on, which `max_hours` counts.

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
    begun = clock()
    folder = Path(config.output_dir).expanduser()
    alone = not run_folder.shared_by_workers()
    with (
        quiet_in_notebooks(),
        run_folder.undone_if_refused(folder),
        run_folder.owned(folder, alone),
    ):
        run_folder.check_output_folder(config)
        corpora = open_corpora(config)
        if strategy is None:
            strategy = get_strategy(
                config.strategy, tpu_name=config.tpu_name, worker_timeout=config.worker_timeout
            )
        run = _Run(config, folder, corpora, strategy, clock, begun)
        with (
            precision(config.mixed_precision),
            lost_workers_as_failed_run(strategy),
            run_folder.owned(folder, run.chief and not alone),
            full_disk_said(folder, "the run", _RESUMES),
        ):
            return run.go(callbacks)


_RESUMES = "free some; the same command goes on from the last checkpoint"


@dataclass(frozen=True)
class _Plan:
    """What a run computes.

    Attributes:
        length: most tokens of a block.
        identity: what has to be equal for a checkpoint to be of this run.
        stable: another run's checkpoint that this one begins with, or None.
    """

    tokenizer: Any
    model_config: Any
    length: int
    data: RunData
    identity: dict[str, Any]
    stable: Checkpoint | None


@dataclass(frozen=True)
class _Begin:
    """Where training begins: at the start, or where a checkpoint left off."""

    checkpoint: Checkpoint | None
    model: Any
    trainer: MaskedLMTrainer
    schedule: Any
    state: RunState
    first_step: int


@dataclass(frozen=True)
class _End:
    """How training ended; `stopped_by` are the signals that ended it early."""

    keeper: Checkpoints
    evaluation: Evaluation | None
    stopped_by: StopSignals | None


class _Run:
    """One run: settings, data, model, and what is made of them. Read it from `go` downwards."""

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        corpora: Corpora,
        strategy: tf.distribute.Strategy,
        clock: Clock,
        begun: float,
    ) -> None:
        self.clock = clock
        self.begun = begun
        self.config = config
        self.folder = folder
        self.corpora = corpora
        self.strategy = strategy
        self.chief = is_chief(strategy)
        self.checkpoints = folder / run_folder.CHECKPOINTS
        self.growth = BatchGrowth(config.gradient_accumulation_steps, config.batch_warmup_steps)

    def say(self, text: str) -> None:
        """One line on stderr, from one worker only."""
        if self.chief:
            say(text)

    def go(self, callbacks: Sequence[tf_keras.callbacks.Callback]) -> dict[str, Any]:
        """The run from its data to its results."""
        plan = self._prepare()
        finished = run_folder.finished_results(self.folder, plan.identity)
        if finished and not self.config.overwrite_output_dir:
            self.say(f"{self.folder} holds this run's results already; nothing to do")
            return finished
        begin = self._resume(plan)
        self._claim_folder(plan, begin)
        batches = self._announce(plan, begin)
        evaluator = self._evaluator(
            begin.model, plan.tokenizer, plan.data.held_out, plan.data.pad_to
        )
        extra = self._evaluate_on_start(begin, evaluator)
        end = self._fit(plan, begin, batches, evaluator, extra, callbacks)
        if end.stopped_by is not None:
            return self._stopped(end.stopped_by, end.keeper)
        figures = self._evaluate(plan, begin, end, evaluator, extra)
        return self._report(plan, begin, end, figures)

    def _prepare(self) -> _Plan:
        """Tokenizer, config and data: everything that decides what the run computes."""
        config = self.config
        tokenizer = self._tokenizer()
        model_config = self._model_config(tokenizer)
        if config.packing:
            require_documents(model_config)
        if config.gradient_checkpointing:
            require_recomputation(model_config)
        length = block_length(model_config, tokenizer, config.max_seq_length)
        layout = layout_of(
            self.strategy,
            config.per_device_train_batch_size * config.gradient_accumulation_steps,
            self.growth,
        )
        stable = open_stable_checkpoint(config)
        data = prepare_run_data(
            config,
            self.corpora,
            tokenizer,
            length,
            layout,
            self.chief,
            decay_from=stable.step if stable else None,
        )
        identity = {
            "blocks": data.checksum,
            "validation": data.held_out.blocks.checksum if data.held_out else None,
            "global_rows": layout.global_rows,
            "batch_growth": [self.growth.full, self.growth.steps] if self.growth.steps else None,
            "order": "by length" if config.group_by_length and config.lengths_differ else None,
            "total_steps": data.total_steps,
        }
        return _Plan(tokenizer, model_config, length, data, identity, stable)

    def _resume(self, plan: _Plan) -> _Begin:
        """Model and trainer where the newest checkpoint left them, or at the start."""
        total = plan.data.total_steps
        checkpoint = find_checkpoint(
            self.config, self.checkpoints, plan.identity, plan.stable, self.say
        )
        model = self._model(
            plan.tokenizer, plan.model_config, plan.data.counts, checkpoint is not None
        )
        trainer, schedule = self._trainer(model, plan.data.phases)
        trainer.mask_in_step = plan.data.mask_in_step(model)
        trainer.tokenizer = plan.tokenizer  # for callbacks that save a checkpoint folder
        if checkpoint is None:
            return _Begin(None, model, trainer, schedule, RunState(), 0)
        state = RunState.from_dict(checkpoint.run["state"])
        with self.strategy.scope():
            restore_trainer(trainer, checkpoint.arrays())
        begins = plan.stable is not None and checkpoint.folder == plan.stable.folder
        what = "Decaying" if begins else "Resuming"
        of = f" of {total}" if total else ""
        self.say(f"{what} from step {checkpoint.step}{of} ({checkpoint.folder})")
        return _Begin(checkpoint, model, trainer, schedule, state, checkpoint.step)

    def _claim_folder(self, plan: _Plan, begin: _Begin) -> None:
        """Makes the output folder this run's, now that all else has proved right."""
        if not self.chief:
            return
        overwrite = self.config.overwrite_output_dir
        self._require_space(begin.model, begin.trainer, plan.data.total_steps, begin.first_step)
        if overwrite:
            run_folder.clear_former_run(self.folder, keep=Path(plan.tokenizer.name_or_path))
        known = (self.folder / report.RUN_FILE).exists()
        if begin.checkpoint is None or overwrite or not known:
            write_json(self.folder / report.RUN_FILE, self.config.to_dict())

    def _announce(self, plan: _Plan, begin: _Begin) -> tf.data.Dataset | None:
        """Says what is trained on what, and shows the first block; returns the batches.

        None where a former process took the last step, and only what comes after is to be done.
        """
        model, data = begin.model, plan.data
        if begin.state.finished:
            return None
        batches = data.batches(model, begin.first_step)
        self.say(data.read)
        if self.config.group_by_length and data.pad_to:
            self.say(
                f"group_by_length changes nothing: all rows have {data.pad_to} tokens, since "
                "line_by_line is not given, or with pad_to_max_length or packing"
            )
        amount = f"{data.samples:,} blocks" if data.samples is not None else "a stream"
        self.say(
            f"Training {type(model).__name__} ({model.count_params():,} parameters) on {amount} "
            f"of up to {plan.length} tokens, {_how_long(self.config, data)} of "
            f"{plan.identity['global_rows']} on {self.strategy.num_replicas_in_sync} device(s)"
        )
        self._show_example(batches, plan.tokenizer, begin.trainer.mask_in_step)
        return batches

    def _evaluate_on_start(self, begin: _Begin, evaluator: Evaluator | None) -> dict[str, Any]:
        """`initial_eval_loss`, if it is asked for; a resumed run knows it from its first part."""
        if evaluator is None or not self.config.eval_on_start:
            return {}
        if begin.checkpoint is not None:
            return {"initial_eval_loss": begin.checkpoint.run.get("initial_eval_loss")}
        return {"initial_eval_loss": evaluator()["eval_loss"]}

    def _fit(
        self,
        plan: _Plan,
        begin: _Begin,
        batches: tf.data.Dataset | None,
        evaluator: Evaluator | None,
        extra: dict[str, Any],
        callbacks: Sequence[tf_keras.callbacks.Callback],
    ) -> _End:
        """Trains to the last step, or until a signal or early stopping ends it."""
        config, data = self.config, plan.data
        for callback in callbacks:
            if hasattr(callback, "steps"):  # PushToHub counts the steps of the whole run
                callback.steps = begin.first_step
        begin.trainer.resume_at(*divmod(begin.first_step, data.steps_per_epoch))
        writer = None
        if self.chief:
            writer = tf.summary.create_file_writer(str(self.folder / run_folder.LOGS))
        length = RunLength(data.total_steps, data.steps_per_epoch, data.epoch_at)
        common = (begin.state, length, begin.first_step)
        budget = self._time_budget(begin, evaluator)
        bar = Bar("Training", data.total_steps, "steps", done=begin.first_step, visible=self.chief)
        with StopSignals() as signals, bar:
            peak = self._matrix_peak()
            curve = Curve(
                *common,
                every=config.logging_steps,
                schedule=begin.schedule,
                peak=peak,
                writer=writer,
            )
            steps: list[Any] = [curve]
            if self.chief:
                steps.insert(0, Progress(*common, bar=bar, schedule=begin.schedule, peak=peak))
            if budget is not None:
                steps.insert(0, TellTime(*common, budget=budget))
            evaluation = None
            if evaluator is not None:
                evaluation = Evaluation(
                    *common,
                    evaluator=evaluator,
                    config=config,
                    curve=curve,
                    best_file=self._best_file(),
                    chief=self.chief,
                )
                steps.append(evaluation)
            keeper = Checkpoints(
                *common,
                folder=self.checkpoints,
                config=config,
                run={**plan.identity, **extra, "learning_rate": begin.schedule.get_config()},
                chief=self.chief,
                signals=signals,
                workers=worker_count(self.strategy),
                budget=budget,
            )
            if batches is not None:
                begin.trainer.fit(
                    distribute(self.strategy, batches.apply(_of_unknown_length)),
                    epochs=math.ceil((data.total_steps or ENDLESS) / data.steps_per_epoch),
                    steps_per_epoch=data.steps_per_epoch,
                    callbacks=[*steps, keeper, *callbacks],
                    verbose=0,
                )
            if signals.obeyed and not begin.state.finished:
                return _End(keeper, evaluation, signals)
        if writer is not None:
            writer.close()
        return _End(keeper, evaluation, None)

    def _matrix_peak(self) -> float:
        """FLOP/s in products of matrices that the machines of the run can do together."""
        replicas, workers = self.strategy.num_replicas_in_sync, worker_count(self.strategy)
        dtype = POLICIES[self.config.mixed_precision].removeprefix("mixed_")
        return matrix_peak(dtype) * devices_of_the_run(replicas, workers)

    def _time_budget(self, begin: _Begin, evaluator: Evaluator | None) -> TimeBudget | None:
        """The time for training; what of it was spent by the processes before has gone."""
        if not self.config.max_hours:
            return None
        state = begin.state
        if state.time_budget:
            return TimeBudget(self.clock, state.time_budget, state.time_spent, self.begun)
        size = sum(v.shape.num_elements() * v.dtype.size for v in begin.model.weights)
        tried = evaluator.estimate(self.clock) if evaluator is not None else 0.0
        saving = saving_seconds(size)
        return new_budget(self.config.max_hours, self.clock, self.begun, tried, saving)

    def _average(self, model: Any, keeper: Checkpoints) -> bool:
        """Sets the weights to the mean of the last checkpoints'; False if that is not asked for."""
        if self.config.average_checkpoints == 1:
            return False
        wait_for_all(self.strategy)  # the first worker may still be writing
        steps = keeper.to_average()
        with self.strategy.scope():
            set_mean(model, self.checkpoints, steps)
        self.say(f"The model is the mean of the checkpoints of steps {', '.join(map(str, steps))}")
        return True

    def _evaluate(
        self,
        plan: _Plan,
        begin: _Begin,
        end: _End,
        evaluator: Evaluator | None,
        extra: dict[str, Any],
    ) -> dict[str, Any] | None:
        """Held-out figures of the weights that are kept: the last ones, or the best."""
        state, last = begin.state, end.keeper.step
        fresh = end.evaluation is not None and end.evaluation.last_step == last
        fresh = not self._average(begin.model, end.keeper) and fresh
        best_file = self._best_file()
        if best_file is not None and state.best_step and state.best_step != last:
            fresh = not self._restore_best(begin.model, best_file, state) and fresh
        held_out = plan.data.held_out
        if evaluator is None or held_out is None:
            return None
        figures = dict(state.evaluations[-1]) if fresh else evaluator()
        figures.pop("step", None)
        return {
            **figures,
            "epoch": end.keeper.epoch,
            **extra,
            "unigram_loss": unigram_loss(
                begin.model,
                plan.tokenizer,
                held_out.blocks,
                counts=plan.data.counts,
                rows=held_out.rows,
                masking=self.config.evaluation_masking(),
                seed=self.config.seed,
            ),
        }

    def _report(
        self, plan: _Plan, begin: _Begin, end: _End, figures: dict[str, Any] | None
    ) -> dict[str, Any]:
        """The results; the chief writes them, the model and all that belongs to it."""
        rows = plan.identity["global_rows"]
        train = report.train_results(begin.state, end.keeper, plan.data.samples, rows)
        if not self.chief:
            return {**train, **(figures or {})}
        results = self._written(begin.model, plan.tokenizer, begin.state, train, figures)
        run_folder.mark_finished(self.folder, plan.identity)
        return results

    def _require_space(
        self, model: Any, trainer: MaskedLMTrainer, total: int | None, first: int
    ) -> None:
        """Proves that what is left of the run has room on the disk."""
        every, keep = self.config.save_steps, self.config.save_total_limit
        saves = (total - first - 1) // every if every and total else 1
        if self.config.average_checkpoints > 1:
            keep += self.config.average_checkpoints
            saves += 1
        run_folder.require_space_for_run(
            self.folder,
            state=size_of_checkpoint(trainer),
            weights=sum(v.shape.num_elements() * v.dtype.size for v in model.weights),
            saves=saves if total else keep + 1,
            keep=keep,
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
            if shown():  # elsewhere an error is to be the only line
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
            masking=self.config.evaluation_masking(),
            seed=self.config.seed,
            strategy=self.strategy,
            pad_to=pad_to,
        )

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

    def _trainer(self, model: Any, phases: Phases | None) -> tuple[MaskedLMTrainer, Any]:
        config = self.config
        if config.jit_compile:
            model_setup.require_xla(model, self.strategy.num_replicas_in_sync)
        with self.strategy.scope():
            trainer = MaskedLMTrainer(
                model,
                seed=config.seed,
                accumulation=config.gradient_accumulation_steps,
                growth=self.growth if self.growth.steps else None,
                max_grad_norm=config.max_grad_norm,
                jit_compile=config.jit_compile,
                by_clock=phases is None,
                gradient_checkpointing=config.gradient_checkpointing,
            )
            optimizer, schedule = create_optimizer(
                schedule=self._schedule(trainer, phases),
                optim=config.optim,
                weight_decay=config.weight_decay,
                beta_1=config.adam_beta1,
                beta_2=config.adam_beta2,
                epsilon=config.adam_epsilon,
            )
            optimizer.iterations  # noqa: B018 (made before the other weights, as in a first step)
            if config.mixed_precision == "fp16":
                optimizer = tf_keras.mixed_precision.LossScaleOptimizer(optimizer)
            trainer.compile(optimizer)
            inner: Any = getattr(optimizer, "inner_optimizer", optimizer)
            inner._create_all_weights(model.trainable_variables)
        return trainer, schedule

    def _schedule(self, trainer: MaskedLMTrainer, phases: Phases | None) -> Any:
        """The learning rate, by the steps of the run or by the clock."""
        config = self.config
        course: dict[str, Any] = {
            "kind": config.lr_scheduler_type,
            "end": config.lr_end,
            "power": config.lr_power,
            "decay_shape": config.decay_shape,
        }
        if phases is not None:
            return WarmupSchedule(
                config.learning_rate,
                phases.total,
                phases.warmup,
                decay_steps=phases.decay,
                **course,
            )
        return ClockSchedule(
            config.learning_rate,
            lambda: tf.convert_to_tensor(trainer.time_share),
            config.warmup_steps,
            config.warmup_ratio,
            **course,
        )

    def _best_file(self) -> Path | None:
        wanted = self.config.load_best_model_at_end or self.config.early_stopping_patience
        return self.checkpoints / "best.safetensors" if wanted else None

    def _restore_best(self, model: Any, best_file: Path, state: RunState) -> bool:
        """Sets the weights of the best evaluation; False if their file is damaged."""
        with self.strategy.scope():
            restored = load_weights(model, best_file)
        if restored:
            self.say(f"Keeping the weights of step {state.best_step}, the best evaluation's")
        elif worker_count(self.strategy) > 1:  # all workers go on alike, or none
            raise RunFailedError(f"{best_file} is damaged or missing on a worker; run again")
        else:
            self.say(f"{best_file} is damaged: the last weights are kept, not the best ones")
        return restored

    def _show_example(self, batches: tf.data.Dataset, tokenizer: Any, mask_in_step: Any) -> None:
        if not self.chief:
            return
        first = next(iter(batches.take(1)))
        features, labels = mask_in_step(first, 0.0) if mask_in_step else first
        seen, hidden = report.masked_example(features, labels, tokenizer)
        self.say(f"First block, masked: {seen}\n  to predict: {hidden}")

    def _stopped(self, signals: StopSignals, keeper: Checkpoints) -> dict[str, Any]:
        name = signal.Signals(signals.received or signal.SIGTERM).name
        of = f" of {keeper.total_steps}" if keeper.total_steps else ""
        self.say(
            f"Stopped by {name} after step {keeper.step}{of}; a checkpoint is "
            "saved, and the same command resumes"
        )
        if signals.received == signal.SIGINT:
            raise KeyboardInterrupt
        return {"stopped": True, "train_steps": keeper.step}


def _how_long(config: TrainConfig, data: RunData) -> str:
    return f"{data.total_steps} steps" if data.total_steps else f"{config.max_hours:g} h in steps"


def _of_unknown_length(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Keras starts a data set of exactly one epoch anew each epoch; this one goes on."""
    return dataset.filter(lambda *_: True)
