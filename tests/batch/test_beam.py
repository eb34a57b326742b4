"""`FillMask` on Beam's direct runner, and on its portable one with two worker processes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import tfmlm
from tests.batch.engines import assert_filled, python_of, run, write_shards
from tests.export.exported import loaded_bert

MODES = {
    "direct": ["--direct_running_mode=in_memory"],
    "portable": ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
}


@pytest.mark.parametrize("mode", MODES)
def test_rows_are_the_runners(mode: str, tmp_path: Path) -> None:
    python = python_of("TFMLM_BEAM_PYTHON", "pip install 'tfmlm[beam]'")
    settings = {"top_k": 3} if mode == "direct" else {"targets": ["dog", "ing"]}
    texts = write_shards(tmp_path / "in")
    arguments = [tmp_path / "in" / "*.parquet", tmp_path / "out" / "rows", json.dumps(settings)]
    printed = run(python, "on_beam.py", *arguments, *MODES[mode])
    lines = [
        json.loads(line)
        for path in (tmp_path / "out").glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert_filled({line["id"]: line for line in lines}, texts, **settings)
    assert all(line["example"] == texts[line["id"]] for line in lines)
    counts = json.loads(printed.splitlines()[-1])
    rows = tfmlm.BatchFiller(loaded_bert(), **settings)(texts.values())
    statuses = Counter(f"status_{row.status}" for row in rows)
    assert {k: v for k, v in counts.items() if k.startswith("status_")} == statuses
    assert counts["num_inferences"] == len(texts)
