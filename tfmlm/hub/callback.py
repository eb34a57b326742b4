"""`PushToHub`: transformers' `PushToHubCallback`, with every checkpoint saved and delivered."""

from __future__ import annotations

import atexit
import logging
import os
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import TFPreTrainedModel
from transformers.keras_callbacks import PushToHubCallback
from transformers.trainer_utils import IntervalStrategy

from tfmlm.checkpoint.optimizer_state import OPTIMIZER_STATE, save_optimizer_state
from tfmlm.checkpoint.save import save_model
from tfmlm.cluster import saves_here
from tfmlm.errors import NotDeliveredError, UserError
from tfmlm.files import require_writable_folder, staged
from tfmlm.hub.background import BackgroundPusher
from tfmlm.hub.delivery import Backoff, attempt_push, check_target, find_token
from tfmlm.hub.folder import CARD, Snapshot, files_to_push, snapshot
from tfmlm.hub.push import (
    DEFAULT_TIMEOUT,
    missing_text,
    not_delivered,
    repeat_command,
    say_notes,
)
from tfmlm.hub.record import last_push, note_target, write_record
from tfmlm.hub.remote import DEFAULT_BRANCH, HubFailure, PushReport
from tfmlm.redaction import redact

logger = logging.getLogger("tfmlm.hub")


class PushToHub(PushToHubCallback):
    """Saves the model at every epoch (or `save_steps`) and pushes it to the Hub beside training.

    Saving never depends on pushing: each checkpoint is written to `output_dir` whole, then a copy
    is pushed by a process that training does not wait for. A push that fails is repeated with
    backoff; if a newer checkpoint comes meanwhile, that one is pushed. At the end of training the
    last checkpoint is pushed and the remote head is compared with the local files. If training ends
    with an exception, the process waits at its end for the push that is under way, and says what
    became of it.

    Under several workers only the chief saves and pushes.

    Args:
        output_dir: folder of the checkpoint; it may hold other files and need not be a git clone.
        save_strategy: `"epoch"`, `"steps"` (every `save_steps` steps, counted over all epochs) or
            `"no"` (only at the end).
        tokenizer: is saved beside the model.
        hub_model_id: `user/model`; the name of `output_dir` in the token's namespace if left out.
        hub_token: if left out, `HF_TOKEN` or that of `hf auth login`.
        checkpoint: also save the optimizer's state (see `load_optimizer_state`).
        hub_private_repo: create the repository private; a public one that exists is refused.
        hub_revision: branch; it is created from `main` if need be.
        hub_timeout: seconds without any movement after which the Hub is given up.
        push_logs: also push the TensorBoard logs in `output_dir/logs`.
        export_dir: also push this SavedModel export, as `export/`.
        include: further files of `output_dir` to push, as patterns.
        is_chief: whether this process saves and pushes; read from the cluster if left out.
        card: gives the text of the model card; built from the training history if left out.
        finish_on_train_end: False if `finish()` is called later, when more files are written.
        model_card_args: `language`, `license`, `tags`, `finetuned_from`, `dataset`,
            `dataset_tags`, `model_name`, as the stock callback's; and `settings`, those of a run.

    Attributes:
        delivered: True when the remote head is known to hold what is in `output_dir`; None before
            the end.
        undelivered: one line that says what did not arrive and what sends it later, or None.
        steps: optimizer steps so far; set it before `fit` when a run is resumed.

    Raises:
        UserError: before training: token, permission, network, or repository is not right.
    """

    _supports_tf_logs = True  # Keras need not copy the logs to the host after each step

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        save_strategy: str | IntervalStrategy = "epoch",
        save_steps: int | None = None,
        tokenizer: Any = None,
        hub_model_id: str | None = None,
        hub_token: str | None = None,
        checkpoint: bool = False,
        *,
        hub_private_repo: bool = False,
        hub_revision: str = DEFAULT_BRANCH,
        hub_timeout: float = DEFAULT_TIMEOUT,
        push_logs: bool = False,
        export_dir: str | os.PathLike[str] | None = None,
        include: Sequence[str] = (),
        is_chief: bool | None = None,
        card: Callable[[], str] | None = None,
        finish_on_train_end: bool = True,
        backoff: Backoff | None = None,
        **model_card_args: Any,
    ) -> None:
        # The parent's constructor clones with git; only its own parent's is wanted.
        super(PushToHubCallback, self).__init__()
        self.save_strategy = _strategy(save_strategy)
        self.save_steps = _save_steps(self.save_strategy, save_steps)
        self.tokenizer = tokenizer
        self.checkpoint = checkpoint
        self.model_card_args = model_card_args
        self.training_history: list[dict[str, Any]] = []
        self.steps = 0
        self.delivered: bool | None = None
        self.undelivered: str | None = None
        self.is_chief = saves_here() if is_chief is None else is_chief
        self.output_dir = Path(output_dir)
        self.hub_model_id = hub_model_id or self.output_dir.absolute().name
        self._card = card
        self._finish_on_train_end = finish_on_train_end
        self._choice: dict[str, Any] = {"logs": push_logs, "export_dir": export_dir}
        self._include = [*include, *([OPTIMIZER_STATE] if checkpoint else [])]
        self._first_batch = 0
        self._epoch = 0
        self._submitted = 0
        self._not_copied: str | None = None
        self._finishing = False
        self._pusher: BackgroundPusher | None = None
        if not self.is_chief:
            return
        require_writable_folder(self.output_dir)
        token = find_token(hub_token)
        try:
            self._target = check_target(
                self.hub_model_id,
                token,
                private=hub_private_repo,
                branch=hub_revision,
                timeout=hub_timeout,
            )
        except HubFailure as failure:
            raise UserError(redact(failure.message, token)) from None
        self.hub_model_id = self._target.repo_id
        note_target(self.output_dir, self._target)
        self._timeout = hub_timeout
        self._command = repeat_command(
            self.output_dir,
            self.hub_model_id,
            hub_revision,
            private=hub_private_repo,
            include=self._include,
            **self._choice,
        )
        self._pusher = BackgroundPusher(self._attempt, hub_timeout, backoff or Backoff(), token)
        atexit.register(_settle_at_exit, weakref.ref(self))

    @property
    def url(self) -> str:
        """The repository's address."""
        return self._target.url

    def on_train_begin(self, logs: Any = None) -> None:
        self.training_history = []
        self.delivered, self.undelivered = None, None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._first_batch = batch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # Keras calls once for several steps (`steps_per_execution`): from the first to this one.
        before, self.steps = self.steps, self.steps + batch - self._first_batch + 1
        every = self.save_steps if self.save_strategy == IntervalStrategy.STEPS else None
        if every and self.steps // every > before // every:
            self.push(f"Training in progress, step {self.steps}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch + 1
        self.training_history.append({"epoch": epoch + 1, "step": self.steps, **_numbers(logs)})
        if self.save_strategy == IntervalStrategy.EPOCH:
            self.push(f"Training in progress, epoch {epoch + 1}")

    def on_train_end(self, logs: Any = None) -> None:
        if self._finish_on_train_end:
            self.finish()

    def save(self) -> None:
        """Writes the checkpoint to `output_dir`: each file whole or not at all."""
        tokenizer = self._tokenizer()
        with staged(self.output_dir) as stage:
            if tokenizer is not None:
                tokenizer.save_pretrained(stage)
            save_model(_trained(self.model), stage)
            if self.checkpoint:
                save_optimizer_state(self.model, stage, self._epoch)
        if self._card is not None or self.training_history:
            text = self._card() if self._card is not None else self._own_card()
            with staged(self.output_dir) as stage:
                (stage / CARD).write_text(text, encoding="utf-8")

    def push(self, message: str = "Training in progress") -> None:
        """Saves the checkpoint, then pushes it beside training. Does nothing but on the chief."""
        if self.is_chief:
            self.save()
            self.push_files(message)

    def push_files(self, message: str) -> None:
        """Pushes what is in `output_dir` now, beside training; a disk that is full is no error."""
        if self._pusher is None:
            return
        try:
            files = files_to_push(self.output_dir, include=self._include, **self._choice)
            copy = snapshot(files, self.output_dir)
        except (UserError, OSError) as error:
            self._not_copied = str(error)
            logger.warning(f"cannot push: {error}; training goes on")
        else:
            self._not_copied = None
            self._submitted = self._pusher.submit(copy, message)

    def finish(self, save: bool = True, message: str = "End of training") -> bool:
        """Pushes the last state, waits for it, and compares the remote head with `output_dir`.

        Sets `delivered` and `undelivered`; raises nothing, whatever the Hub does.

        Args:
            save: write the model first; False if the folder is already as it should be.
        """
        if self._pusher is None:
            self.delivered = True  # the chief's business
            return True
        if save:
            self._finishing = True
            self.save()
            self._finishing = False
        if self._pusher.busy:
            logger.info("waiting for the push that is under way")
        self.push_files(message)
        self._pusher.wait()
        self._pusher.close()
        self._judge()
        if self.undelivered and self._finish_on_train_end:
            logger.warning(self.undelivered)
        return bool(self.delivered)

    def settle(self) -> None:
        """Waits for the pushes of a run that ended before `finish`, and logs what became of them.

        Called when the process ends. Ctrl-C ends the wait.
        """
        if self._pusher is None or self.delivered is not None or not self._submitted:
            return
        try:
            if self._pusher.busy:
                logger.warning(
                    f"training ended early; waiting for the push to {self.url} (Ctrl-C leaves it)"
                )
            self._pusher.wait()
            self._judge()
        except KeyboardInterrupt:
            self.delivered = False
            self.undelivered = self._undelivered("the push was left before its end")
        logger.warning(self.undelivered or f"the last checkpoint of the run is at {self.url}")

    def _judge(self) -> None:
        """Sets `delivered` and `undelivered`, once nothing is under way."""
        assert self._pusher is not None
        self.delivered = self._not_copied is None and self._pusher.arrived == self._submitted
        self.undelivered = None if self.delivered else self._reason()

    def raise_if_undelivered(self) -> None:
        """For the command line.

        Raises:
            NotDeliveredError: `finish` ran and something did not arrive.
        """
        if self.undelivered:
            raise NotDeliveredError(self.undelivered)

    def _attempt(self, copy: Snapshot, message: str, moved: Callable[[int], None]) -> PushReport:
        last = last_push(self.output_dir, self._target)
        report = attempt_push(self._target, copy.files, message, last, self._timeout, moved)
        write_record(self.output_dir, self._target, report, last)
        say_notes(report, self._target)
        return report

    def _reason(self) -> str:
        assert self._pusher is not None
        failure, report = self._pusher.failure, self._pusher.report
        if self._not_copied is not None:
            reason = self._not_copied
        elif failure is not None:
            reason = redact(failure.message, self._target.token)
        else:
            reason = missing_text(report) if report is not None else "nothing was pushed"
        return self._undelivered(reason)

    def _undelivered(self, reason: str) -> str:
        return not_delivered(self.hub_model_id, self.output_dir, reason, self._command)

    def _tokenizer(self) -> Any:
        """The tokenizer given, or that of the model that is trained, if it has one."""
        return self.tokenizer or getattr(self.model, "tokenizer", None)

    def _own_card(self) -> str:
        from tfmlm.checkpoint.card.model_card import card_from_keras

        return card_from_keras(
            _trained(self.model),
            self._tokenizer(),
            repo_id=self.hub_model_id,
            history=self.training_history,
            output_dir=self.output_dir,
            finished=self._finishing,
            **self.model_card_args,
        )


def _settle_at_exit(reference: weakref.ref[PushToHub]) -> None:
    callback = reference()
    if callback is not None:
        callback.settle()


def _strategy(value: str | IntervalStrategy) -> IntervalStrategy:
    try:
        return IntervalStrategy(value.lower() if isinstance(value, str) else value)
    except ValueError:
        raise UserError(f"save_strategy {value!r} is not one of epoch, steps, no") from None


def _save_steps(strategy: IntervalStrategy, save_steps: int | None) -> int | None:
    if strategy != IntervalStrategy.STEPS:
        return save_steps
    if not isinstance(save_steps, int) or isinstance(save_steps, bool) or save_steps <= 0:
        raise UserError('save_strategy "steps" needs save_steps: a whole number above 0')
    return save_steps


def _trained(model: Any) -> Any:
    """The transformers model: what `fit` trains, or what that wraps as `model`."""
    if isinstance(model, TFPreTrainedModel):
        return model
    inner = getattr(model, "model", None)
    return inner if isinstance(inner, TFPreTrainedModel) else model


def _numbers(logs: Any) -> dict[str, float]:
    """The scalars of Keras' logs, as Python numbers."""
    numbers = {}
    for key, value in (logs or {}).items():
        try:
            numbers[key] = float(value)
        except (TypeError, ValueError):
            continue
    return numbers
