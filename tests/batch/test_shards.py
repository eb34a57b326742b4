"""Which files paths and globs name, and their rows part by part."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from tests.batch.test_files import write
from tfmlm.batch import shards
from tfmlm.batch.shards import MissingColumnError, ShardError, find_shards, read_shard

ROWS = [{"n": number, "text": f"row {number}"} for number in range(40)]


def test_names_that_globs_leave_out(tmp_path: Path) -> None:
    for name in ("x/a.parquet", "y/a.parquet", "_z/a.parquet", "x/_b.parquet", "x/.c.parquet"):
        write(tmp_path / name, [])
    found = shards.find_shards([f"{tmp_path}/*/*.parquet"])
    assert [shard.name for shard in found] == ["x/a.parquet", "y/a.parquet"]
    assert [s.name for s in shards.find_shards([f"{tmp_path}/**/a.parquet"])] == [
        "x/a.parquet",
        "y/a.parquet",
    ]
    assert [s.name for s in shards.find_shards([str(tmp_path)])] == ["x/a.parquet", "y/a.parquet"]
    assert [s.name for s in shards.find_shards([f"{tmp_path}/x/_b.parquet"])] == ["_b.parquet"]
    assert [s.name for s in shards.find_shards([f"{tmp_path}/[xy]/a.parq*"])] == [
        "x/a.parquet",
        "y/a.parquet",
    ]


def stored(folder: Path, suffix: str) -> Path:
    """The rows in a file of a format; parquet in groups that no part is a multiple of."""
    path = folder / f"rows{suffix}"
    table = pa.Table.from_pylist(ROWS)
    if suffix == ".parquet":
        pyarrow.parquet.write_table(table, path, row_group_size=5)
    elif suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


@pytest.mark.parametrize("part", [7, 16, 40, 100])
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_parts_are_all_rows_in_order(
    suffix: str, part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "PART_ROWS", part)
    path = stored(tmp_path, suffix)
    (shard,) = find_shards([str(path)])
    assert (shard.name, shard.size) == ("rows.parquet", path.stat().st_size)
    contents = read_shard(shard, "text")
    parts = list(contents.parts())
    whole, rest = divmod(len(ROWS), part)
    assert [p.table.num_rows for p in parts] == [part] * whole + [rest] * (rest > 0)
    assert contents.rows == len(ROWS)
    found = pa.concat_tables([p.table for p in parts])
    assert found.schema == contents.schema
    expected = [{**row, "n": str(row["n"])} for row in ROWS] if suffix == ".csv" else ROWS
    assert found.to_pylist() == expected
    texts = (
        [text for p in parts for text in pa.array(p.texts).to_pylist()]
        if (suffix == ".jsonl")
        else [text for p in parts for text in p.texts.to_pylist()]
    )
    assert texts == [row["text"] for row in ROWS]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_file_without_the_column_or_half_of_it_is_named(suffix: str, tmp_path: Path) -> None:
    path = stored(tmp_path, suffix)
    (shard,) = find_shards([str(path)])
    with pytest.raises(MissingColumnError, match=rf"rows{suffix} has no column txt.*: n, text"):
        read_shard(shard, "txt")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2].rpartition(b"\n")[0] + b"\n1,2,3\n")
    with pytest.raises(ShardError, match=f"cannot read .*rows{suffix}"):
        list(read_shard(shard, "text").parts())
