"""Settings of a training recipe: the optimizer, and the courses that rates take over a run."""

from __future__ import annotations

from dataclasses import dataclass

from tfmlm.config_base import Config, require_range, setting
from tfmlm.errors import UserError

SCHEDULES = ("linear", "cosine", "constant", "polynomial", "wsd")
DECAY_SHAPES = ("1-sqrt", "linear")
#: Of a run: a longer fall of wsd gains little (Hägele et al., 2024).
DECAY_SHARE = 0.2
OPTIMIZERS = ("adamw", "stable_adamw")


@dataclass(frozen=True, kw_only=True)
class RecipeConfig(Config):
    """How the weights are changed."""

    optim: str = setting(
        "adamw",
        "the optimizer; stable_adamw: updates that are larger than the second moment expects are "
        "scaled down, in place of a warm-up that is too short",
        choices=OPTIMIZERS,
    )
    learning_rate: float = setting(5e-5, "peak learning rate of the optimizer")
    weight_decay: float = setting(0.01, "decay of the weights, not of biases and layer norms")
    adam_beta1: float = setting(0.9, "decay of the first moment")
    adam_beta2: float = setting(
        0.999, "decay of the second moment; 0.95 to 0.98 for runs from scratch with large batches"
    )
    adam_epsilon: float = setting(1e-8, "added to the denominator")
    warmup_steps: int = setting(0, "steps over which the learning rate rises")
    warmup_ratio: float = setting(0.0, "the same as a share of all steps, or of max_hours")
    max_hours: float | None = setting(
        None,
        "hours from the start to the saved model, in place of num_train_epochs: the learning rate "
        "follows the clock and has fallen when they are over",
    )
    lr_scheduler_type: str = setting(
        "linear",
        "course of the learning rate after the warm-up; wsd: it stays, and falls at the end",
        choices=SCHEDULES,
    )
    decay_steps: int = setting(0, "steps of the fall of wsd; 0: a fifth of the run")
    decay_shape: str = setting("1-sqrt", "course of the fall of wsd", choices=DECAY_SHAPES)
    decay_from: str | None = setting(
        None,
        "step checkpoint of another run, from before its fall: the run begins there, falls over "
        "decay_steps (default: a fifth of the whole) and ends, whatever max_steps says",
    )
    lr_end: float = setting(0.0, "share of the peak learning rate at which decay ends")
    lr_power: float = setting(2.0, "exponent of the polynomial schedule")
    batch_warmup_steps: int = setting(
        0,
        "steps over which the batch grows from one of the accumulated batches to all of "
        "gradient_accumulation_steps",
    )
    average_checkpoints: int = setting(
        1, "the model is the mean of so many last checkpoints, the last step's among them"
    )
    max_grad_norm: float = setting(1.0, "gradients are scaled down to this global norm; 0: never")
    mlm_probability_end: float | None = setting(
        None,
        "mlm_probability moves linearly to this over the fall of wsd, else over the whole run",
    )
    eval_mlm_probability: float = setting(
        0.15, "share of the held-out tokens to predict, whatever mlm_probability is"
    )

    def check(self) -> None:
        super().check()
        infinity = float("inf")
        for name in (
            "warmup_steps",
            "decay_steps",
            "batch_warmup_steps",
            "weight_decay",
            "max_grad_norm",
        ):
            require_range(self, name, 0, infinity)
        require_range(self, "learning_rate", 0, infinity, open_low=True)
        require_range(self, "warmup_ratio", 0, 1)
        require_range(self, "max_hours", 0, infinity, open_low=True)
        require_range(self, "average_checkpoints", 1, infinity)
        require_range(self, "lr_end", 0, 1)
        require_range(self, "lr_power", 0, infinity, open_low=True)
        require_range(self, "adam_beta1", 0, 1)
        require_range(self, "adam_beta2", 0, 1)
        require_range(self, "adam_epsilon", 0, infinity, open_low=True)
        require_range(self, "mlm_probability_end", 0, 1, open_low=True)
        require_range(self, "eval_mlm_probability", 0, 1, open_low=True)
        if self.lr_scheduler_type != "wsd":
            for name in ("decay_steps", "decay_from"):
                if getattr(self, name):
                    raise UserError(
                        f"{name} needs lr_scheduler_type wsd, not {self.lr_scheduler_type}"
                    )
        if self.max_hours:
            for name in ("decay_steps", "decay_from"):
                if getattr(self, name):
                    raise UserError(
                        f"{name} counts steps, of which a run of max_hours does not know the last: "
                        f"leave it out (wsd falls over the last {DECAY_SHARE:.0%} of the time)"
                    )
