"""Settings of the optimizer, its schedule and the masks' rates: what is taken, what is refused."""

from __future__ import annotations

import pytest

from tfmlm.config_recipe import RecipeConfig
from tfmlm.errors import UserError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"eval_mlm_probability": 0}, "eval_mlm_probability is 0; it must be over 0"),
        ({"mlm_probability_end": 1.5}, "mlm_probability_end is 1.5"),
        ({"decay_steps": 5}, "decay_steps needs lr_scheduler_type wsd, not linear"),
        ({"decay_from": "c"}, "decay_from needs lr_scheduler_type wsd, not linear"),
        ({"lr_scheduler_type": "wsd", "decay_steps": -1}, "decay_steps is -1"),
        ({"decay_shape": "sqrt"}, "decay_shape is 'sqrt'; choose from 1-sqrt, linear"),
        ({"learning_rate": 0}, "learning_rate is 0; it must be over 0"),
        ({"adam_beta1": 1.5}, "adam_beta1 is 1.5"),
        ({"warmup_ratio": float("nan")}, "warmup_ratio is nan"),
        ({"max_hours": 0}, "max_hours is 0; it must be over 0"),
        (
            {"max_hours": 1, "lr_scheduler_type": "wsd", "decay_steps": 5},
            "decay_steps counts steps, of which a run of max_hours does not know the last",
        ),
        ({"optim": "lion"}, "optim is 'lion'; choose from adamw, stable_adamw"),
        ({"average_checkpoints": 0}, "average_checkpoints is 0; it must be at least 1"),
    ],
)
def test_wrong_values(values: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        RecipeConfig.from_dict(values)


def test_limits_that_belong_are_taken() -> None:
    given = {
        "lr_scheduler_type": "wsd",
        "decay_steps": 5,
        "decay_shape": "linear",
        "mlm_probability_end": 1.0,
        "eval_mlm_probability": 1.0,
        "warmup_ratio": 1.0,
        "max_grad_norm": 0,
    }
    config = RecipeConfig.from_dict(given)
    assert {name: getattr(config, name) for name in given} == given
