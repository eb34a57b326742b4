"""`BatchFiller`: every row as if it were alone, whatever is around it, in bounded memory."""

from __future__ import annotations

import itertools
import json
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import tfmlm
from tests.export.exported import bert, loaded_bert, masked_texts, pipeline, refused_checkpoint
from tests.small_run import roberta_export
from tfmlm.errors import UserError

pytestmark = pytest.mark.usefixtures("one_session_an_export")

TWO = "[MASK] is [MASK]."
LONG = "word " * 600 + "[MASK] and [MASK]"
TEXTS = [
    *masked_texts(40, "[MASK]", seed=18),
    *masked_texts(6, "[MASK]", masks=3, seed=19),
    TWO,
    LONG,
    "no mask",
    "",
    "[MASK]" + "x" * 70_000,
    "[MASK]" * 40,
    "nul \x00 [MASK] \x00",
]
STATUSES = ["ok", "truncated", "no_mask", "no_mask", "too_long", "ok", "ok"]


@pytest.fixture(scope="module")
def filler():
    """Runs of so few tokens that nearly every row has neighbours and nearly none the same."""
    return tfmlm.BatchFiller(loaded_bert(), max_tokens=512)


def one_by_one(text: str | bytes, top_k: int = 5, targets: list[bytes] | None = None):
    """The export's own answer for a text alone, read without the runner."""
    raw = np.array([text.encode() if isinstance(text, str) else text], object)
    if targets is not None:
        inputs = {"text": raw, "targets": np.array([targets], object)}
        outputs = loaded_bert().predict("fill_mask_targets", inputs)
    else:
        inputs = {"text": raw, "top_k": np.array([top_k], np.int32)}
        outputs = loaded_bert().predict("fill_mask_top_k", inputs)
    return {name: value[0] for name, value in outputs.items()}


def assert_is_alone(row, text, **asked) -> None:
    alone = one_by_one(text, **asked)
    assert row.status == alone["status"].decode()
    assert row.mask_count == len(row.fills) == alone["mask_count"]
    assert row.filled == alone["filled"].decode("utf-8", "replace")
    for mask, items in enumerate(row.fills):
        there = alone["token"][mask] >= 0
        assert [i["token"] for i in items] == alone["token"][mask][there].tolist()
        strings = [s.decode("utf-8", "replace") for s in alone["token_str"][mask][there]]
        assert [i["token_str"] for i in items] == strings
        found = [i["score"] for i in items]
        np.testing.assert_allclose(found, alone["score"][mask][there], atol=1e-6, rtol=1e-4)


def test_rows_are_those_of_the_export_one_by_one(filler):
    rows = list(filler(TEXTS))
    assert [row.status for row in rows[-7:]] == STATUSES
    for row, text in zip(rows, TEXTS, strict=True):
        assert_is_alone(row, text)


def test_rows_are_those_of_the_fill_mask_pipeline(filler):
    texts = TEXTS[:12]
    reference = pipeline(bert())
    for row, text in zip(filler(texts), texts, strict=True):
        expected = reference(text)
        assert [i["token"] for i in row.fills[0]] == [i["token"] for i in expected]
        assert [i["token_str"] for i in row.fills[0]] == [i["token_str"] for i in expected]
        scores = [i["score"] for i in row.fills[0]]
        np.testing.assert_allclose(scores, [i["score"] for i in expected], atol=1e-5, rtol=1e-4)


def test_number_of_words_and_targets():
    texts = [*TEXTS[:6], TWO, "play[MASK]"]
    for row, text in zip(
        tfmlm.BatchFiller(loaded_bert(), top_k=8, max_tokens=64)(texts), texts, strict=True
    ):
        assert_is_alone(row, text, top_k=8)
    targets = ["dog", "ing", "embeddings", "dog"]
    raw = [t.encode() for t in targets]
    filler = tfmlm.BatchFiller(loaded_bert(), targets=targets, max_tokens=64)
    for row, text in zip(filler(texts), texts, strict=True):
        assert_is_alone(row, text, targets=raw)
        assert row.target_exact == one_by_one(text, targets=raw)["target_exact"].tolist()
        assert [len(items) for items in row.fills] == [3] * row.mask_count
    best = tfmlm.BatchFiller(loaded_bert(), targets=targets, top_k=1)([TWO])
    assert [len(items) for items in next(best).fills] == [1, 1]


def test_scores_are_those_of_the_signature_one_by_one():
    texts = [*(t.replace("[MASK]", "it") for t in TEXTS[:8]), TWO, "[MASK]", "", None, "x" * 70_000]
    rows = list(tfmlm.BatchFiller(loaded_bert(), signature="score_text", max_tokens=128)(texts))
    expected = ["ok"] * 9 + ["empty", "empty", "null", "too_long"]
    assert [row.status for row in rows] == expected
    for row, text in zip(rows, texts, strict=True):
        if text is None:
            continue
        alone = loaded_bert().predict("score_text", {"text": np.array([text.encode()], object)})
        count = int((alone["token"][0] >= 0).sum())
        assert [i["token"] for i in row.tokens] == alone["token"][0, :count].tolist()
        scores = [i["score"] for i in row.tokens]
        np.testing.assert_allclose(scores, alone["score"][0, :count], atol=1e-5, rtol=1e-5)
        assert row.token_count == alone["token_count"][0]
        if row.token_count:
            assert row.pseudo_log_likelihood == pytest.approx(sum(scores), rel=1e-4)
        else:
            assert row.pseudo_log_likelihood is None


@pytest.mark.parametrize(
    "column",
    [
        np.array(["a [MASK]", None, "b [MASK]"], object),
        np.array(["a [MASK]", float("nan"), "b [MASK]"], object),
        pd.Series(["a [MASK]", np.nan, "b [MASK]"]),
        pd.Series(["a [MASK]", pd.NA, "b [MASK]"], dtype="string", index=[7, 7, 1]),
        pd.Series(["a [MASK]", pd.NaT, "b [MASK]"], dtype=object),
        pa.array(["a [MASK]", None, "b [MASK]"]),
        pa.array([b"a [MASK]", None, b"b [MASK]"], pa.large_binary()),
        pa.array(["a [MASK]", None, "b [MASK]"], pa.string_view()),
        pa.array(["a [MASK]", None, "b [MASK]"]).dictionary_encode(),
        pa.chunked_array([["a [MASK]", None], ["b [MASK]"]]),
        (text for text in [b"a [MASK]", None, np.str_("b [MASK]")]),
        [bytearray(b"a [MASK]"), np.float32("nan"), pa.scalar("b [MASK]")],
        [np.bytes_(b"a [MASK]"), np.datetime64("NaT"), memoryview(b"b [MASK]")],
    ],
    ids=lambda column: type(column).__name__,
)
def test_columns_of_every_kind(filler, column):
    rows = list(filler(column))
    assert [row.status for row in rows] == ["ok", "null", "ok"]
    assert (rows[1].fills, rows[1].filled, rows[1].mask_count) == ([], None, 0)
    assert_is_alone(rows[0], "a [MASK]")
    assert_is_alone(rows[2], "b [MASK]")


def test_what_is_no_text_is_said_of_its_row_alone(filler):
    raw = b"\xff\xfe [MASK] \xf0\x9f"
    rows = list(filler([3, "a [MASK]", ["a [MASK]"], raw, 2.5, "\ud800 [MASK]", True]))
    expected = ["not_text", "ok", "not_text", "ok", "not_text", "ok", "not_text"]
    assert [row.status for row in rows] == expected
    assert_is_alone(rows[3], raw)
    assert list(filler([])) == []
    assert list(filler(pd.Series([], dtype=float))) == []
    assert [row.status for row in filler(pd.Series([np.nan, np.nan]))] == ["null", "null"]
    assert [row.status for row in filler("one [MASK]")] == ["ok"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (np.arange(3), r"texts are numbers \(int64\)"),
        (pd.Series([1.5, np.nan]), "texts are numbers"),
        (pa.array([1, 2]), "Arrow's type int64"),
        (pd.DataFrame({"text": ["a"]}), "give one column"),
        ({"text": ["a"]}, "give one column"),
        (pa.table({"text": ["a"]}), "give one column"),
        (np.array([["a"]]), "2 dimensions"),
        (7, "Received: int"),
    ],
)
def test_what_is_no_column_is_refused_before_a_row_is_asked_for(filler, texts, message):
    with pytest.raises(UserError, match=message):
        filler(texts)


def test_a_generator_is_read_as_results_are_taken(filler):
    read = itertools.count()

    def endless():
        while True:
            next(read)
            yield "x [MASK]"

    rows = filler(endless())
    assert next(read) == 0
    assert [row.status for row in itertools.islice(rows, 5000)] == ["ok"] * 5000
    assert next(read) <= 2 * 4096 + 2


def test_no_run_is_over_its_bounds_and_like_lengths_run_together(filler, monkeypatch):
    shapes, export, predict = [], loaded_bert(), loaded_bert().predict

    def watched(signature, inputs, outputs=None):
        if signature != "tokenize":
            tokens = predict("tokenize", {"text": inputs["text"]})["attention_mask"].sum(axis=1)
            shapes.append(np.minimum(tokens, 512))
        return predict(signature, inputs, outputs)

    monkeypatch.setattr(export, "predict", watched)
    texts = [t for t in TEXTS if len(t) < 60_000 and "[MASK]" in t] * 3
    done: list[int] = []
    assert len(list(filler(texts, on_rows=done.append))) == len(texts) == sum(done)
    assert all(len(lengths) == 1 or len(lengths) * max(lengths) <= 512 for lengths in shapes)
    padded = sum(len(lengths) * max(lengths) for lengths in shapes)
    assert padded <= 1.1 * sum(sum(lengths) for lengths in shapes)
    shapes.clear()
    list(tfmlm.BatchFiller(export, batch_size=2)(texts))
    assert max(map(len, shapes)) == 2


def test_memory_follows_the_budget_and_not_the_rows():
    code = (
        "import resource, sys, tfmlm, itertools\n"
        "fill = tfmlm.BatchFiller(sys.argv[1], top_k=1)\n"
        "def peak(rows):\n"
        "    texts = (f'row {i} is [MASK]' for i in range(rows))\n"
        "    assert sum(row.status == 'ok' for row in fill(texts)) == rows\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(peak(5000), peak(20000))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bert().path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    few, many = map(int, done.stdout.split())
    assert many <= 1.1 * few


def test_a_pickle_carries_the_path_and_the_settings():
    filler = tfmlm.BatchFiller(bert().path, top_k=2, max_tokens=300)
    data = pickle.dumps(filler)
    assert len(data) < 2000
    again = pickle.loads(data)
    assert list(again([TWO]))[0].fills == list(filler([TWO]))[0].fills
    assert repr(again) == repr(filler)
    assert "top_k=2" in repr(filler)
    from_url = tfmlm.BatchFiller(f"file://{bert().path}", top_k=2)
    assert list(from_url([TWO]))[0].fills == list(filler([TWO]))[0].fills
    assert f"file://{bert().path}".encode() in pickle.dumps(from_url)
    with pytest.raises(UserError, match="no export folder file:///nowhere"):
        tfmlm.BatchFiller("file:///nowhere")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"signature": "tokenize"}, "give fill_mask or score_text"),
        ({"signature": "score_text", "top_k": 3}, "takes no top_k"),
        ({"top_k": 0}, "top_k must be an integer of at least 1"),
        ({"targets": []}, "targets is empty"),
        ({"targets": ["a", ""]}, "targets must be non-empty strings"),
        ({"max_tokens": 0}, "max_tokens must be an integer of at least 1"),
        ({"batch_size": "8"}, "batch_size must be an integer of at least 1"),
    ],
)
def test_settings_of_no_use(settings, message):
    with pytest.raises(UserError, match=message):
        tfmlm.BatchFiller(loaded_bert(), **settings)


def test_an_export_that_lacks_the_signature(tmp_path):
    with pytest.raises(UserError, match="no export folder"):
        tfmlm.BatchFiller(tmp_path / "none")
    path = tfmlm.export_saved_model(str(refused_checkpoint()), None, tmp_path / "ids")
    for signature in ("fill_mask", "score_text"):
        with pytest.raises(UserError, match="its signatures: fill_mask_ids"):
            tfmlm.BatchFiller(path, signature=signature)


def test_an_export_of_another_family_and_other_defaults():
    filler = tfmlm.BatchFiller(roberta_export(), max_tokens=64)
    texts = ["the <mask> of", "a <mask> b <mask>", "the value " * 100 + "<mask>", "none"] * 3
    rows = list(filler(texts))
    assert [row.status for row in rows] == ["ok", "ok", "truncated", "no_mask"] * 3
    fill = tfmlm.load(roberta_export())
    for row, text in zip(rows[:3], texts, strict=False):
        expected = fill(text)
        masks = expected if row.mask_count > 1 else [expected]
        tokens = [[item["token"] for item in items] for items in masks]
        assert [[item["token"] for item in items] for items in row.fills] == tokens
    json.dumps([row.fills for row in rows])
