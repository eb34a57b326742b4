"""Tokenizers that transformers 5 saved give the ids that they gave there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.checkpoint.test_frame import made
from tests.missing import missing
from tests.tokenizer_graph.trained import bert_uncased, roberta
from tfmlm.checkpoint.frame import skipped_ids
from tfmlm.checkpoint.load import load_tokenizer
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
