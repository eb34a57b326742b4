"""Settings: values are checked and converted, files are read, TensorFlow is not needed."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from tfmlm.config import EvaluateConfig, MaskingConfig, TrainConfig
from tfmlm.errors import UserError

GOOD = {"train_file": "a.txt", "model_name_or_path": "m", "output_dir": "out"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_steps": 1.5}, "max_steps is 1.5; expected int"),
        ({"max_steps": True}, "max_steps is True"),
        ({"learning_rate": [1]}, "learning_rate is"),
        ({"streaming": "perhaps"}, "streaming is 'perhaps'; expected bool"),
        ({"output_dir": {}}, "output_dir is"),
        ({"seed": None}, "seed needs a value"),
        ({"max_steps": 10**400}, "max_steps is "),
        ({"max_steps": 10**5000}, "max_steps is a huge int; expected int"),
        ({"max_steps": 2**53 + 1}, "max_steps is beyond 9007199254740992"),
        ({"seed": [[]] * 1000}, "…; expected int"),
        ({"seeed": 1}, "unknown setting seeed; did you mean seed"),
        ({"strategy": "ring"}, "choose from auto"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
        ({"warmup_ratio": 2}, "warmup_ratio is 2; it must be at least 0 and at most 1"),
        ({"save_total_limit": 0}, "save_total_limit is 0"),
        ({"dataset_name": "d"}, "not both"),
        ({"max_hours": 1, "max_steps": 5}, "give max_steps or max_hours, not both"),
        ({"streaming": True}, "streaming needs max_steps or max_hours"),
        ({"batch_warmup_steps": 5}, "needs gradient_accumulation_steps over 1"),
        ({"average_checkpoints": 2, "save_steps": 0}, "average_checkpoints needs checkpoints"),
        ({"average_checkpoints": 2, "load_best_model_at_end": True}, "(the best one), not both"),
        (
            {"lr_scheduler_type": "wsd", "decay_from": "c", "resume_from_checkpoint": "c"},
            "give decay_from (begin another run's fall) or resume_from_checkpoint",
        ),
    ],
)
def test_wrong_values(values: dict, message: str) -> None:
    with pytest.raises(UserError) as error:
        TrainConfig.from_dict({**GOOD, **values})
    assert message in str(error.value)


def test_held_out_text_is_masked_as_the_corpus_at_its_own_rate() -> None:
    config = TrainConfig.from_dict(
        {**GOOD, "mlm_probability": 0.4, "whole_word_mask": True, "mask_replace_prob": 0.7}
    )
    expected = MaskingConfig(whole_word_mask=True, mask_replace_prob=0.7)
    assert config.evaluation_masking() == expected
    other = dataclasses.replace(config, eval_mlm_probability=0.3)
    assert other.evaluation_masking() == dataclasses.replace(expected, mlm_probability=0.3)


def test_evaluate_needs_a_model_and_text() -> None:
    with pytest.raises(UserError, match="no model"):
        EvaluateConfig(validation_file=("a",))
    with pytest.raises(UserError, match="no text"):
        EvaluateConfig(model_name_or_path="m")


def test_no_tensorflow_is_imported() -> None:
    code = "import tfmlm.config, tfmlm.cli.train, tfmlm.cli.evaluate, sys; "
    code += "from tfmlm.cli.main import build_parser; build_parser('train'); "
    code += "sys.exit('tensorflow' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
