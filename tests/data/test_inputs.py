"""Everything that people hand to `prepare_dataset`."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf

from tfmlm.data.inputs import open_input
from tfmlm.errors import UserError

TEXTS = ["one text", "zwei", "три"]
ROWS = [{"id": i, "text": text} for i, text in enumerate(TEXTS)]
DATASET = datasets.Dataset.from_list(ROWS)
FRAME = pd.DataFrame(ROWS)
BYTES = [text.encode() for text in TEXTS]


def _generator():
    yield from TEXTS


CONTAINERS = {
    "list": TEXTS,
    "tuple": tuple(TEXTS),
    "column": DATASET["text"],
    "data set": DATASET,
    "split": datasets.DatasetDict({"train": DATASET})["train"],
    "iterable data set": DATASET.to_iterable_dataset(),
    "stream of rows": datasets.IterableDataset.from_generator(lambda: iter(ROWS)),
    "rows": ROWS,
    "columns": {"text": TEXTS, "id": [0, 1, 2]},
    "series": FRAME["text"],
    "series of pandas strings": FRAME["text"].astype("string"),
    "categorical": FRAME["text"].astype("category"),
    "frame": FRAME,
    "filtered frame": pd.DataFrame([{"id": 9, "text": "x"}, *ROWS]).iloc[1:],
    "objects": np.array(TEXTS, object),
    "unicode array": np.array(TEXTS),
    "bytes array": np.array(BYTES, object),
    "table of strings": np.array([[text] for text in TEXTS]),
    "generator": _generator(),
    "generator function": _generator,
    "map": map(str, TEXTS),
    "dict values": dict(enumerate(TEXTS)).values(),
    "tensor": tf.constant(TEXTS),
    "ragged": tf.ragged.constant([[TEXTS[0]], TEXTS[1:]]),
    "tf.data": tf.data.Dataset.from_tensor_slices(TEXTS),
    "batched tf.data": tf.data.Dataset.from_tensor_slices(TEXTS).batch(2),
    "tf.data of dicts": tf.data.Dataset.from_tensor_slices({"text": TEXTS, "n": [1, 2, 3]}),
    "tf.data with labels": tf.data.Dataset.from_tensor_slices((TEXTS, [0, 1, 0])),
    "arrow array": pa.array(TEXTS),
    "arrow table": pa.table({"text": TEXTS}),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers(name: str) -> None:
    assert list(open_input(CONTAINERS[name], None).texts()) == TEXTS


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl", ".parquet"])
def test_paths(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".txt":
        path.write_text("\n".join(TEXTS), encoding="utf-8")
    else:
        getattr(DATASET, {".csv": "to_csv", ".jsonl": "to_json", ".parquet": "to_parquet"}[suffix])(
            path
        )
    for given in (path, str(path), str(tmp_path / f"*{suffix}")):
        assert list(open_input(given, None).texts()) == TEXTS
    DATASET.save_to_disk(tmp_path / "saved")
    assert list(open_input(tmp_path / "saved", None).texts()) == TEXTS


def test_named_columns() -> None:
    frame = pd.DataFrame({"title": ["a", "b"], "body": ["c", "d"], "n": [1, 2]})
    for data in (frame, frame.to_dict("records"), datasets.Dataset.from_pandas(frame)):
        assert list(open_input(data, "body").texts()) == ["c", "d"]
        assert list(open_input(data, None).texts()) == ["a", "b"]
        with pytest.raises(UserError, match=r"no column story.*title, body"):
            open_input(data, "story")
    nested = [{"answers": {"text": ["a", "b"]}}, {"answers": {"text": ["c"]}}]
    assert list(open_input(nested, "answers.text").texts()) == ["a b", "c"]
    data = tf.data.Dataset.from_tensor_slices({"body": TEXTS})
    assert list(open_input(data, "body").texts()) == TEXTS
    with pytest.raises(UserError, match="no column text; name one with text_column: body"):
        open_input(data, None)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "None"),
        (float("nan"), "NaN"),
        (7, r"7 \(int\)"),
        (2.5, r"2\.5 \(float\)"),
        (True, r"True \(bool\)"),
        (["a"], r"\['a'\] \(list\)"),
        (b"\xff", "bytes that are not UTF-8"),
        ("a\ud800", "a text with a lone surrogate"),
    ],
)
def test_rows_that_are_no_text_are_named(value, said) -> None:
    texts = ["a", value, "b"]
    containers = [texts, iter(texts), [{"text": t} for t in texts]]
    if not isinstance(value, list):
        containers.append(pd.Series(texts, dtype=object))
        containers.append(pd.DataFrame({"text": texts}, dtype=object))
        containers.append(np.array(texts, object))
    for container in containers:
        with pytest.raises(UserError, match=rf"row 2 \(index 1\) is {said}"):
            open_input(container, None)


def test_missing_values_of_data_sets_and_how_many_there_are() -> None:
    with pytest.raises(UserError, match=r"row 2 \(index 1\) is None"):
        open_input(datasets.Dataset.from_dict({"text": ["a", None]}), None)
    with pytest.raises(UserError, match=r"row 2 \(index 1\) is None"):
        open_input({"text": ["a", None]}, None)
    with pytest.raises(UserError, match=r"row 3 \(index 2\) is 2 \(int\) and 97 more"):
        open_input(list(range(100)), None)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (datasets.DatasetDict({"train": DATASET, "test": DATASET}), r"train, test.*'train'\]"),
        ("no/such/file.txt", "no file no/such/file.txt"),
        ("one text\nanother", "a single text goes into a list"),
        (tf.data.Dataset.from_tensor_slices(TEXTS).repeat(), "endless"),
        (5, "dataset is a int; give a list of texts"),
        (None, "dataset is a NoneType"),
        (DATASET.select([]), "data set is empty"),
        (pd.DataFrame({"n": [1, 2]}), "the frame has no column of text; its columns: n"),
        ({"n": [1, 2]}, "no column of text; its columns: n"),
    ],
)
def test_what_holds_no_texts(data, message) -> None:
    with pytest.raises(UserError, match=message):
        open_input(data, None)


def test_tokenized_containers() -> None:
    ids = [[2, 5, 3], [2, 6, 3]]
    for data in (
        {"input_ids": ids},
        {"input_ids": np.array(ids)},
        {"input_ids": tf.constant(ids)},
        [{"input_ids": row} for row in ids],
        datasets.Dataset.from_dict({"input_ids": ids}),
        pd.DataFrame({"input_ids": ids}),
    ):
        assert open_input(data, None)["input_ids"][:] == ids
