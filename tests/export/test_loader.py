"""`tfmlm.load`: what it finds, what it refuses, and what it does not import."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import tfmlm
from tests.export.exported import bert, loaded_bert
from tfmlm.errors import UserError


def test_neither_tensorflows_python_nor_transformers_in_the_process():
    script = (
        "import sys, tfmlm; fill = tfmlm.load(sys.argv[1]);"
        "print(fill('A [MASK].', top_k=1)[0]['token']);"
        "assert not {'tensorflow', 'tensorflow_text', 'transformers', 'tokenizers', 'datasets'}"
        " & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(bert().path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == loaded_bert()("A [MASK].")[0]["token"]


def test_latest_version_of_a_folder(tmp_path):
    (tmp_path / "1").symlink_to(bert().path)
    (tmp_path / "9").symlink_to(bert().path)
    assert tfmlm.load(tmp_path).path == tmp_path / "9"
    assert tfmlm.load(str(tmp_path / "1")).path == tmp_path / "1"


def test_nothing_to_load(tmp_path):
    with pytest.raises(UserError, match="no export folder"):
        tfmlm.load(tmp_path / "none")
    with pytest.raises(UserError, match="holds no SavedModel"):
        tfmlm.load(tmp_path)
    (tmp_path / "1").mkdir()
    with pytest.raises(UserError, match="holds no SavedModel"):
        tfmlm.load(tmp_path)
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"\x00")
    with pytest.raises(UserError, match="no export of tfmlm"):
        tfmlm.load(tmp_path)
    (tmp_path / "1" / "assets.extra").mkdir()
    (tmp_path / "1" / "assets.extra" / "tfmlm.json").write_text("{")
    with pytest.raises(UserError, match="broken"):
        tfmlm.load(tmp_path)
    (tmp_path / "1" / "assets.extra" / "tfmlm.json").write_text("{}")
    with pytest.raises(UserError, match="cannot load the SavedModel"):
        tfmlm.load(tmp_path)
    shutil.copy(bert().path / "saved_model.pb", tmp_path / "1")  # without the weights
    with pytest.raises(UserError, match=r"cannot load the SavedModel .*variables"):
        tfmlm.load(tmp_path)


@pytest.mark.parametrize(
    ("texts", "targets", "message"),
    [
        ("no mask", None, r"the text holds no \[MASK\]"),
        (["a [MASK]", "none"], None, r"text 2 holds no \[MASK\]: 'none'"),
        ("[MASK]" + "x" * 70_000, None, "byte limit"),
        ("a [MASK]", [], "targets is empty"),
        ("a [MASK]", "", "targets is empty"),
        (["a [MASK]", None], None, r"text 2 is missing \(None or NaN\)"),
        (pd.Series(["a [MASK]", np.nan]), None, r"text 2 is missing"),
        (["a [MASK]", 3], None, "text 2 is of type int, not a text"),
        (pd.DataFrame({"text": ["a"]}), None, "give one column of it"),
    ],
)
def test_refusals(texts, targets, message):
    with pytest.raises(UserError, match=message):
        loaded_bert()(texts, targets=targets)


def test_one_target_as_a_string():
    assert [i["token_str"] for i in loaded_bert()("a [MASK]", targets="dog")] == ["dog"]


def test_what_an_export_says_of_itself():
    shown = repr(loaded_bert())
    for part in ("TFBertForMaskedLM", "[MASK]", "top_k 5", "score_text", str(bert().path)):
        assert part in shown


def test_texts_of_any_kind_and_any_number():
    fill = loaded_bert()
    expected = fill("a [MASK]")
    assert fill(b"a [MASK]") == expected
    assert fill(np.array("a [MASK]")) == expected
    assert fill(pd.Series(["a [MASK]"])) == [expected]
    assert fill(np.array(["a [MASK]"])) == [expected]
    assert fill(iter([b"a [MASK]"])) == [expected]
    texts = ["a [MASK]", "b " * 300 + "[MASK]", "[MASK] c [MASK]"] * 40
    for batch_size in (None, 1, 7):
        answers = fill(texts, top_k=2, batch_size=batch_size)
        for answer, text in zip(answers[:3] + answers[-3:], 2 * texts[:3], strict=True):
            alone, rows = fill(text, top_k=2), answer
            if text.count("[MASK]") == 1:
                alone, rows = [alone], [answer]
            for items, others in zip(rows, alone, strict=True):
                assert [i["token"] for i in items] == [i["token"] for i in others]
                assert [i["sequence"] for i in items] == [i["sequence"] for i in others]


def test_errors_ignored():
    fill = loaded_bert()
    texts = ["a [MASK]", "none", None, float("nan"), 3, "[MASK]" + "x" * 70_000, "b [MASK]"]
    answers = fill(texts, errors="ignore")
    assert [len(answer) for answer in answers] == [5, 0, 0, 0, 0, 0, 5]
    assert fill("none", errors="ignore") == []
    with pytest.raises(UserError, match="errors must be 'raise' or 'ignore'"):
        fill(texts, errors="skip")
    for top_k in (0, True, "3"):
        with pytest.raises(UserError, match="top_k must be an integer of at least 1"):
            fill("a [MASK]", top_k=top_k)


def test_one_value_stands_for_all_rows_of_a_signature():
    fill = loaded_bert()
    rows = {"text": np.array([b"a [MASK]"], object), "top_k": np.array([3], np.int32)}
    expected = fill.predict("fill_mask_top_k", rows)["token"].tolist()
    assert fill.predict("fill_mask_top_k", {"text": "a [MASK]", "top_k": 3})["token"].tolist() == (
        expected
    )
    pair = ["a [MASK]", b"a [MASK]"]
    for both in (
        pair,
        tuple(pair),
        np.array(pair, object),
        np.array(pair, str),
        np.array(pair, bytes),
    ):
        answer = fill.predict("fill_mask_top_k", {"text": both, "top_k": 3})
        assert answer["token"].tolist() == expected * 2
    words = fill.predict("fill_mask_targets", {"text": ["a [MASK]"] * 2, "targets": ["x", "y"]})
    assert words["token"].shape == (2, 1, 2)
    assert fill.fill_arrays("a [MASK]")["token"].shape == (1, 1, 5)
    ids = fill.predict("tokenize", {"text": b"a [MASK]"})
    one = fill.predict("fill_mask_ids", {name: ids[name][0] for name in ids})
    assert one["token"].shape == (1, 1, 5)


def test_a_nul_at_the_end_of_a_text_stays():
    assert loaded_bert().fill_arrays(["a [MASK]\x00"])["filled"][0].endswith(b"\x00")


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("fill", {"text": ["a"]}, "no signature fill; its signatures: fill_mask_ids, "),
        ("tokenize", {"texts": ["a"]}, "no input texts; it has text"),
        ("fill_mask_top_k", {"text": ["a"]}, "needs the input top_k"),
        ("tokenize", {"text": [["a"]]}, "has 1 dimensions"),
        ("tokenize", {"text": [1]}, "input text of signature tokenize: not strings"),
        ("fill_mask_targets", {"text": ["a"] * 2, "targets": [["x"], ["y", "z"]]}, "not strings"),
        ("fill_mask_top_k", {"text": ["a"] * 2, "top_k": [1, 2, 3]}, "different numbers of rows"),
        ("fill_mask_top_k", {"text": ["a"], "top_k": [2.5]}, "not of type int32"),
        ("fill_mask_top_k", {"text": ["a"], "top_k": [2**40]}, "not of type int32"),
    ],
)
def test_wrong_calls_of_a_signature(signature, inputs, message):
    with pytest.raises(UserError, match=message):
        loaded_bert().predict(signature, inputs)
    with pytest.raises(UserError, match="no output scores"):
        loaded_bert().predict("tokenize", {"text": ["a"]}, ["scores"])
