"""The scripts for Beam and Spark, each in the environment of its engine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

import tfmlm
from tests.missing import missing, need
from tests.small_run import paragraphs, roberta_export

ROOT = Path(__file__).parents[2]
TEXTS = [p.replace(" the ", " <mask> ", 1) for p in paragraphs(40) if " the " in p][:12]


def run(variable: str, script: str, *arguments: object) -> str:
    python = os.environ.get(variable)
    if not python:
        missing(f"{variable} names no interpreter")
    environment = {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": python, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(
        [python, ROOT / "examples" / script, str(roberta_export()), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def expected() -> dict[str, str]:
    rows = tfmlm.BatchFiller(roberta_export(), top_k=2)(TEXTS)
    return {text: row.filled for text, row in zip(TEXTS, rows, strict=True)}


def test_beam(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    flags = ["--input", tmp_path / "*.txt", "--output", tmp_path / "out", "--top_k", 2]
    run("TFMLM_BEAM_PYTHON", "beam_fill.py", *flags, "--direct_running_mode=in_memory")
    lines = [
        json.loads(line)
        for path in tmp_path.glob("out*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert {line["text"]: line["filled"] for line in lines} == expected()
    assert all(len(line["fills"][0]) == 2 for line in lines)


def test_spark(tmp_path: Path) -> None:
    need("java", install="apt-get install openjdk-17-jre-headless")
    (tmp_path / "in").mkdir()
    pyarrow.parquet.write_table(pa.table({"text": TEXTS}), tmp_path / "in" / "a.parquet")
    flags = ["--input", tmp_path / "in", "--output", tmp_path / "out", "--top_k", 2]
    printed = run("TFMLM_SPARK_PYTHON", "spark_fill.py", *flags, "--master", "local[2]")
    assert printed.split() == ["12", "ok"]
    rows = pyarrow.parquet.read_table(tmp_path / "out").to_pylist()
    assert {row["text"]: row["filled"] for row in rows} == expected()
