"""No row of a batch changes another, and no content raises."""

from __future__ import annotations

import numpy as np
import pytest

from tests.export.exported import loaded_bert, masked_texts

ROWS = [
    "Paris is the [MASK] of France.",
    "[MASK] and [MASK]",
    "word " * 700 + "[MASK] " + "word " * 20 + "[MASK]",
    "play[MASK]",
    "No mask.",
]
HOSTILE = [
    "",
    " ",
    "[MASK]" * 900,
    "x" * 70_000,
    "a\x00[MASK]\x00b",
    "\u0301" * 500 + "[MASK]",
    "[SEP] [MASK] [CLS] [PAD]",
    "[MASK] " + "🏳️‍🌈" * 200,
    "\n\t\r\u2028[MASK]\u00a0",
    "[mask] [MASK",
    b"\xff\xfe[MASK]\xf0\x9f".decode("latin-1"),
]
RAW = [b"\xff\xfe [MASK] \xf0\x9f", b"\xed\xa0\x80[MASK]", b"[MASK]\xc3"]


def alike(left, right):
    assert left.keys() == right.keys()
    for name, value in left.items():
        masks = min(value.shape[0], right[name].shape[0]) if value.ndim else 0
        for mask in range(masks if value.ndim > 1 else 0):
            width = min(value.shape[1], right[name].shape[1])
            one, other = value[mask, :width], right[name][mask, :width]
            if name == "score":
                np.testing.assert_allclose(one, other, atol=1e-6)
            else:
                assert one.tolist() == other.tolist(), name
        if value.ndim < 2:
            assert np.array_equal(value, right[name]), name


def row_of(outputs, row):
    return {name: np.asarray(value[row]) for name, value in outputs.items()}


@pytest.mark.parametrize("signature", ["serving_default", "fill_mask_top_k", "fill_mask_targets"])
def test_a_row_alone_and_among_hostile_neighbours(signature):
    fill = loaded_bert()

    def run(texts, first_k=4):
        inputs = {"text": [t if isinstance(t, bytes) else t.encode() for t in texts]}
        if signature == "fill_mask_top_k":
            inputs["top_k"] = np.array([first_k] + [2, 10**9, -5][: len(texts) - 1], np.int32)
            inputs["top_k"] = np.resize(inputs["top_k"], len(texts)).astype(np.int32)
            inputs["top_k"][0] = first_k
        if signature == "fill_mask_targets":
            inputs["targets"] = [[b"the", b"ing", b"", b"embedding", b"the"]] * len(texts)
        return fill.predict(signature, inputs)

    # Every word of the vocabulary beside 900 masks would be asked too much of a test's memory.
    crowd = HOSTILE if signature != "fill_mask_top_k" else [HOSTILE[0], *HOSTILE[3:5]]
    for text in ROWS:
        alone = row_of(run([text]), 0)
        among = row_of(run([text, *crowd, *(RAW if crowd is HOSTILE else ())]), 0)
        masks = int(alone["mask_count"])
        alike(alone, {k: v[: max(masks, 0)] if v.ndim > 1 else v for k, v in among.items()})
        if among["token"].ndim > 1:
            assert (among["token"][masks:] == -1).all()
            assert (among["score"][masks:] == 0).all()
            assert set(among["token_str"][masks:].ravel()) <= {b""}
            assert set(among["sequence"][masks:].ravel()) <= {b""}


def test_statuses():
    texts = ["a [MASK]", "none", "word " * 600 + "[MASK]", "[MASK]" + "x" * 65_536, ""]
    outputs = loaded_bert().fill_arrays(texts)
    statuses = [b"ok", b"no_mask", b"truncated", b"too_long", b"no_mask"]
    assert outputs["status"].tolist() == statuses
    assert outputs["mask_count"].tolist() == [1, 0, 1, 0, 0]
    assert outputs["filled"][3] == texts[3].encode()
    assert outputs["filled"][1] == b"none"


@pytest.mark.parametrize(
    ("asked", "given"), [(0, 1), (-7, 1), (3, 3), (30_522, 30_522), (2**31 - 1, 30_522)]
)
def test_top_k_is_clamped(asked, given):
    outputs = loaded_bert().predict(
        "fill_mask_top_k",
        {"text": [b"a [MASK] b"], "top_k": np.array([asked], np.int32)},
        ["token", "score"],
    )
    assert outputs["token"].shape == (1, 1, given)
    assert len(set(outputs["token"][0, 0])) == given


def test_no_combination_of_rows_makes_the_answer_huge():
    """Every word of the vocabulary for one row, beside one of very many masks."""
    texts = [b"a [MASK] b", b"[MASK]" * 900, b"c [MASK] d"]
    top_k = np.array([2**31 - 1, 2**31 - 1, 4], np.int32)
    names = ["score", "token"]
    fill = loaded_bert()
    outputs = fill.predict("fill_mask_top_k", {"text": texts, "top_k": top_k}, names)
    assert outputs["token"].size <= 2**23
    assert (outputs["token"][0, 0] >= 0).sum() > 1000
    alone = fill.predict(
        "fill_mask_top_k", {"text": texts[2:], "top_k": np.array([4], np.int32)}, names
    )
    assert outputs["token"][2, 0, :4].tolist() == alone["token"][0, 0].tolist()
    assert (outputs["token"][2, 0, 4:] == -1).all()


def test_each_row_has_its_own_top_k():
    outputs = loaded_bert().predict(
        "fill_mask_top_k", {"text": [b"a [MASK] b"] * 3, "top_k": np.array([1, 4, 2], np.int32)}
    )
    assert (outputs["token"][:, 0] >= 0).sum(axis=1).tolist() == [1, 4, 2]
    assert (outputs["score"][:, 0] > 0).sum(axis=1).tolist() == [1, 4, 2]
    assert (outputs["sequence"][:, 0] != b"").sum(axis=1).tolist() == [1, 4, 2]


def test_concatenated_requests_as_server_side_batching_makes_them():
    fill = loaded_bert()
    texts = masked_texts(24, "[MASK]", seed=3)
    batch = fill.predict("serving_default", {"text": [t.encode() for t in texts]})
    for row, text in enumerate(texts):
        single = fill.predict("serving_default", {"text": [text.encode()]})
        alike(row_of(single, 0), row_of(batch, row))


@pytest.mark.parametrize("rows", [0, 1])
def test_batches_without_any_mask(rows):
    fill = loaded_bert()
    texts = [b"nothing"] * rows
    for signature, extra in (
        ("serving_default", {}),
        ("fill_mask_top_k", {"top_k": np.full([rows], 3, np.int32)}),
        ("fill_mask_targets", {"targets": np.full([rows, 2], b"dog", object)}),
    ):
        outputs = fill.predict(signature, {"text": np.array(texts, object), **extra})
        assert outputs["token"].shape[:2] == (rows, 0)
        assert outputs["filled"].tolist() == texts
    ids = np.full([rows, 0], 5, np.int32)
    outputs = fill.predict("fill_mask_ids", {"input_ids": ids, "attention_mask": ids})
    assert outputs["mask_position"].shape == (rows, 0)


def test_ids_that_the_model_does_not_have():
    ids = np.array([[101, 103, -5, 10**9, 102]], np.int32)
    outputs = loaded_bert().predict(
        "fill_mask_ids", {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    )
    known = np.array([[101, 103, 100, 100, 102]], np.int32)
    expected = loaded_bert().predict(
        "fill_mask_ids", {"input_ids": known, "attention_mask": np.ones_like(ids)}
    )
    assert outputs["token"].tolist() == expected["token"].tolist()
    long = np.full([1, 900], 103, np.int32)
    outputs = loaded_bert().predict(
        "fill_mask_ids", {"input_ids": long, "attention_mask": np.ones_like(long)}
    )
    assert outputs["mask_position"].shape == (1, 512)
