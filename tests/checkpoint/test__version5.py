"""Tokenizers that transformers 5 saved give the ids that they gave there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from tests.checkpoint.test_frame import made
from tests.missing import missing
from tests.small_models import small_config
from tests.tokenizer_graph.trained import bert_uncased, roberta
from tfmlm.checkpoint.frame import skipped_ids
from tfmlm.checkpoint.limits import position_limit, window_length
from tfmlm.checkpoint.load import load_model, load_tokenizer
from tfmlm.checkpoint.save import save_model
from tfmlm.tokenizer_graph import GraphTokenizer

SCRIPT = Path(__file__).with_name("version5_tokenizers.py")
TEXTS = ["北京<extra>城市[MASK]", "Hello <extra> world", "<mask> and <extra>", ""]
TOKENIZERS = {
    "plain": lambda: made("BPE", "two on each side"),
    "bert": bert_uncased,
    "roberta": roberta,
}


def test_folders_of_transformers_5(tmp_path: Path) -> None:
    python = os.environ.get("TFMLM_TORCH5_PYTHON")
    if not python:
        missing("TFMLM_TORCH5_PYTHON names no Python with torch and transformers 5")
    for name, tokenizer in TOKENIZERS.items():
        tokenizer().save_pretrained(tmp_path / name)
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS))
    done = subprocess.run(
        [python, str(SCRIPT), str(tmp_path), *TOKENIZERS], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    expected = json.loads(done.stdout.splitlines()[-1])
    config = json.loads((tmp_path / "plain-5" / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "TokenizersBackend"
    assert config["extra_special_tokens"] == ["<extra>"]
    for name in TOKENIZERS:
        fast = load_tokenizer(tmp_path / f"{name}-5")
        assert fast.is_fast
        assert fast(TEXTS)["input_ids"] == expected[name]
        assert fast.convert_tokens_to_ids("<extra>") in skipped_ids(fast)
        assert fast.mask_token_id == TOKENIZERS[name]().mask_token_id
    graph = GraphTokenizer.from_pretrained(str(tmp_path / "plain-5"))
    assert graph.tokenize(TEXTS).to_list() == expected["plain"]


def settings(name: str, size: int) -> dict[str, Any]:
    """Of a small model; of ESM with positions of both kinds."""
    family = name.split(".")[0]
    wanted = {"pad_token_id": 0} if family == "esm" else {}
    if name == "esm.absolute":
        wanted["position_embedding_type"] = "absolute"
    config = small_config(family, size, **wanted).to_dict()
    kept = {k: v for k, v in config.items() if v is not None and "torch_dtype" not in k}
    return {k: v for k, v in kept.items() if k not in ("transformers_version", "architectures")}


def test_models_of_transformers_5(tmp_path: Path) -> None:
    python = os.environ.get("TFMLM_TORCH5_PYTHON")
    if not python:
        missing("TFMLM_TORCH5_PYTHON names no Python with torch and transformers 5")
    tokenizer = made("BPE", "two on each side")
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    (tmp_path / "text.txt").write_text("北京[MASK]城市", encoding="utf-8")
    files = []
    for name in ("bert", "esm", "esm.absolute", "xlm", "flaubert", "modernbert"):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(settings(name, len(tokenizer))))
    done = subprocess.run(
        [python, str(SCRIPT.with_name("version5_models.py")), str(tmp_path), "tokenizer", *files],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name, expected in json.loads(done.stdout.splitlines()[-1]).items():
        for folder in (tmp_path / name, tmp_path / f"{name}-again"):
            model, fast = load_model(folder), load_tokenizer(folder)
            inputs = fast("北京[MASK]城市", return_tensors="tf")
            assert {k: v.numpy().tolist() for k, v in inputs.items()} == expected["inputs"], name
            np.testing.assert_allclose(
                model(**inputs).logits, expected["logits"], atol=1e-5, err_msg=name
            )
            if folder.name == name:
                save_model(model, tmp_path / f"{name}-again")
                fast.save_pretrained(tmp_path / f"{name}-again")
        if name.startswith("esm"):
            assert position_limit(model.config) == (63 if name == "esm.absolute" else None)
            assert window_length(model.config, fast, 60, 4) == 60
