"""What people hand to `prepare_dataset`: texts in any container, or a tokenized data set."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import datasets

from tfmlm.data.columns import choose_text_column
from tfmlm.data.corpus import Corpus, DatasetPart, files_corpus, iterable_corpus, load_split
from tfmlm.data.formats.opened import is_unicode
from tfmlm.errors import UserError

_SHOWN = 3
_KINDS = (
    "a list of texts, a datasets.Dataset, a pandas Series or DataFrame, an array, a generator, a "
    "tf.data.Dataset of strings, or the path of a file"
)


def open_input(data: Any, column: str | None) -> Corpus | datasets.Dataset:
    """The texts in `data`, or the data set of `input_ids` that it is.

    Args:
        data: a `datasets.Dataset`, one of its columns, a list, tuple or generator of texts or of
            rows (dicts), a dict of columns, a pandas Series or DataFrame, an Arrow table or array,
            a numpy array, a tensor or a `tf.data.Dataset` of strings, or the path (or glob) of a
            file or of a data set folder.
        column: the column with the text, where there are several.

    Raises:
        UserError: a text is missing or no string (the message has its row), a column or a file is
            missing, splits are not chosen, or texts cannot be got out of `data`.
    """
    if isinstance(data, str | os.PathLike):
        return _path(os.fspath(data), column)
    if isinstance(data, datasets.DatasetDict | datasets.IterableDatasetDict):
        first = next(iter(data), "train")
        raise UserError(
            f"the data set has the splits {', '.join(map(str, data))}: give one of them, such as "
            f"dataset[{first!r}]"
        )
    if isinstance(data, datasets.Dataset):
        return _dataset(data, column)
    if isinstance(data, datasets.IterableDataset):
        rows = Corpus("the data set", (DatasetPart(data, "the data set"),), column)
        return iterable_corpus(rows.texts(), "the data set")
    if isinstance(data, Mapping) or (hasattr(data, "data") and hasattr(data, "char_to_token")):
        return _dataset(_from_columns(dict(data)), column)
    if _is(data, "pandas", "DataFrame") or _is(data, "polars", "DataFrame"):
        return _frame(data, column)
    if _is(data, "pyarrow", "Table") or _is(data, "pyarrow", "RecordBatch"):
        table = data if _is(data, "pyarrow", "Table") else _table_of(data)
        return _dataset(datasets.Dataset(table), column)
    return _iterable(data, column)


def _is(value: Any, module: str, name: str) -> bool:
    """Whether a value is of a library's class, without importing the library."""
    if module not in sys.modules:
        return False
    return any(k.__name__ == name and k.__module__.split(".")[0] == module for k in _mro(value))


def _mro(value: Any) -> tuple[type, ...]:
    return type(value).__mro__


def _path(path: str, column: str | None) -> Corpus | datasets.Dataset:
    if Path(path).expanduser().is_dir():
        split = load_split(str(Path(path).expanduser()), None, "train")
        if split is None:
            raise UserError(f"the data set folder {path} has no split train")
        return _dataset(split, column)
    if "\n" in path or len(path) > 1000:
        raise UserError(f"give {_KINDS}; a single text goes into a list: [text]")
    corpus = files_corpus([path], column)
    corpus.require_text()
    return corpus


def _dataset(dataset: datasets.Dataset, column: str | None) -> Corpus | datasets.Dataset:
    if "input_ids" in dataset.column_names:
        return dataset
    schema = dataset.with_format("arrow")[:1].schema
    if not len(dataset):
        raise UserError("the data set is empty")
    chosen = choose_text_column(schema, column, "the data set")
    if chosen in dataset.column_names:
        nulls = dataset.with_format("arrow").select_columns(chosen)
        start = 0
        for table in nulls.iter(batch_size=10_000):
            values = table.column(0)
            if values.null_count:
                missing = values.is_null().to_pylist()
                _refuse([(start + i, None) for i, null in enumerate(missing) if null])
            start += len(values)
    return Corpus("the data set", (DatasetPart(dataset, "the data set"),), chosen)


def _from_columns(columns: dict[Any, Any]) -> datasets.Dataset:
    """A data set of a dict of columns, such as a tokenizer returns."""
    lists = {str(name): _plain(values) for name, values in columns.items()}
    if "input_ids" not in lists:
        for values in lists.values():
            bad = [(i, v) for i, v in enumerate(values) if not _is_text_or_nested(v)]
            if bad and any(isinstance(v, str) for v in values):
                _refuse(bad)
    try:
        return datasets.Dataset.from_dict(lists)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the dict is no table of columns ({reason}); give {_KINDS}") from None


def _is_text_or_nested(value: Any) -> bool:
    return isinstance(value, str | list | tuple | dict | bytes)


def _plain(values: Any) -> Any:
    for method in ("to_pylist", "tolist", "to_list", "numpy"):
        if hasattr(values, method):
            values = getattr(values, method)()
            return values.tolist() if method == "numpy" else values
    return list(values) if isinstance(values, Iterable) else [values]


def _table_of(batch: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches([batch])


def _frame(frame: Any, column: str | None) -> Corpus | datasets.Dataset:
    """A pandas or polars frame: the named column, `text`, or the first of strings."""
    names = [str(name) for name in frame.columns]
    if "input_ids" in names:
        return datasets.Dataset.from_dict({n: _plain(frame[n]) for n in frame.columns})
    if column is not None and column not in names:
        if column.split(".")[0] in names:
            return _dataset(_from_columns({n: _plain(frame[n]) for n in frame.columns}), column)
        raise UserError(f"the frame has no column {column}; its columns: {', '.join(names)}")
    with_text = [
        name
        for name, key in zip(names, frame.columns, strict=True)
        if any(isinstance(value, str) for value in _plain(frame[key][:1000]))
    ]
    if column is None and not with_text:
        raise UserError(f"the frame has no column of text; its columns: {', '.join(names)}")
    chosen = column or ("text" if "text" in with_text else with_text[0])
    values = frame[frame.columns[names.index(chosen)]]
    return iterable_corpus(_checked(_plain(values), None), f"column {chosen} of the frame")


def _iterable(data: Any, column: str | None) -> Corpus | datasets.Dataset:
    if _is(data, "tensorflow", "DatasetV2"):
        return iterable_corpus(_checked(_of_tf_data(data, column), column))
    if hasattr(data, "flat_values") or hasattr(data, "numpy"):
        data = data.flat_values if hasattr(data, "flat_values") else data
        data = data.numpy()
    if hasattr(data, "ndim") and hasattr(data, "ravel"):
        data = data.ravel().tolist()
    elif hasattr(data, "to_pylist"):
        data = data.to_pylist()
    elif hasattr(data, "to_list"):
        data = data.to_list()
    if callable(data) and not isinstance(data, Iterable):
        data = data()
    try:
        items = iter(data)
    except TypeError:
        if not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
            raise UserError(f"dataset is a {type(data).__name__}; give {_KINDS}") from None
        items = (data[index] for index in range(len(data)))
    rows = list(items)
    if rows and isinstance(rows[0], Mapping) and "input_ids" in rows[0]:
        return datasets.Dataset.from_list([dict(row) for row in rows])
    return iterable_corpus(_checked(rows, column))


def _of_tf_data(data: Any, column: str | None) -> Iterator[Any]:
    """The strings of a `tf.data.Dataset`, batched or not; of dicts those under the column."""
    if int(data.cardinality()) == -1:
        raise UserError("the tf.data.Dataset is endless: leave out repeat(), or call take(n)")
    for element in data.as_numpy_iterator():
        if isinstance(element, dict):
            name = column if column is not None else "text"
            if name not in element:
                raise UserError(
                    f"the tf.data.Dataset has no column {name}; name one with text_column: "
                    f"{', '.join(element)}"
                )
            element = element[name]
        elif isinstance(element, tuple) and element:
            element = element[0]  # (text, label)
        if hasattr(element, "ravel"):
            yield from element.ravel().tolist()
        else:
            yield element


def _checked(items: Iterable[Any], column: str | None) -> list[str]:
    """The texts of a sequence of texts or rows.

    Raises:
        UserError: rows that are no text, by their number.
    """
    texts: list[str] = []
    bad: list[tuple[int, Any]] = []
    for index, item in enumerate(items):
        value = _field(item, column) if isinstance(item, Mapping) else item
        if isinstance(value, bytes):
            try:
                value = value.decode("utf-8")
            except UnicodeDecodeError:
                bad.append((index, "bytes that are not UTF-8"))
                continue
        if not isinstance(value, str):
            bad.append((index, value))
            continue
        if not is_unicode(value):
            bad.append((index, "a text with a lone surrogate"))
            continue
        texts.append(str(value))
    if bad:
        _refuse(bad)
    return texts


def _field(row: Mapping[str, Any], column: str | None) -> Any:
    name = column if column is not None else "text"
    if name in row:
        return row[name]
    if column is None:
        strings = [key for key, value in row.items() if isinstance(value, str)]
        if strings:
            return row[strings[0]]
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None and name.split(".")[0] not in row:
        raise UserError(f"a row has no column {name}; name one with text_column: {', '.join(row)}")
    return " ".join(value) if isinstance(value, list) and all(map(_is_string, value)) else value


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _refuse(bad: list[tuple[int, Any]]) -> None:
    """Raises `UserError` naming the rows that hold no text."""
    shown = "; ".join(f"row {index + 1} (index {index}) is {_said(v)}" for index, v in bad[:_SHOWN])
    more = f" and {len(bad) - _SHOWN:,} more" if len(bad) > _SHOWN else ""
    raise UserError(f"texts must be strings: {shown}{more}; leave such rows out, or make texts")


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return "None" if value is None else str(value)
    if isinstance(value, float) and value != value:
        return "NaN"
    return f"{str(value)[:40]} ({type(value).__name__})"
