"""Results of rows as Arrow columns."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from tfmlm.batch.runner import Row

#: One word or token: its id, its text, and its probability (`fill_mask`) or the natural log of it.
ITEM = pa.struct(
    [
        pa.field("token", pa.int32()),
        pa.field("token_str", pa.string()),
        pa.field("score", pa.float32()),
    ]
)
FILL_FIELDS = (
    pa.field("fills", pa.list_(pa.list_(ITEM))),
    pa.field("filled", pa.string()),
    pa.field("mask_count", pa.int32()),
    pa.field("status", pa.string()),
)
#: Last of the columns where targets are given.
EXACT_FIELD = pa.field("target_exact", pa.list_(pa.bool_()))
SCORE_FIELDS = (
    pa.field("tokens", pa.list_(ITEM)),
    pa.field("pseudo_log_likelihood", pa.float32()),
    pa.field("token_count", pa.int32()),
    pa.field("status", pa.string()),
)


def result_schema(signature: str, targets: bool = False, prefix: str = "") -> pa.Schema:
    """The columns that a signature adds, each named with the prefix."""
    fields = [*SCORE_FIELDS] if signature == "score_text" else [*FILL_FIELDS]
    if targets:
        fields.append(EXACT_FIELD)
    return pa.schema([field.with_name(prefix + field.name) for field in fields])


def result_table(rows: Sequence[Row], schema: pa.Schema, prefix: str = "") -> pa.Table:
    """Results of rows in the columns of `result_schema`."""
    arrays = []
    for field in schema:
        name = field.name[len(prefix) :]
        arrays.append(pa.array([getattr(row, name) for row in rows], field.type))
    return pa.table(arrays, schema=schema)
