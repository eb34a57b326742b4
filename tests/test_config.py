"""Settings: values are checked and converted, files are read, TensorFlow is not needed."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tfmlm.cli._arguments import convert_flag
from tfmlm.config import EvaluateConfig, MaskingConfig, TrainConfig, read_config_file
from tfmlm.config_base import field_types
from tfmlm.errors import UserError

GOOD = {"train_file": "a.txt", "model_name_or_path": "m", "output_dir": "out"}


def test_file_values_are_converted() -> None:
    config = TrainConfig.from_dict(
        {**GOOD, "learning_rate": "1e-4", "max_steps": 10.0, "streaming": "yes", "revision": None}
    )
    assert config.train_file == ("a.txt",)
    assert (config.learning_rate, config.max_steps, config.streaming) == (1e-4, 10, True)
    assert TrainConfig.from_dict({**GOOD, "mixed_precision": False}).mixed_precision == "no"
    assert TrainConfig.from_dict(config.to_dict()) == config


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


NUMBERS = [f for f in dataclasses.fields(TrainConfig) if str(f.type).startswith(("int", "float"))]
NOT_NUMBERS = ("1e400", "-1e400", "inf", "-Infinity", ".inf", "nan", "NaN", ".nan", "1" * 5000)


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_no_setting_is_infinite_or_undefined(text: str, tmp_path: Path) -> None:
    """From YAML, from JSON, from a flag and from Python, in every numeric setting."""
    for field in NUMBERS:
        wanted = field_types(TrainConfig)[field.name]
        ways = [lambda f=field, w=wanted: convert_flag(f, w, text)]
        for name in ("x.yaml", "x.json"):
            (tmp_path / name).write_text(json.dumps({field.name: 0}).replace("0", text))
            ways.append(lambda name=name: read_config_file(tmp_path / name))
        for way in ways:
            with pytest.raises(UserError) as error:  # noqa: PT012
                value = way()
                TrainConfig.from_dict(
                    {**GOOD, **(value if isinstance(value, dict) else {field.name: value})}
                )
            assert "\n" not in str(error.value) and len(str(error.value)) < 300
    for value in (float("inf"), float("-inf"), float("nan")):
        for field in NUMBERS:
            with pytest.raises(UserError, match=field.name):
                TrainConfig(**{**GOOD, "train_file": ("x",), field.name: value})


def test_held_out_text_is_masked_as_the_corpus_at_its_own_rate() -> None:
    config = TrainConfig.from_dict(
        {**GOOD, "mlm_probability": 0.4, "whole_word_mask": True, "mask_replace_prob": 0.7}
    )
    expected = MaskingConfig(whole_word_mask=True, mask_replace_prob=0.7)
    assert config.evaluation_masking() == expected
    other = dataclasses.replace(config, eval_mlm_probability=0.3)
    assert other.evaluation_masking() == dataclasses.replace(expected, mlm_probability=0.3)


def test_settings_are_frozen_and_keyword_only() -> None:
    with pytest.raises(TypeError):
        MaskingConfig(0.2)  # type: ignore[misc]
    with pytest.raises(AttributeError):
        MaskingConfig().mlm_probability = 0.5  # type: ignore[misc]


def test_yaml_and_json_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("max-steps: 3\ntrain_file: [a, b]\n")
    (tmp_path / "a.json").write_text('{"max_steps": 3, "train_file": ["a", "b"]}')
    expected = {"max_steps": 3, "train_file": ["a", "b"]}
    assert read_config_file(tmp_path / "a.yaml") == expected
    assert read_config_file(tmp_path / "a.json") == expected
    for content in ("[1]", "a: [", "just text"):
        (tmp_path / "b.yaml").write_text(content)
        with pytest.raises(UserError, match="config file"):
            read_config_file(tmp_path / "b.yaml")


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
