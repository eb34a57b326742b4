"""`model.safetensors`: PyTorch's classes and TensorFlow's read the same logits from it."""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from transformers import TFAutoModelForMaskedLM

from tests.architectures.reference import python_with
from tests.small_models import ARCHITECTURES, small_model
from tfmlm.checkpoint.save import save_model

#: Versions of transformers that have the architecture for PyTorch; all others: 4.
VERSIONS = {"eurobert": (5,), "modernbert": (4, 5)}
READ = [(a, version) for a in ARCHITECTURES for version in VERSIONS.get(a, (4,))]
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
def pytorch(saved: dict, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], tuple]:
    """Logits by architecture from PyTorch in another process, and what it complained of; takes
    the version of transformers."""

    @functools.cache
    def run(version: int) -> tuple[dict, dict]:
        root = tmp_path_factory.mktemp("torch")
        np.savez(root / "in.npz", **_inputs())
        folders = [str(saved[a][0]) for a, v in READ if v == version]
        files = [str(root / "in.npz"), str(root / "out.npz")]
        done = subprocess.run(
            [python_with(transformers=version), str(SCRIPT), *files, *folders],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return dict(np.load(root / "out.npz")), json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize(("architecture", "version"), READ)
def test_pytorch_computes_the_same_logits(
    architecture: str, version: int, saved: dict, pytorch: Callable[[int], tuple]
) -> None:
    logits, problems = pytorch(version)
    # TFMPNetForMaskedLM has a pooler that PyTorch's class leaves out; nothing uses it.
    assert not [p for p in problems[architecture] if "mpnet.pooler" not in p]
    real = _inputs()["attention_mask"] == 1  # at padding the two compute different nonsense
    received, expected = logits[architecture][real], saved[architecture][1][real]
    np.testing.assert_allclose(received, expected, atol=TOLERANCE)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", ["albert", "bert", "esm", "mobilebert", "xlm"])
def test_embeddings_are_tied_as_the_config_says(
    architecture: str, tied: bool, tmp_path: Path
) -> None:
    model = small_model(architecture, tie_word_embeddings=tied)
    width = 16 if architecture in ("albert", "mobilebert") else 32
    shapes = [(99, width), (width, 99)] if architecture == "esm" else [(99, width)]
    matrices = [w for w in model.trainable_weights if tuple(w.shape) in shapes]
    assert len(matrices) == (1 if tied else 2)
    expected = model(_inputs(), training=False).logits.numpy()
    save_model(model, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()).get("tie_word_embeddings", True) == (
        tied
    )
    again = TFAutoModelForMaskedLM.from_pretrained(tmp_path)
    np.testing.assert_allclose(again(_inputs(), training=False).logits, expected, atol=1e-6)
    copy = type(model)(model.config)
    copy.build_in_name_scope()
    assert [w.shape for w in copy.variables] == [w.shape for w in model.variables]
