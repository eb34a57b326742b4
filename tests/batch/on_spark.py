"""Run by tests/batch/test_spark.py with an interpreter that has PySpark: parquet to parquet."""

from __future__ import annotations

import json
import sys

from pyspark.sql import SparkSession, functions

from tfmlm.batch.spark import fill_mask_udf, score_udf


def main(export: str, source: str, output: str, master: str, settings: str) -> None:
    session = (
        SparkSession.builder.master(master)
        .config("spark.ui.enabled", "false")
        .config("spark.executor.memory", "1g")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    frame = session.read.parquet(source)
    frame = frame.withColumn("mlm", fill_mask_udf(export, **json.loads(settings))("text"))
    frame = frame.withColumn("scored", score_udf(export)(functions.substring("text", 1, 200)))
    frame.write.parquet(output)
    session.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
