"""What the tests on Beam and Spark share: rows, the runner's answers, and a run elsewhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

import tfmlm
from tests.export.exported import bert, loaded_bert, masked_texts
from tests.missing import missing

ROOT = Path(__file__).parents[2]
LONG = "word " * 600 + "[MASK]"


def python_of(variable: str, install: str) -> str:
    """The interpreter of an engine's environment."""
    python = os.environ.get(variable)
    if not python:
        missing(f"{variable} names no interpreter ({install})")
    return python


def write_shards(folder: Path) -> dict[int, str | None]:
    """Two parquet files of ids and texts of every status; the texts by id."""
    rows: list[str | None] = list(masked_texts(34, "[MASK]", seed=7))
    rows += [None, "none", "", "x" * 70_000, LONG, "[MASK] and [MASK]"]
    folder.mkdir()
    for shard in range(2):
        own = list(range(shard, len(rows), 2))
        table = pa.table({"id": own, "text": [rows[i] for i in own]})
        pyarrow.parquet.write_table(table, folder / f"{shard}.parquet")
    return dict(enumerate(rows))


def run(python: str, script: str, *arguments: object, **environment: str) -> str:
    """Runs a script of this folder with another interpreter; what it printed."""
    done = subprocess.run(
        [python, ROOT / "tests" / "batch" / script, str(bert().path), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **environment},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def assert_filled(found: dict[int, dict], texts: dict[int, str | None], **settings) -> None:
    """Fails unless the rows, by id, are those of the runner in this process."""
    assert found.keys() == texts.keys()
    rows = tfmlm.BatchFiller(loaded_bert(), **settings)(texts.values())
    for own, row in zip(texts, rows, strict=True):
        other = found[own]
        names = ("status", "filled", "mask_count")
        assert [other[name] for name in names] == [getattr(row, name) for name in names]
        assert len(other["fills"]) == len(row.fills)
        for items, expected in zip(other["fills"], row.fills, strict=True):
            for name in ("token", "token_str"):
                assert [i[name] for i in items] == [i[name] for i in expected]
            scores = [i["score"] for i in expected]
            assert [i["score"] for i in items] == pytest.approx(scores, rel=1e-4)
