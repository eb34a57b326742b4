"""An export on Apache Spark: columns by pandas UDFs, the export loaded once a Python worker.

```python
filled = frame.withColumn("mlm", fill_mask_udf("s3://bucket/my_export", top_k=3)("text"))
filled.select("id", "mlm.filled", "mlm.status")
```
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    FloatType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)

from tfmlm.batch.runner import BatchFiller

ITEM = StructType(
    [
        StructField("token", IntegerType()),
        StructField("token_str", StringType()),
        StructField("score", FloatType()),
    ]
)
FILL_SCHEMA = StructType(
    [
        StructField("fills", ArrayType(ArrayType(ITEM))),
        StructField("filled", StringType()),
        StructField("mask_count", IntegerType()),
        StructField("status", StringType()),
    ]
)
SCORE_SCHEMA = StructType(
    [
        StructField("tokens", ArrayType(ITEM)),
        StructField("pseudo_log_likelihood", FloatType()),
        StructField("token_count", IntegerType()),
        StructField("status", StringType()),
    ]
)


def fill_mask_udf(
    export_dir: str,
    top_k: int | None = None,
    *,
    targets: str | Sequence[str] | None = None,
    max_tokens: int | None = None,
    threads: int = 1,
) -> Callable[..., Any]:
    """A column of texts -> a struct column of `fills`, `filled`, `mask_count`, `status`.

    Args:
        export_dir: a folder that every executor sees, or a URL (`s3://…`, `gs://…`): the path
            travels, not the weights.
        top_k: words for each mask, 5 by default; with targets, the best so many of them.
        targets: score these words alone; the struct gets the field `target_exact`.
        max_tokens: tokens of one run of the model.
        threads: TensorFlow's threads in each Python worker; Spark runs one a core.
    """
    schema = FILL_SCHEMA
    if targets is not None:
        schema = StructType([*schema.fields, StructField("target_exact", ArrayType(BooleanType()))])
        targets = [targets] if isinstance(targets, str) else list(targets)
    settings = {"top_k": top_k, "targets": targets}
    return _udf(export_dir, schema, {**settings, "max_tokens": max_tokens, "threads": threads})


def score_udf(
    export_dir: str, *, max_tokens: int | None = None, threads: int = 1
) -> Callable[..., Any]:
    """A column of texts -> a struct of `tokens`, `pseudo_log_likelihood`, `token_count`, `status`.

    The arguments are those of `fill_mask_udf`.
    """
    settings = {"signature": "score_text", "max_tokens": max_tokens, "threads": threads}
    return _udf(export_dir, SCORE_SCHEMA, settings)


def _udf(export_dir: str, schema: StructType, settings: dict[str, Any]) -> Callable[..., Any]:
    path, given = str(export_dir), json.dumps(settings)
    names = schema.fieldNames()

    def run(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        filler = _filler(path, given)
        for texts in batches:
            rows = list(filler(texts))
            yield pd.DataFrame(
                {name: pd.Series([getattr(r, name) for r in rows], dtype=object) for name in names}
            )

    return pandas_udf(run, schema)


@functools.cache
def _filler(path: str, settings: str) -> BatchFiller:
    """One a Python worker, which Spark keeps for many tasks."""
    return BatchFiller(path, **json.loads(settings))
