"""Texts as people have them: strings, bytes, missing values, columns of other libraries."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tfmlm.errors import UserError

#: Rows of an Arrow column that are turned into Python objects at a time.
_ARROW_ROWS = 1024


class NotText:
    """A row that is neither text nor missing.

    Attributes:
        kind: the name of its type.
    """

    def __init__(self, value: Any) -> None:
        self.kind = type(value).__name__


def one_text(texts: Any) -> bool:
    """Whether `texts` is one text and not a column of texts."""
    return (
        isinstance(texts, str | bytes | bytearray)
        or (isinstance(texts, np.ndarray) and texts.ndim == 0)
        or (_is_tensor(texts) and texts.shape.rank == 0)
        or hasattr(texts, "as_py")
    )


def rows(texts: Any) -> Iterator[bytes | NotText | None]:
    """The rows of a text or a column as UTF-8 bytes; None for a missing value.

    Args:
        texts: an iterable of strings or bytes (also a generator), a numpy array, a pandas Series,
            a pyarrow Array or ChunkedArray, an eager tensor or a `tf.data.Dataset`. Lone surrogates
            become question marks. Missing values are None, NaN, NaT, pandas' NA and Arrow's nulls.

    Raises:
        UserError: it is no column, or a column of numbers.
    """
    return (_row(value) for value in _values(texts))


def describe(row: NotText | None) -> str:
    """What a row is that cannot be read, for messages."""
    return "is missing (None or NaN)" if row is None else f"is of type {row.kind}, not a text"


def _is_tensor(value: Any) -> bool:
    """Whether it is an eager tensor; TensorFlow is not imported to find out."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and tensorflow.is_tensor(value) and hasattr(value, "numpy")


def _values(texts: Any) -> Iterable[Any]:
    if _is_tensor(texts):
        texts = np.asarray(texts.numpy())
    if one_text(texts):
        return [texts.item() if isinstance(texts, np.ndarray) else texts]
    arrow = sys.modules.get("pyarrow")
    if arrow is not None and isinstance(texts, arrow.Array | arrow.ChunkedArray):
        _require_text_type(texts.type, arrow)
        return _arrow_values(texts)
    if isinstance(texts, dict) or hasattr(texts, "columns") or hasattr(texts, "column_names"):
        raise UserError(
            f"texts is a {type(texts).__name__}; give one column of it, such as texts['text']"
        )
    dtype = getattr(texts, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind not in "OUSTV" and not _all_missing(texts):
        raise UserError(f"texts are numbers ({dtype}); give a column of strings")
    if isinstance(texts, np.ndarray) and texts.ndim != 1:
        raise UserError(f"texts have {texts.ndim} dimensions; give one column of strings")
    if not isinstance(texts, Iterable):
        raise UserError(
            f"texts must be strings or an iterable of them. Received: {type(texts).__name__}"
        )
    return texts


def _all_missing(texts: Any) -> bool:
    """Whether a column of floats holds NaN alone, as an empty column of a table does."""
    values = np.asarray(texts)
    return values.dtype.kind in "fM" and bool(
        np.isnat(values).all() if values.dtype.kind == "M" else np.isnan(values).all()
    )


def _require_text_type(kind: Any, arrow: Any) -> None:
    types = arrow.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    checks = (
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_binary,
        types.is_large_binary,
        types.is_binary_view,
        types.is_fixed_size_binary,
        types.is_null,
    )
    if not any(check(kind) for check in checks):
        raise UserError(f"texts are of Arrow's type {kind}; give a column of strings")


def _arrow_values(column: Any) -> Iterator[Any]:
    for start in range(0, len(column), _ARROW_ROWS):
        yield from column.slice(start, _ARROW_ROWS).to_pylist()


def _row(value: Any) -> bytes | NotText | None:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if _is_tensor(value) and value.shape.rank == 0:
        return _row(value.numpy())
    if _missing(value):
        return None
    if hasattr(value, "as_py"):
        return _row(value.as_py())
    return NotText(value)


def _missing(value: Any) -> bool:
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    try:
        return bool(value != value)  # NaN of any kind, NaT of numpy
    except (TypeError, ValueError):
        return False
