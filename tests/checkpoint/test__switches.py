"""Random configs of all families against PyTorch: equal logits both ways, or a refusal by name.

36 configs; with --long 220.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checkpoint.random_configs import random_config
from tests.missing import missing
from tests.small_models import small_config
from tfmlm.checkpoint._switches import require_obeyed
from tfmlm.checkpoint.load import load_model
from tfmlm.checkpoint.save import save_model
from tfmlm.errors import UserError

TORCH_PYTHON = os.environ.get("TFMLM_TORCH_PYTHON")
SCRIPT = Path(__file__).with_name("pytorch_random.py")
TOLERANCE = 2e-5
#: Settings by which a config may be refused, and what they are in a config that is not.
REFUSED: dict[str, Any] = {
    "pruned_heads": {},
    "is_decoder": False,
    "add_cross_attention": False,
    "position_embedding_type": "absolute",
    "causal": False,
    "asm": False,
    "is_encoder": True,
    "sinusoidal_embeddings": False,
    "talking_head": False,
    "embedding_size": 32,
    "head_ratio": 2,
    "conv_groups": 1,
}


def seeds(config: pytest.Config) -> range:
    return range(220 if config.getoption("--long") else 36)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds(metafunc.config), ids=name_of)


def name_of(seed: int) -> str:
    return f"{seed}-{random_config(seed)[0]}"


def run(*arguments: Any) -> dict[str, Any]:
    if not TORCH_PYTHON:
        missing("TFMLM_TORCH_PYTHON names no Python with torch and transformers")
    done = subprocess.run(
        [TORCH_PYTHON, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


class Compared:
    """Checkpoints that PyTorch wrote, and what became of them here."""

    def __init__(self, root: Path, seeds: range) -> None:
        self.root, self.seeds = root, seeds
        specs = [[name_of(seed), *random_config(seed)] for seed in seeds]
        (root / "specs.json").write_text(json.dumps(specs))
        self.failed = run("make", root / "specs.json", root)
        self.saved: list[str] = []


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Compared:
    return Compared(tmp_path_factory.mktemp("random"), seeds(request.config))


def inputs(folder: Path) -> dict[str, np.ndarray]:
    return {name: value.astype(np.int32) for name, value in np.load(folder / "inputs.npz").items()}


def assert_close(found: np.ndarray, folder: Path) -> None:
    expected, real = np.load(folder / "logits.npy"), inputs(folder)["attention_mask"] == 1
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found[real] / scale, expected[real] / scale, atol=TOLERANCE)


def test_logits_are_pytorchs_or_a_setting_is_named(seed: int, compared: Compared) -> None:
    name, settings = name_of(seed), random_config(seed)[1]
    if name in compared.failed:
        return  # PyTorch itself cannot; how many is asserted below
    folder = compared.root / name
    try:
        model = load_model(folder)
    except UserError as error:
        found = re.search(r"config.json of the [\w-]+ has (\w+) ", str(error))
        assert found, error
        assert settings[found[1]] != REFUSED[found[1]]
        return
    logits = model(inputs(folder), training=False, return_dict=True).logits.numpy()
    assert_close(logits, folder)
    save_model(model, folder / "saved")
    compared.saved.append(name)


def test_pytorch_reads_what_was_saved(compared: Compared) -> None:
    if compared.saved:  # none if pytest was asked for this test alone
        assert run("read", compared.root, *compared.saved) == {}
        for name in compared.saved:
            assert_close(np.load(compared.root / name / "again.npy"), compared.root / name)
        assert len(compared.saved) > len(compared.seeds) / 2
        assert len(compared.failed) < len(compared.seeds) / 5, compared.failed


@pytest.mark.parametrize(
    ("architecture", "setting"),
    [
        ("bert", {"pruned_heads": {0: [1]}}),
        ("electra", {"is_decoder": True}),
        ("roberta", {"position_embedding_type": "relative_key"}),
        ("xlm", {"causal": True}),
        ("deberta", {"talking_head": True}),
        ("deberta-v2", {"embedding_size": 16}),
        ("convbert", {"head_ratio": 1}),
        ("esm", {"rope_theta": 500.0}),
    ],
)
def test_what_cannot_be_obeyed_is_refused(architecture: str, setting: dict[str, Any]) -> None:
    require_obeyed(small_config(architecture))
    (name,) = setting
    with pytest.raises(UserError, match=f"config.json of the {architecture} has {name} "):
        require_obeyed(small_config(architecture, **setting))
