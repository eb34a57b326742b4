"""AdamWeightDecay with the right exclusions."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras
from transformers import AdamWeightDecay

from tfmlm.config_recipe import OPTIMIZERS
from tfmlm.errors import UserError
from tfmlm.training.phases import usual_decay
from tfmlm.training.schedule import WarmupSchedule

NO_DECAY = (
    r"(^|/)bias$",
    r"(^|/)(gamma|beta)$",
    r"(^|/)(LayerNorm|layer_norm|layernorm)(/|$)",
)
"""Biases and layer norms, as regular expressions on a variable's path below its model's name."""


def path_below_model(name: str) -> str:
    """`tf_bert_for_masked_lm/bert/pooler/dense/kernel:0` → `bert/pooler/dense/kernel`.

    The model's own name is left out: it may contain what a pattern looks for, as that of
    roberta-prelayernorm does. So is the number of a replica, which MirroredStrategy appends to the
    names of all copies but the first.
    """
    name = re.sub(r"/replica_\d+$", "", name.split(":")[0])
    return name.split("/", 1)[1] if "/" in name else name


class MaskedLMAdamWeightDecay(AdamWeightDecay):
    """transformers' AdamWeightDecay with patterns on paths, kept in the optimizer's config.

    Args:
        exclude_from_weight_decay: regular expressions, searched in the path of a variable below
            its model's name.
        include_in_weight_decay: the same; includes win over excludes.
        update_clipping: StableAdamW (Wortsman et al., 2023, algorithm 2): in each step the rate of
            a weight's matrix is divided by the root mean square of g / √u, where it is over 1; g is
            the gradient, u the second moment without its bias.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        *,
        include_in_weight_decay: Sequence[str] | None = None,
        exclude_from_weight_decay: Sequence[str] | None = NO_DECAY,
        update_clipping: bool = False,
        name: str = "MaskedLMAdamWeightDecay",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            include_in_weight_decay=list(include_in_weight_decay or []),
            exclude_from_weight_decay=list(exclude_from_weight_decay or []),
            name=name,
            **kwargs,
        )
        self.update_clipping = update_clipping

    def decays(self, name: str) -> bool:
        """Whether the variable of this name is subject to weight decay."""
        return bool(self._do_use_weight_decay(name))

    def _do_use_weight_decay(self, param_name: str) -> bool:
        if self.weight_decay_rate == 0:
            return False
        path = path_below_model(param_name)
        if any(re.search(pattern, path) for pattern in self._include_in_weight_decay):
            return True
        return not any(re.search(pattern, path) for pattern in self._exclude_from_weight_decay)

    def _decay_weights_op(self, var: Any, learning_rate: Any, apply_state: Any) -> Any:
        """Multiplies the weight by 1 - rate · decay, where transformers subtracts the product.

        One pass less over the weight: beside a large vocabulary the optimizer is bound by memory.
        """
        if not self._do_use_weight_decay(var.name):
            return tf.no_op()
        decay = apply_state[(var.device, var.dtype.base_dtype)]["weight_decay_rate"]
        return var.assign(var * (1.0 - learning_rate * decay), read_value=False)

    def _resource_apply_dense(self, grad: Any, var: Any, apply_state: Any = None) -> Any:
        if not self.update_clipping:
            return super()._resource_apply_dense(grad, var, apply_state)
        key = (var.device, var.dtype.base_dtype)
        state = (apply_state or {}).get(key) or self._fallback_apply_state(*key)
        slower = state["lr_t"] / tf.maximum(self._update_size(grad, var, state), 1.0)
        return super()._resource_apply_dense(
            grad, var, {**(apply_state or {}), key: {**state, "lr_t": slower}}
        )

    def _resource_apply_sparse(
        self, grad: Any, var: Any, indices: Any, apply_state: Any = None
    ) -> Any:
        if not self.update_clipping:
            return super()._resource_apply_sparse(grad, var, indices, apply_state)
        dense = tf.scatter_nd(indices[:, tf.newaxis], grad, var.shape)
        return self._resource_apply_dense(dense, var, apply_state)

    def _update_size(self, grad: tf.Tensor, var: Any, state: Any) -> tf.Tensor:
        """Root mean square of g / √u, scalar."""
        squared = tf.square(grad)
        moment = state["beta_2_t"] * self.get_slot(var, "v") + state["one_minus_beta_2_t"] * squared
        expected = moment / (1.0 - state["beta_2_power"])
        smallest = tf.square(tf.cast(state["epsilon"], grad.dtype))
        return tf.sqrt(tf.reduce_mean(squared / tf.maximum(expected, smallest)))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["update_clipping"] = self.update_clipping
        config["include_in_weight_decay"] = list(self._include_in_weight_decay)
        config["exclude_from_weight_decay"] = list(self._exclude_from_weight_decay)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MaskedLMAdamWeightDecay:
        config = dict(config)
        rate = config.get("learning_rate")
        if isinstance(rate, dict):
            config["learning_rate"] = tf_keras.optimizers.schedules.deserialize(
                rate, custom_objects={"WarmupSchedule": WarmupSchedule}
            )
        return cls(**config)


def create_optimizer(
    learning_rate: float | None = None,
    num_train_steps: int | None = None,
    num_warmup_steps: int = 0,
    *,
    schedule: str | tf_keras.optimizers.schedules.LearningRateSchedule | None = None,
    optim: str = "adamw",
    weight_decay: float | None = None,
    beta_1: float | None = None,
    beta_2: float | None = None,
    epsilon: float | None = None,
    max_grad_norm: float | None = None,
    end: float | None = None,
    power: float | None = None,
    decay_steps: int | None = None,
    decay_shape: str = "1-sqrt",
    include_in_weight_decay: Sequence[str] | None = None,
    init_lr: float | None = None,
    min_lr_ratio: float | None = None,
    adam_beta1: float | None = None,
    adam_beta2: float | None = None,
    adam_epsilon: float | None = None,
    adam_clipnorm: float | None = None,
    adam_global_clipnorm: float | None = None,
    weight_decay_rate: float | None = None,
) -> tuple[MaskedLMAdamWeightDecay, Any]:
    """An AdamWeightDecay for any of the masked-LM architectures, and its schedule.

    The keywords of `transformers.create_optimizer` mean what they mean there, with its defaults
    where `init_lr` is given: no weight decay, and a linear fall (`power` 1).

    Args:
        learning_rate: peak of the learning rate; transformers' `init_lr`.
        num_train_steps: steps of the whole run.
        num_warmup_steps: steps over which the rate rises; fewer than num_train_steps.
        schedule: linear (default), cosine, polynomial, constant or wsd; or a schedule of one's own,
            which knows peak, warm-up and end by itself.
        optim: adamw, or stable_adamw for update clipping.
        weight_decay: decoupled decay (Loshchilov and Hutter, 2019) of all weights but biases and
            layer norms (default 0.01); `weight_decay_rate`.
        beta_1, beta_2, epsilon: Adam's (0.9, 0.999, 1e-8); `adam_beta1` and so on.
        max_grad_norm: scale gradients down to this global norm in `apply_gradients`; leave it out
            with `MaskedLMTrainer`, which clips by itself; `adam_global_clipnorm`.
        end: share of the peak at which the fall ends (0); `min_lr_ratio`.
        power: exponent of the polynomial (2; where `init_lr` is given 1).
        decay_steps: steps of the fall of wsd (default: a fifth of the run).
        decay_shape: its course, `1-sqrt` or `linear`.
        include_in_weight_decay: patterns of weights that decay although they are biases or norms.
        adam_clipnorm: scale each gradient down to this norm.

    Raises:
        UserError: numbers of steps that cannot be, or one setting under both its names.
    """
    if optim not in OPTIMIZERS:
        raise UserError(f"optim is {optim!r}; choose from {', '.join(OPTIMIZERS)}")
    decay = _one("weight_decay", weight_decay, "weight_decay_rate", weight_decay_rate)
    if decay is None:
        decay = 0.01 if init_lr is None else 0.0
    norm = _one("max_grad_norm", max_grad_norm, "adam_global_clipnorm", adam_global_clipnorm)
    small = _one("epsilon", epsilon, "adam_epsilon", adam_epsilon)
    rate = schedule
    if rate is None or isinstance(rate, str):
        if init_lr is not None and power is not None and power != 1 and rate is None:
            rate = "polynomial"
        rate = _by_steps(
            _one("learning_rate", learning_rate, "init_lr", init_lr),
            num_train_steps,
            num_warmup_steps,
            rate or "linear",
            _one("end", end, "min_lr_ratio", min_lr_ratio),
            power,
            decay_steps,
            decay_shape,
        )
    given: dict[str, Any] = {
        "beta_1": _one("beta_1", beta_1, "adam_beta1", adam_beta1),
        "beta_2": _one("beta_2", beta_2, "adam_beta2", adam_beta2),
        "epsilon": 1e-8 if small is None else small,
        "global_clipnorm": norm or None,
        "clipnorm": adam_clipnorm or None,
    }
    _require_number("weight_decay", decay)
    for name, value in given.items():
        _require_number(name, value, below=1.0 if name.startswith("beta") else math.inf)
    optimizer = MaskedLMAdamWeightDecay(
        rate,
        weight_decay_rate=decay,
        include_in_weight_decay=include_in_weight_decay,
        update_clipping=optim == "stable_adamw",
        **{name: value for name, value in given.items() if value is not None},
    )
    return optimizer, rate


def _by_steps(
    peak: float | None,
    num_train_steps: int | None,
    num_warmup_steps: int,
    kind: str,
    end: float | None,
    power: float | None,
    decay_steps: int | None,
    decay_shape: str,
) -> WarmupSchedule:
    """A schedule of so many steps.

    Raises:
        UserError: numbers of steps that cannot be, or something is missing.
    """
    if peak is None:
        raise UserError("learning_rate is missing")
    if num_train_steps is None:
        raise UserError("num_train_steps is missing")
    _require_number("learning_rate", peak)
    _require_number("num_train_steps", num_train_steps)
    _require_number("num_warmup_steps", num_warmup_steps)
    if num_train_steps < 1:
        raise UserError(f"num_train_steps is {num_train_steps}; it must be at least 1")
    if not 0 <= num_warmup_steps <= num_train_steps:
        raise UserError(
            f"the warm-up has {num_warmup_steps} steps; it must be between 0 and the run's "
            f"{num_train_steps}"
        )
    if decay_steps is None:
        decay_steps = min(usual_decay(num_train_steps), num_train_steps - num_warmup_steps)
    return WarmupSchedule(
        peak,
        num_train_steps,
        num_warmup_steps,
        kind,
        0.0 if end is None else end,
        2.0 if power is None else power,
        decay_steps,
        decay_shape,
    )


def _require_number(name: str, value: float | None, below: float = math.inf) -> None:
    """Proves that a setting, if it is given, is a number from 0 up to `below`.

    Raises:
        UserError: it is not.
    """
    if value is None:
        return
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value < below:
        limit = "a number of at least 0" + (f" and below {below:g}" if below < math.inf else "")
        raise UserError(f"{name} must be {limit}. Received: {value!r}")


def _one(name: str, value: float | None, other: str, same: float | None) -> float | None:
    """The value of a setting that has two names.

    Raises:
        UserError: it is given under both.
    """
    if value is not None and same is not None:
        raise UserError(f"{name} and {other} are the same setting; give one of them")
    return value if value is not None else same
