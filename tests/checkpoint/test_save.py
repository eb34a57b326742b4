"""`model.safetensors`: PyTorch's classes and TensorFlow's read the same logits from it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from transformers import TFAutoModelForMaskedLM

from tests.missing import missing
from tests.small_models import ARCHITECTURES, small_model
from tfmlm.checkpoint.save import save_model, tie_decoder

TORCH_PYTHON = os.environ.get("TFMLM_TORCH_PYTHON")
SCRIPT = Path(__file__).with_name("pytorch_logits.py")
TOLERANCE = 2e-5


def _inputs() -> dict[str, np.ndarray]:
    ids = np.random.default_rng(3).integers(6, 99, (2, 16))
    mask = np.ones_like(ids)
    mask[1, 11:] = 0
    ids[1, 11:] = 1
    return {"input_ids": ids, "attention_mask": mask}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, np.ndarray]]:
    """By architecture: a folder and the logits of the model that was saved in it."""
    root = tmp_path_factory.mktemp("models")
    result = {}
    for architecture in ARCHITECTURES:
        model = small_model(architecture)
        save_model(model, root / architecture)
        result[architecture] = (
            root / architecture,
            model(_inputs(), training=False).logits.numpy(),
        )
    return result


def test_folder_holds_config_and_pytorch_layout_only(saved: dict) -> None:
    folder, _ = saved["bert"]
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]
    with safe_open(folder / "model.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}
        assert file.get_slice("bert.encoder.layer.0.intermediate.dense.weight").get_shape() == [
            64,
            32,
        ]
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["BertForMaskedLM"]
    assert config["model_type"] == "bert"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_tensorflow_reads_it_back(architecture: str, saved: dict) -> None:
    folder, logits = saved[architecture]
    model, info = TFAutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    again = model(_inputs(), training=False).logits.numpy()
    np.testing.assert_allclose(again, logits, atol=1e-6)
    assert not info["missing_keys"], info["missing_keys"]


@pytest.fixture(scope="module")
def pytorch(saved: dict, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    """Logits by architecture from PyTorch in another process, and what it complained of."""
    if not TORCH_PYTHON:
        missing("TFMLM_TORCH_PYTHON names no Python with torch and transformers")
    root = tmp_path_factory.mktemp("torch")
    np.savez(root / "in.npz", **_inputs())
    done = subprocess.run(
        [
            TORCH_PYTHON,
            str(SCRIPT),
            str(root / "in.npz"),
            str(root / "out.npz"),
            *(str(folder) for folder, _ in saved.values()),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(root / "out.npz")), json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pytorch_computes_the_same_logits(architecture: str, saved: dict, pytorch: tuple) -> None:
    logits, problems = pytorch
    # TFMPNetForMaskedLM has a pooler that PyTorch's class leaves out; nothing uses it.
    assert not [p for p in problems[architecture] if "mpnet.pooler" not in p]
    real = _inputs()["attention_mask"] == 1  # at padding the two compute different nonsense
    received, expected = logits[architecture][real], saved[architecture][1][real]
    np.testing.assert_allclose(received, expected, atol=TOLERANCE)


@pytest.mark.parametrize("architecture", ["esm", "mobilebert"])
def test_embeddings_are_tied_as_the_config_says(architecture: str, tmp_path: Path) -> None:
    model = small_model(architecture)
    before = len(model.trainable_weights)
    tie_decoder(model)
    assert len(model.trainable_weights) == before - 1
    expected = model(_inputs(), training=False).logits.numpy()
    save_model(model, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()).get("tie_word_embeddings", True)
    again = TFAutoModelForMaskedLM.from_pretrained(tmp_path)
    np.testing.assert_allclose(again(_inputs(), training=False).logits, expected, atol=1e-6)
