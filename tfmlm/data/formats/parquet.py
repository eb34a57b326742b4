"""parquet: the texts of a column of strings, or of bytes that are UTF-8."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from tfmlm.data.columns import choose_text_column, read_column, top_column
from tfmlm.data.formats.opened import streams
from tfmlm.data.formats.reading import Reading

_ROWS = 1000


def read_parquet(path: Path, column: str | None, reading: Reading) -> Iterator[str]:
    """The texts of a column; strings in lists are joined by a space.

    Bytes that are not UTF-8 are left out, and `reading` says so.

    Raises:
        UserError: no such column.
    """
    import pyarrow.parquet as pq

    for stream in streams(path):
        file = pq.ParquetFile(stream if stream.seekable() else io.BytesIO(stream.read()))
        schema = file.schema_arrow
        chosen = choose_text_column(schema, column, str(path))
        reading.add_column(chosen)
        first = 1
        for batch in file.iter_batches(_ROWS, columns=[top_column(schema, chosen)]):
            yield from read_column(batch, chosen, reading, first)
            first += batch.num_rows
