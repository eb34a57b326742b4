"""What happens around the steps: progress, loss curve, evaluation, checkpoints, stopping."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from tfmlm.config import TrainConfig
from tfmlm.progress import Bar, figures_line, say
from tfmlm.training.averaging import steps_to_average
from tfmlm.training.checkpoint import (
    numbered_weights,
    remove_older,
    save_checkpoint,
    trainer_arrays,
)
from tfmlm.training.metrics import Evaluator
from tfmlm.training.signals import StopSignals


@dataclass
class RunState:
    """What the callbacks remember over the run; saved in each checkpoint.

    Attributes:
        curve: points of the loss curve, dicts with `step`.
        evaluations: figures of each evaluation, dicts with `step` and `epoch`.
        best_loss: lowest held-out loss so far.
        best_step: where it was.
        waited: evaluations since then.
        trained_seconds: time spent in training by the processes before this one.
        time_budget: seconds of training that a run by the clock has; 0 for other runs.
        time_spent: those of them that had gone at the checkpoint.
        finished: whether the run came to its end (or stopped early).
    """

    curve: list[dict[str, float]] = field(default_factory=list)
    evaluations: list[dict[str, float]] = field(default_factory=list)
    best_loss: float = math.inf
    best_step: int = 0
    waited: int = 0
    trained_seconds: float = 0.0
    time_budget: float = 0.0
    time_spent: float = 0.0
    finished: bool = False

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        if math.isinf(self.best_loss):
            values["best_loss"] = None
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunState:
        values = dict(values)
        if values.get("best_loss") is None:
            values["best_loss"] = math.inf
        return cls(**values)


@dataclass(frozen=True)
class RunLength:
    """How long a run is.

    Attributes:
        total_steps: its steps; None where the clock ends it.
        steps_per_epoch: whole steps of a pass over the data, after which Keras' epochs end.
        epoch_at: passes over the data, with a fraction, after so many steps.
    """

    total_steps: int | None
    steps_per_epoch: int
    epoch_at: Callable[[int], float]


class RunCallback(tf_keras.callbacks.Callback):
    """Base: counts the steps of the whole run.

    Args:
        state: shared by all callbacks of the run.
        length: how long the run is.
        first_step: steps done before `fit`.
    """

    _supports_tf_logs = True  # no copy of the logs to the host after each step

    def __init__(self, state: RunState, length: RunLength, first_step: int) -> None:
        super().__init__()
        self.state = state
        self.length = length
        self.steps_per_epoch = length.steps_per_epoch
        self.total_steps = length.total_steps
        self.step = first_step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step += 1
        self.after_step(logs)

    def after_step(self, logs: Any) -> None:
        """Called after each step, with `self.step` steps done."""

    @property
    def is_last(self) -> bool:
        """Whether the step that is done was the run's last."""
        if self.total_steps is None:
            return bool(self.model.last_step.numpy() > 0)
        return self.step >= self.total_steps

    @property
    def epoch(self) -> float:
        """Epochs done, with a fraction."""
        return self.length.epoch_at(self.step)


@dataclass(frozen=True)
class Speed:
    """What a run does in a second.

    Attributes:
        tokens_per_second: padding left out.
        padding: its share of the places.
        flops_per_second: of the model (`tfmlm.training.flops`).
        mfu: their share of the peak of matrix products (model FLOPs utilization).
    """

    tokens_per_second: float
    padding: float
    flops_per_second: float
    mfu: float

    @classmethod
    def of(cls, sums: dict[str, float], seconds: float, peak: float) -> Speed:
        """By the trainer's sums over so many seconds, on machines with this peak in FLOP/s."""
        seconds = max(seconds, 1e-9)
        flops = sums["flops"] / seconds
        padding = 1.0 - sums["tokens"] / max(sums["places"], 1.0)
        return cls(sums["tokens"] / seconds, padding, flops, flops / peak)

    def shown(self) -> dict[str, str]:
        """For a line of the log."""
        return {
            "tokens/s": f"{self.tokens_per_second:,.0f}",
            "padding": f"{self.padding:.0%}",
            "GFLOP/s": f"{self.flops_per_second / 1e9:,.1f}",
            "MFU": f"{self.mfu:.1%}",
        }


class Progress(RunCallback):
    """One bar for the whole run; plain lines where nobody watches it."""

    def __init__(
        self,
        *args: Any,
        bar: Bar,
        schedule: Callable[[int], Any],
        peak: float,
        line_seconds: float = 5.0,
    ) -> None:
        super().__init__(*args)
        self._peak = peak
        self._bar = bar
        self._schedule = schedule
        self._pause = 0.2 if bar.shown else line_seconds
        self._begun = self._last = 0.0
        self._first = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._first = self.step
        self._offset = epoch * self.steps_per_epoch
        self._begun = self._last = time.perf_counter()

    def after_step(self, logs: Any) -> None:
        now = time.perf_counter()
        if now - self._last < self._pause and not self.is_last:
            return
        self._last = now
        # The sums of the epoch go on over an interruption, the clock does not.
        share = (self.step - self._first) / max(self.step - self._offset, 1)
        speed = Speed.of(
            self.model.epoch_sums(), (now - self._begun) / max(share, 1e-9), self._peak
        )
        steps, epoch = f"{self.step}", f"{self.epoch:.2f}"
        figures = {}
        if self.total_steps is None:
            figures["time"] = f"{float(self.model.time_share.numpy()):.0%}"
        else:
            steps += f"/{self.total_steps}"
            epoch += f"/{self.length.epoch_at(self.total_steps):.3g}"
        figures |= {
            "epoch": epoch,
            "loss": f"{float(logs['loss']):.4f}",
            "lr": f"{float(self._schedule(self.step - 1)):.2e}",
            **speed.shown(),
        }
        if self._bar.shown:
            self._bar.update(self.step, **figures)
        else:
            say(f"  step {steps}  {figures_line(figures)}")


class Curve(RunCallback):
    """Records loss, learning rate, gradient norm and speed; writes TensorBoard logs."""

    def __init__(
        self,
        *args: Any,
        every: int,
        schedule: Callable[[int], Any],
        peak: float,
        writer: Any = None,
    ) -> None:
        super().__init__(*args)
        self._peak = peak
        self._every = every
        self._schedule = schedule
        self._writer = writer
        self._begun = time.perf_counter()

    def on_train_begin(self, logs: Any = None) -> None:
        self._begun = time.perf_counter()

    def after_step(self, logs: Any) -> None:
        if self.step % self._every and self.step != 1 and not self.is_last:
            return
        values = self.model.interval()
        if not values["steps"]:
            return
        now = time.perf_counter()
        seconds, self._begun = now - self._begun, now
        point = {
            "step": self.step,
            "epoch": self.epoch,
            "loss": values["loss"],
            "learning_rate": float(self._schedule(self.step - 1)),
            "gradient_norm": values["gradient_norm"],
            **asdict(Speed.of(values, seconds, self._peak)),
        }
        self.state.curve.append(point)
        self.write({f"train/{name}": v for name, v in point.items() if name != "step"})

    def write(self, values: dict[str, float]) -> None:
        """Writes scalars at the current step."""
        if self._writer is not None:
            with self._writer.as_default(step=self.step):
                for name, value in values.items():
                    tf.summary.scalar(name, value)


class Evaluation(RunCallback):
    """Evaluates every N steps or epochs, keeps the best weights, stops early.

    The figures are put into the epoch's logs as `val_loss`, `val_accuracy`, for other callbacks.
    """

    def __init__(
        self,
        *args: Any,
        evaluator: Evaluator,
        config: TrainConfig,
        curve: Curve,
        best_file: Path | None,
        chief: bool,
    ) -> None:
        super().__init__(*args)
        self._evaluator = evaluator
        self._config = config
        self._curve = curve
        self._best_file = best_file
        self._chief = chief
        self.last_step = -1

    def after_step(self, logs: Any) -> None:
        every = self._config.evaluation_interval(self.steps_per_epoch)
        if (every and self.step % every == 0) or self.is_last:
            self.evaluate()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None and self.state.evaluations:
            last = self.state.evaluations[-1]
            logs["val_loss"] = last["eval_loss"]
            logs["val_accuracy"] = last["eval_accuracy"]

    def evaluate(self) -> dict[str, float]:
        """Evaluates now, and acts on the result."""
        figures = self._evaluator()
        self.last_step = self.step
        point = {"step": self.step, "epoch": self.epoch, **figures}
        self.state.evaluations.append(point)
        self._curve.write({name.replace("eval_", "eval/"): v for name, v in figures.items()})
        if self._chief:
            say(
                f"  step {self.step}: held-out loss {figures['eval_loss']:.4f}, "
                f"perplexity {figures['perplexity']:.2f}, "
                f"accuracy {figures['eval_accuracy']:.1%}"
            )
        self._judge(figures["eval_loss"])
        return figures

    def _judge(self, loss: float) -> None:
        state = self.state
        if loss < state.best_loss:
            state.best_loss, state.best_step, state.waited = loss, self.step, 0
            if self._best_file is not None and self._chief:
                save_weights(self.model.model, self._best_file)
            return
        state.waited += 1
        patience = self._config.early_stopping_patience
        if patience and state.waited >= patience:
            if self._chief:
                say(
                    f"Stopped early: no lower held-out loss in {patience} evaluations "
                    f"(best {state.best_loss:.4f} at step {state.best_step})"
                )
            state.finished = True
            self.model.stop_training = True


class Checkpoints(RunCallback):
    """Saves every N steps and when the run is told to stop; ends the run at its last step."""

    def __init__(
        self,
        *args: Any,
        folder: Path,
        config: TrainConfig,
        run: dict[str, Any],
        chief: bool,
        signals: StopSignals,
        workers: int,
        budget: Any = None,
    ) -> None:
        super().__init__(*args)
        self._folder = folder
        self._config = config
        self._run = run
        self._chief = chief
        self._signals = signals
        self._workers = workers
        self._budget = budget
        self._begun = time.perf_counter()
        self.saved_step = self.step

    def on_train_begin(self, logs: Any = None) -> None:
        self._begun = time.perf_counter()

    def after_step(self, logs: Any) -> None:
        every = self._config.saving_interval(self.steps_per_epoch)
        if self.is_last:
            self.state.finished = True
            self.model.stop_training = True
            if self._config.average_checkpoints > 1:
                self.save()
        if self._stop_agreed():
            self._signals.obeyed = True
            self.model.stop_training = True
            if not self.state.finished:
                self.save()
        elif every and self.step % every == 0 and not self.state.finished:
            self.save()

    def _stop_agreed(self) -> bool:
        """Whether to stop after this step: all workers see the same votes in the same step."""
        if self._workers == 1:
            return self._signals.received is not None
        if self._signals.received is not None:
            self.model.stop_vote.assign(1.0)
        return bool(self.model.stop_votes.numpy() > 0)

    def seconds(self) -> float:
        """Time spent in training by all processes of the run so far."""
        return self.state.trained_seconds + time.perf_counter() - self._begun

    def save(self) -> None:
        """Saves now (chief only)."""
        self.saved_step = self.step
        if not self._chief:
            return
        state = {**self.state.to_dict(), "trained_seconds": self.seconds()}
        if self._budget is not None:
            state |= {"time_budget": self._budget.seconds, "time_spent": self._budget.gone()}
        save_checkpoint(
            self._folder, self.step, trainer_arrays(self.model), {**self._run, "state": state}
        )
        remove_older(self._folder, self._config.save_total_limit, self.to_average())

    def to_average(self) -> list[int]:
        """Steps of the checkpoints that the model would be the mean of now, oldest first."""
        if self._config.average_checkpoints == 1:
            return []
        every = self._config.saving_interval(self.steps_per_epoch)
        last = self.step if self.state.finished else -1
        return steps_to_average(self._folder, self._config.average_checkpoints, every, last)


def save_weights(model: Any, path: Path) -> None:
    """Writes a model's weights by their order and name, with a digest of them."""
    from safetensors.numpy import save_file

    from tfmlm.files import atomic_write

    arrays = {name: np.asarray(v.numpy()) for name, v in numbered_weights(model).items()}
    with atomic_write(path) as temporary:
        save_file(arrays, temporary, metadata={"blake2b": _digest(arrays)})


def load_weights(model: Any, path: Path) -> bool:
    """Reads what `save_weights` wrote into the same model; False if the file is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as stored:
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            digest = (stored.metadata() or {}).get("blake2b")
    except (OSError, SafetensorError):
        return False
    variables = numbered_weights(model)
    if digest != _digest(arrays) or arrays.keys() != variables.keys():
        return False
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return True


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
