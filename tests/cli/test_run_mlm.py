"""Command lines of PyTorch's run_mlm.py: they run, and what cannot be honoured is refused."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

from tests.training import small
from tfmlm.cli import train
from tfmlm.cli._arguments import config_from_arguments
from tfmlm.cli._run_mlm import FOREIGN, documentation_table, take_run_mlm_flags
from tfmlm.cli.main import main
from tfmlm.config import TrainConfig
from tfmlm.errors import UserError

DOCS = Path(__file__).parents[2] / "docs" / "training.md"
#: As in the README of transformers' language-modeling examples.
README = """--model_name_or_path FacebookAI/roberta-base --train_file a.txt --validation_file b.txt
--per_device_train_batch_size 8 --per_device_eval_batch_size 8 --do_train --do_eval
--output_dir test-mlm"""


def settings(line: str) -> TrainConfig:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return config_from_arguments(parser.parse_args(line.split()), TrainConfig, prepare=translate)


def translate(values: dict[str, Any]) -> None:
    take_run_mlm_flags(values)


def test_the_readmes_command_line() -> None:
    config = settings(README)
    assert config.per_device_train_batch_size == 8
    assert config.model_name_or_path == "FacebookAI/roberta-base"


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        ("--fp16", "mixed_precision", "fp16"),
        ("--fp16 True", "mixed_precision", "fp16"),
        ("--bf16 true", "mixed_precision", "bf16"),
        ("--bf16 False", "mixed_precision", "no"),
        ("--evaluation_strategy steps --eval_steps 7", "eval_strategy", "steps"),
        ("--eval_strategy epoch", "eval_strategy", "epoch"),
        ("--save-strategy no", "save_strategy", "no"),
        ("--model_revision v1", "revision", "v1"),
        ("--torch_compile", "jit_compile", True),
        ("--lr_scheduler_type constant_with_warmup", "lr_scheduler_type", "constant"),
        ("--optim adamw_torch --metric_for_best_model eval_loss", "optim", "adamw"),
        ("--warmup_steps 0.1", "warmup_ratio", 0.1),
        ("--resume_from_checkpoint True", "resume_from_checkpoint", None),
        ("--report_to tensorboard none --include_for_metrics [] []", "seed", 42),
        ("--optim stable_adamw --group_by_length", "optim", "stable_adamw"),
        ("--trust_remote_code False --use_fast_tokenizer True", "seed", 42),
        ("--report_to tensorboard --torch_dtype auto --do_predict False", "seed", 42),
    ],
)
def test_flags_that_have_a_meaning(flags: str, name: str, value: Any) -> None:
    assert getattr(settings(f"{README} {flags}"), name) == value


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--do_train False", "tfmlm evaluate"),
        ("--trust_remote_code True", "never run"),
        ("--trust_remote_code", "never run"),
        ("--use_fast_tokenizer false", "--tokenizer_name"),
        ("--torch_dtype bfloat16", "--mixed_precision bf16"),
        ("--optim lion_32bit", "choose from adamw, stable_adamw"),
        ("--report_to tensorboard wandb", "output_dir/logs"),
        ("--include_for_metrics inputs loss", "--include_for_metrics is not available"),
        ("--fsdp full_shard", "--fsdp is not available here: use --strategy"),
        ("--logging_steps 0.1", "logging_steps is 0.1; give a number of steps"),
        ("--do_eval False", "--validation_split_percentage 0"),
        ("--metric_for_best_model accuracy", "lowest held-out loss"),
        ("--deepspeed ds.json", "--strategy"),
        ("--label_smoothing_factor 0.1", "cross-entropy"),
        ("--fp16 --mixed_precision bf16", "mixed_precision is 'bf16'"),
        ("--fp16 --bf16", "mixed_precision is 'fp16'"),
        ("--eval_strategy sometimes", "no, steps, epoch"),
        ("--eval_strategy epoch --eval_steps 5", "eval_steps needs eval_strategy steps"),
        ("--config_name other", "leave model_name_or_path or config_name out"),
    ],
)
def test_what_cannot_be_honoured_is_refused(flags: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        settings(f"{README} {flags}")
    assert said in str(error.value) and "\n" not in str(error.value)


def test_what_has_no_meaning_is_said_in_a_line_each() -> None:
    values: dict[str, Any] = {"run_name": "a", "fp16_opt_level": "O1", "seed": "3"}
    outcome = take_run_mlm_flags(values)
    assert values == {"seed": "3"}
    assert [line.split(" is ignored: ")[0] for line in outcome.note.splitlines()] == [
        "--run_name",
        "--fp16_opt_level",
    ]


def test_environment_of_the_process() -> None:
    outcome = take_run_mlm_flags({"use_cpu": True, "hub_token": "hf_x"})
    assert outcome.environment == {"CUDA_VISIBLE_DEVICES": "", "HF_TOKEN": "hf_x"}
    assert take_run_mlm_flags({"use_auth_token": "True"}).environment == {}


def test_every_flag_of_transformers_trainer_is_known() -> None:
    """transformers' own TrainingArguments are the list; nothing of it is an unknown flag here."""
    own = set(TrainConfig.__dataclass_fields__)
    foreign = {name.replace("-", "_") for flag in FOREIGN for name in flag.names}
    flags = {f.name for f in dataclasses.fields(TrainingArguments) if f.init}
    assert flags - own - foreign == {"debug"}  # the command has one of its own
    assert not own & foreign


def test_the_documentation_has_the_table() -> None:
    text = DOCS.read_text(encoding="utf-8")
    between = re.search(
        r"<!-- table of run_mlm.py: begin -->\n(.*)\n<!-- table of run_mlm.py: end -->", text, re.S
    )
    assert between and between[1] == documentation_table()


def test_such_a_command_line_trains(
    tmp_path: Path, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    corpus = small.write_corpus(tmp_path / "corpus.txt")
    checkpoint = tmp_path / "checkpoint"
    small.tokenizer().save_pretrained(checkpoint)
    small.model().config.save_pretrained(checkpoint)
    line = f"""--config_name {checkpoint} --tokenizer_name {checkpoint} --train_file {corpus}
        --do_train --do_eval --max_steps 4 --max_seq_length 32 --eval_strategy no
        --save_strategy epoch --save_total_limit 1 --report_to none --use_cpu --run_name x
        --logging_steps 1 --overwrite_output_dir --optim adamw_torch --output_dir {tmp_path}/out"""
    assert main(["train", *line.split()]) == 0
    said = capfd.readouterr().err
    assert "--run_name is ignored" in said and "--report_to none" in said
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert results["train_steps"] == 4 and "eval_loss" in results
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    wanted = json.loads((checkpoint / "config.json").read_text())
    assert config["hidden_size"] == wanted["hidden_size"]
