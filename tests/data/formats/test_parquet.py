"""parquet with every type that Arrow has for strings."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.formats.reader import read
from tfmlm.errors import UserError

TEXTS = ["one", "zwei ü", "", None, "три"]
TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.large_binary(),
    pa.dictionary(pa.int32(), pa.string()),
]


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("column", ["text", "body"])
def test_types_of_strings(tmp_path: Path, kind, column) -> None:
    plain = pa.array(TEXTS, pa.string())
    values = plain.dictionary_encode() if pa.types.is_dictionary(kind) else plain.cast(kind)
    pq.write_table(pa.table({"id": pa.array(range(5)), column: values}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")[0] == ["one", "zwei ü", "три"]
    assert read(tmp_path / "a.parquet", column)[0] == ["one", "zwei ü", "три"]


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    values = [b"good"] * 1500 + [b"\xff\xfe", b"end"]
    pq.write_table(pa.table({"text": pa.array(values, pa.binary())}), tmp_path / "a.parquet")
    texts, reading = read(tmp_path / "a.parquet")
    assert texts == ["good"] * 1500 + ["end"]
    assert reading.sentence("a").endswith("1 row left out (row 1501: bytes that are not UTF-8)")


def test_lists_of_views_and_numbers(tmp_path: Path) -> None:
    table = pa.table({"n": pa.array([1, 2]), "turns": pa.array([["a", "b"], ["c"]])})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", "turns")[0] == ["a b", "c"]
    with pytest.raises(UserError, match="column n of .* holds no text"):
        read(tmp_path / "a.parquet", "n")
