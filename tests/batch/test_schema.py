"""Rows become Arrow columns and come back as they were."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from tfmlm.batch.runner import SIGNATURES, FilledRow, ScoredRow
from tfmlm.batch.schema import result_schema, result_table


def item(token: int, score: float) -> dict:
    return {"token": token, "token_str": f"w{token}", "score": float(np.float32(score))}


FILLED = [
    FilledRow("ok", [[item(3, 0.7), item(1, 0.1)], []], "a w3 b", 2, [True, False]),
    FilledRow("null"),
    FilledRow("no_mask", filled="plain", target_exact=[]),
]
SCORED = [
    ScoredRow("ok", [item(5, -0.25), item(6, -8.5)], float(np.float32(-8.75)), 2),
    ScoredRow("empty"),
]


@pytest.mark.parametrize("prefix", ["", "mlm_"])
@pytest.mark.parametrize(
    ("signature", "targets", "rows"),
    [
        ("fill_mask", True, FILLED),
        ("fill_mask", False, [dataclasses.replace(r, target_exact=None) for r in FILLED]),
        ("score_text", False, SCORED),
    ],
)
def test_tables_hold_the_rows(signature: str, targets: bool, rows: list, prefix: str) -> None:
    schema = result_schema(signature, targets, prefix)
    table = result_table(rows, schema, prefix)
    assert table.schema == schema
    assert all(name.startswith(prefix) for name in schema.names)
    found = [
        {name.removeprefix(prefix): value for name, value in row.items()}
        for row in table.to_pylist()
    ]
    expected = [dataclasses.asdict(row) for row in rows]
    if signature == "fill_mask" and not targets:
        for row in expected:
            row.pop("target_exact")
    assert found == expected
    assert result_table([], schema, prefix).num_rows == 0


@pytest.mark.parametrize("signature", SIGNATURES)
def test_columns_are_the_fields_of_the_rows(signature: str) -> None:
    kind = ScoredRow if signature == "score_text" else FilledRow
    schema = result_schema(signature, targets=kind is FilledRow)
    assert set(schema.names) == {field.name for field in dataclasses.fields(kind)}
    assert schema.field("status").type == pa.string()
