"""Run as a process: every recipe on one device, accumulated, and on two devices.

python -m tests.training.recipes ROOT

ROOT is a folder as `test_fit.root` makes it; printed are, as JSON, the steps of each run and
how far its weights are from those of one device.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.training import small  # noqa: F401  (environment before TensorFlow)

STEPS = 8
BY_STEPS: dict[str, Any] = {
    "lr_scheduler_type": "wsd",
    "warmup_steps": 2,
    "mlm_probability": 0.3,
    "mlm_probability_end": 0.05,
    "optim": "stable_adamw",
    "adam_beta2": 0.95,
    "average_checkpoints": 2,
    "save_total_limit": 1,
}
BY_LENGTH: dict[str, Any] = {
    "line_by_line": True,
    "group_by_length": True,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "batch_warmup_steps": 3,
    "gradient_checkpointing": True,
}
COMMON: dict[str, Any] = {
    "save_steps": 3,
    "max_steps": STEPS,
    "eval_strategy": "no",
    "eval_steps": 0,
}


def by_clock() -> dict[str, Any]:
    from tests.training.step_clock import hours_for

    return {
        "max_hours": hours_for(STEPS),
        "max_steps": -1,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 2,
        "mlm_probability": 0.3,
        "mlm_probability_end": 0.1,
        "line_by_line": True,
    }


def relative(one: Path, other: Path) -> float:
    """Largest difference of weights, relative to those over 1: biases begin at log-frequencies."""
    from tests.training.test_fit import weights

    first, second = weights(one), weights(other)
    return max(
        float((np.abs(value - second[name]) / np.maximum(np.abs(value), 1.0)).max())
        for name, value in first.items()
    )


def main() -> None:
    root = Path(sys.argv[1])
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

    from tests.training.step_clock import StepClock
    from tests.training.steps import EPSILON
    from tests.training.test_fit import NO_DROPOUT, settings
    from tfmlm.config import TrainConfig
    from tfmlm.training import run_training

    def train(name: str, **more: Any) -> dict[str, Any]:
        exact = {
            "config_overrides": NO_DROPOUT,
            "adam_epsilon": EPSILON,
            "validation_split_percentage": 0,
        }
        clock = StepClock()
        config = TrainConfig.from_dict(settings(root, name, **{**COMMON, **exact, **more}))
        return run_training(config, callbacks=[clock], clock=clock)

    half = {"per_device_train_batch_size": 2}
    twice = {**half, "gradient_accumulation_steps": 2}
    found: dict[str, Any] = {}
    for name, recipe, layouts in (
        ("steps", BY_STEPS, {"accumulated": twice, "mirrored": half}),
        ("clock", by_clock(), {"accumulated": twice, "mirrored": half}),
        ("length", BY_LENGTH, {"mirrored": {"per_device_train_batch_size": 1}}),
    ):
        steps = train(f"{name}-one", **recipe)["train_steps"]
        for layout, more in layouts.items():
            strategy = {"strategy": "mirrored"} if layout == "mirrored" else {}
            other = f"{name}-{layout}"
            results = train(other, **{**recipe, **more, **strategy})
            apart = relative(root / f"{name}-one", root / other)
            found[other] = {"steps": [steps, results["train_steps"]], "apart": apart}
    print("FOUND " + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
