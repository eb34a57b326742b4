"""Picks the text out of Arrow tables: a named column, a nested one, lists joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfmlm.data.formats.reading import Reading
from tfmlm.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa


def choose_text_column(schema: pa.Schema, wanted: str | None, source: str) -> str:
    """The dotted name of the column to read.

    Args:
        schema: the table's schema.
        wanted: the name the user gave; without it `text`, else the first column of strings, else
            the only one of bytes.
        source: the file or data set, for messages.

    Raises:
        UserError: no such column, or it holds no text.
    """
    texts = text_columns(schema)
    if wanted is not None:
        if wanted in texts:
            return wanted
        if not texts:
            raise UserError(f"{source} has no column of text")
        if _find(schema, wanted) is not None:
            raise UserError(
                f"column {wanted} of {source} holds no text; columns with text: {', '.join(texts)}"
            )
        raise UserError(
            f"{source} has no column {wanted}; its columns with text: {', '.join(texts)}"
        )
    if "text" in texts:
        return "text"
    flat = [name for name in texts if _is_string(_find(schema, name))]
    if flat:
        return flat[0]
    in_bytes = [name for name in texts if _is_binary(_find(schema, name))]
    if len(in_bytes) == 1:
        return in_bytes[0]
    if texts:
        raise UserError(
            f"{source} has text only in nested columns; name one with text_column: "
            f"{', '.join(texts)}"
        )
    raise UserError(f"{source} has no column of text; its columns: {', '.join(schema.names)}")


def text_columns(schema: pa.Schema) -> list[str]:
    """Dotted names of all columns that hold strings, or lists of strings, at any depth."""
    found: list[str] = []
    for field in schema:
        _collect(field.name, field.type, found)
    return found


def read_column(
    table: pa.Table | pa.RecordBatch, name: str, reading: Reading, first_row: int = 1
) -> list[str]:
    """The texts of a column; strings in lists are joined by a space, missing ones are empty.

    Args:
        reading: notes rows whose bytes are not UTF-8; they are empty.
        first_row: number of the table's first row, for such a note.
    """
    top, path = _split(table.schema, name)
    values = table.column(top).to_pylist()
    if not path and _is_string(table.schema.field(top).type):
        return ["" if value is None else value for value in values]
    texts = []
    for number, value in enumerate(values, first_row):
        try:
            texts.append(" ".join(_dig(value, path)))
        except UnicodeDecodeError:
            reading.leave_out(f"row {number}", "bytes that are not UTF-8")
            texts.append("")
    return texts


def top_column(schema: pa.Schema, name: str) -> str:
    """The table's own column that a dotted name reaches into."""
    return _split(schema, name)[0]


def _dig(value: Any, path: list[str]) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list):
        return [text for item in value for text in _dig(item, path)]
    if path:
        return _dig(value.get(path[0]), path[1:])
    text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
    return [text] if text else []


def _split(schema: pa.Schema, name: str) -> tuple[str, list[str]]:
    """Splits a dotted name into the column and the path below; a column may itself have dots."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        top = ".".join(parts[:end])
        if top in schema.names:
            return top, parts[end:]
    return name, []


def _find(schema: pa.Schema, name: str) -> Any:
    top, path = _split(schema, name)
    if top not in schema.names:
        return None
    kind = schema.field(top).type
    for part in path:
        kind = _without_lists(kind)
        index = kind.get_field_index(part) if _is_struct(kind) else -1
        if index < 0:
            return None
        kind = kind.field(index).type
    return kind


def _collect(name: str, kind: Any, found: list[str]) -> None:
    kind = _without_lists(kind)
    if _is_string(kind) or _is_binary(kind):
        found.append(name)
    elif _is_struct(kind):
        for index in range(kind.num_fields):
            child = kind.field(index)
            _collect(f"{name}.{child.name}", child.type, found)


def _without_lists(kind: Any) -> Any:
    import pyarrow.types as types

    while (
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    ):
        kind = kind.value_type
    return kind


def _is_string(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _is_binary(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _is_struct(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind))
