"""json and jsonl: rows are found in the shapes that such files have, texts in the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from tfmlm.data.formats.json_values import Number, json_lines, json_values
from tfmlm.data.formats.opened import format_suffix, is_unicode, streams
from tfmlm.data.formats.reading import Reading
from tfmlm.errors import UserError

#: Rows in which a column is looked for.
SAMPLE = 1000

#: Keys under which a document keeps its texts as a plain list.
_ROWS = ("data", "documents", "examples", "items", "rows", "sentences", "texts")

#: A row with its place in the file.
Placed = tuple[str, Any]


def read_json(path: Path, column: str | None, reading: Reading) -> Iterator[str]:
    """The texts of a column; strings in lists are joined by a space, numbers are as written.

    A text with a lone surrogate, which is no Unicode text, is left out, and `reading` says so.

    Raises:
        UserError: no JSON, no such column, or several that could be meant.
    """
    name = str(path)
    by_line = format_suffix(path) != ".json"
    for stream in streams(path):
        listed, values = (True, json_lines(stream, name)) if by_line else json_values(stream, name)
        sample = list(islice(values, SAMPLE))
        if not sample:
            continue
        rows, keys = _rows_and_keys(sample, values, listed, column, name)
        reading.add_column(".".join(keys) or "of strings")
        for place, row in rows:
            text = " ".join(_texts(row, keys))
            if is_unicode(text):
                yield text
            else:
                reading.leave_out(place, "a lone surrogate")


def _rows_and_keys(
    sample: list[Placed], rest: Iterator[Placed], listed: bool, column: str | None, name: str
) -> tuple[Iterable[Placed], tuple[str, ...]]:
    """The rows, and the keys under which each has its text."""
    head = [row for _, row in sample]
    if not listed and len(head) == 1 and isinstance(head[0], dict):
        tables = _tables(head[0])
        if tables:
            return _in_document(head[0], tables, column, name)
    return chain(sample, rest), _choose(head, column, name)


def _in_document(
    document: dict[str, Any], tables: dict[str, list[Any]], column: str | None, name: str
) -> tuple[Iterable[Placed], tuple[str, ...]]:
    """The rows of one of the tables of a document, such as SQuAD's `data`."""
    if column is not None:
        for prefix, rows in tables.items():
            if column == prefix and () in _text_columns(rows):
                return _placed(prefix, rows), ()
            inner = column.removeprefix(f"{prefix}.") if prefix else column
            if (inner != column or len(tables) == 1) and (keys := _find(rows, inner)):
                return _placed(prefix, rows), keys
        if keys := _find([document], column):
            return [("row 1", document)], keys
    choices = {
        ".".join(filter(None, (prefix, *keys))): (prefix, rows, keys)
        for prefix, rows in tables.items()
        for keys in _text_columns(rows)
    }
    if column is None:
        usual = [c for c, (_, _, keys) in choices.items() if keys in ((), ("text",))]
        if len(usual) == 1 or len(choices) == 1:
            prefix, rows, keys = choices[usual[0] if len(usual) == 1 else next(iter(choices))]
            return _placed(prefix, rows), keys
        if choices:
            raise UserError(
                f"{name} has text in several places; name one with --text_column: "
                f"{', '.join(choices)}"
            )
    raise UserError(_no_column(name, column, list(choices), list(document)))


def _placed(prefix: str, rows: Sequence[Any]) -> Iterator[Placed]:
    where = f" of {prefix}" if prefix else ""
    return ((f"row {number}{where}", row) for number, row in enumerate(rows, 1))


def _tables(document: dict[str, Any]) -> dict[str, list[Any]]:
    """What may be the rows of a document, by the dotted name of the key that holds them."""
    columns = list(document.values())
    if columns and all(_is_list_of_leaves(value) and value for value in columns):
        rows = [dict(zip(document, row, strict=False)) for row in zip(*columns, strict=False)]
        if {len(value) for value in columns} == {len(rows)}:
            return {"": rows}  # a list for each column
    names, data = document.get("columns"), document.get("data")
    if isinstance(names, list) and isinstance(data, list) and data:
        keys = [str(n) for n in names]
        if all(isinstance(row, list) and len(row) == len(keys) for row in data):
            return {"": [dict(zip(keys, row, strict=True)) for row in data]}  # pandas' "split"
    if columns and all(isinstance(value, dict) and value for value in columns):
        indexes = {tuple(value) for value in columns}
        if len(indexes) == 1 and all(key.isdigit() for key in next(iter(indexes))):
            return {  # pandas' "columns": a dict for each column
                "": [{name: document[name][i] for name in document} for i in indexes.pop()]
            }
        if len(indexes) < len(columns) and not any(map(_has_table, columns)):
            return {"": columns}  # a dict of rows by their names
    found = {}
    for key, value in document.items():
        if isinstance(value, list) and any(isinstance(row, dict) for row in value):
            found[key] = value
        elif isinstance(value, dict):
            found |= {f"{key}.{k}" if k else key: rows for k, rows in _tables(value).items()}
    if found:
        return found
    return {
        key: value
        for key, value in document.items()
        if key in _ROWS and _is_list_of_leaves(value) and any(map(_is_text, value))
    }


def _has_table(value: dict[str, Any]) -> bool:
    return any(isinstance(v, list) and any(isinstance(r, dict) for r in v) for v in value.values())


def _is_list_of_leaves(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(item, dict | list) for item in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)


def _choose(rows: Sequence[Any], column: str | None, name: str) -> tuple[str, ...]:
    """The keys of the column to read in rows of one kind."""
    found = _text_columns(rows)
    if column is not None:
        keys = _find(rows, column)
        if keys is None:
            raise UserError(_no_column(name, column, [".".join(k) for k in found], []))
        return keys
    if () in found:
        return ()
    if _find(rows, "text") is not None and not _is_nested(rows, "text"):
        return ("text",)
    flat = [keys for keys in found if len(keys) == 1]
    if flat:
        return flat[0]
    if found:
        raise UserError(
            f"{name} has text only in nested columns; name one with text_column: "
            f"{', '.join('.'.join(keys) for keys in found)}"
        )
    keys_seen = dict.fromkeys(key for row in rows if isinstance(row, dict) for key in row)
    raise UserError(_no_column(name, None, [], list(keys_seen)))


def _no_column(name: str, column: str | None, found: list[str], keys: list[str]) -> str:
    if column is not None and found:
        return f"{name} has no column {column}; its columns with text: {', '.join(found)}"
    what = f"; it has {', '.join(keys[:20])}" if keys else ""
    return f"{name} has no column of text{what}"


def _is_nested(rows: Sequence[Any], key: str) -> bool:
    """Whether a column holds dicts, whose own columns are to be named."""
    return any(_holds_dict(row.get(key)) for row in rows if isinstance(row, dict))


def _holds_dict(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_holds_dict, value))
    return isinstance(value, dict)


def _text_columns(rows: Sequence[Any]) -> list[tuple[str, ...]]:
    """Keys of every place that holds strings, in their order; () for rows that are strings."""
    found: dict[tuple[str, ...], None] = {}
    for row in rows[:SAMPLE]:
        _collect(_as_row(row), (), found)
    return list(found)


def _collect(value: Any, keys: tuple[str, ...], found: dict[tuple[str, ...], None]) -> None:
    if _is_text(value):
        found[keys] = None
    elif isinstance(value, list):
        for item in value:
            _collect(item, keys, found)
    elif isinstance(value, dict):
        for key, item in value.items():
            _collect(item, (*keys, key), found)


def _find(rows: Sequence[Any], name: str) -> tuple[str, ...] | None:
    """The keys that a dotted name means; a key may itself have dots."""
    for row in rows[:SAMPLE]:
        keys = _resolve(_as_row(row), name)
        if keys is not None:
            return keys
    return None


def _resolve(value: Any, name: str) -> tuple[str, ...] | None:
    if isinstance(value, list):
        return next((k for k in (_resolve(item, name) for item in value) if k is not None), None)
    if not isinstance(value, dict):
        return None
    if name in value:
        return None if _holds_dict(value[name]) else (name,)
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        head = ".".join(parts[:end])
        if head in value:
            keys = _resolve(value[head], ".".join(parts[end:]))
            if keys is not None:
                return (head, *keys)
    return None


def _as_row(row: Any) -> Any:
    """A list of values as a row whose columns are numbered from 1."""
    if isinstance(row, list):
        return {str(number): value for number, value in enumerate(row, 1)}
    return row


def _texts(row: Any, keys: tuple[str, ...]) -> list[str]:
    """The texts under keys, those of lists one after another."""
    return _dig(_as_row(row), keys)


def _dig(value: Any, keys: tuple[str, ...]) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list):
        return [text for item in value for text in _dig(item, keys)]
    if keys:
        return _dig(value.get(keys[0]), keys[1:]) if isinstance(value, dict) else []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(value)] if value and not isinstance(value, dict) else []
