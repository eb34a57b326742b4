"""`fill_mask_udf` and `score_udf` in a session of two executors, on parquet files."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet
import pytest

import tfmlm
from tests.batch.engines import assert_filled, python_of, run, write_shards
from tests.export.exported import loaded_bert
from tests.missing import need

EXECUTORS = "local-cluster[2,1,1024]"


def test_rows_are_the_runners(tmp_path: Path) -> None:
    python = python_of("TFMLM_SPARK_PYTHON", "pip install 'tfmlm[spark]'")
    need("java", install="apt-get install openjdk-17-jre-headless")
    texts = write_shards(tmp_path / "in")
    settings = {"targets": ["dog", "ing"], "top_k": 1}
    arguments = [tmp_path / "in", tmp_path / "out", EXECUTORS, json.dumps(settings)]
    run(python, "on_spark.py", *arguments, PYSPARK_PYTHON=python, SPARK_LOCAL_IP="127.0.0.1")
    rows = {row["id"]: row for row in pyarrow.parquet.read_table(tmp_path / "out").to_pylist()}
    assert {own: row["text"] for own, row in rows.items()} == texts
    assert_filled({own: row["mlm"] for own, row in rows.items()}, texts, **settings)
    assert rows[0]["mlm"]["target_exact"] == [True, True]
    filler = tfmlm.BatchFiller(loaded_bert(), signature="score_text")
    scored = filler(text if text is None else text[:200] for text in texts.values())
    for own, row in zip(texts, scored, strict=True):
        found = rows[own]["scored"]
        assert (found["status"], found["token_count"]) == (row.status, row.token_count)
        if row.pseudo_log_likelihood is None:  # a missing text
            assert found["pseudo_log_likelihood"] is None
        else:
            expected = pytest.approx(row.pseudo_log_likelihood, rel=1e-4)
            assert found["pseudo_log_likelihood"] == expected
        assert [t["token"] for t in found["tokens"]] == [t["token"] for t in row.tokens]
