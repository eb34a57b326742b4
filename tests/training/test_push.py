"""`tfmlm train --push_to_hub`: what a run leaves is on the Hub, or the exit code says not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.hub.conftest import hub  # noqa: F401
from tests.hub.small import TOKEN

SETTINGS = """
    --model_type bert --train_tokenizer wordpiece --vocab_size 120 --max_seq_length 16
    --config_overrides hidden_size=16,num_hidden_layers=1,num_attention_heads=2,intermediate_size=32
    --num_train_epochs 2 --validation_split_percentage 20 --output_dir out
    --push_to_hub --hub_model_id ada/model --hub_timeout 20
"""


def train(tmp_path, *further, **environment):
    text = "\n".join(f"the cat number {n} sat on mat {n % 7} and saw a dog" for n in range(60))
    (tmp_path / "corpus.txt").write_text(text)
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "tfmlm",
            "train",
            "--train_file",
            "corpus.txt",
            *SETTINGS.split(),
            *further,
        ],
        cwd=tmp_path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_what_the_run_leaves_is_on_the_hub(hub, tmp_path, out):  # noqa: F811
    done = train(tmp_path, "--hub_private_repo")
    assert done.returncode == 0, done.stderr
    assert f"Pushed: {hub.url}/ada/model" in done.stderr
    files = hub.content("ada/model")
    del files[".gitattributes"]
    for name, content in files.items():
        assert (out / name).read_bytes() == content, name
    assert set(files) >= {
        "README.md",
        "all_results.json",
        "config.json",
        "eval_results.json",
        "model.safetensors",
        "tokenizer.json",
        "train_results.json",
        "training.png",
    }
    assert not any(name.startswith(("checkpoints/", "logs/", ".")) for name in files)
    assert hub.repositories["ada/model"].private
    card = files["README.md"].decode()
    assert "trained from scratch" in card and "](training.png)" in card and "| 2 |" in card
    assert TOKEN not in done.stdout + done.stderr


def test_a_hub_that_refuses_is_exit_code_3_and_the_run_is_whole(hub, tmp_path, out):  # noqa: F811
    hub.fault("commit", "status", times=1000, status=403, message="storage is full")
    done = train(tmp_path)
    assert done.returncode == 3
    assert "perplexity" in done.stdout and (out / "all_results.json").exists()
    line = done.stderr.splitlines()[-1]
    assert "not delivered to ada/model" in line and "storage is full" in line
    assert line.endswith("tfmlm push out --hub_model_id ada/model")


def test_a_bad_token_is_found_before_anything_is_trained(hub, tmp_path, out):  # noqa: F811
    done = train(tmp_path, HF_TOKEN="hf_nobodysToken0123456789")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "refuses the token" in done.stderr
    assert not out.exists()
