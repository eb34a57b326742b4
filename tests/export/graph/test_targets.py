"""Targets: whole words, pieces, words glued to the one before, vocabulary spellings."""

from __future__ import annotations

import numpy as np
import pytest

from tests.export.exported import bert, loaded_bert


def scored(text, targets):
    outputs = loaded_bert().predict(
        "fill_mask_targets",
        {"text": [text.encode()], "targets": [[target.encode() for target in targets]]},
    )
    vocabulary = bert().tokenizer.convert_ids_to_tokens(range(30_522))
    tokens = outputs["token"][0]
    words = [[vocabulary[t] for t in mask if t >= 0] for mask in tokens]
    return [sorted(w) for w in words], outputs["target_exact"][0].tolist(), outputs


@pytest.mark.parametrize(
    ("text", "target", "token", "whole"),
    [
        ("the [MASK] of", "capital", "capital", True),
        ("the [MASK] of", "Capital", "capital", True),
        ("the [MASK] of", "embeddings", "em", False),
        ("the [MASK] of", "##ing", "##ing", True),
        ("the [MASK] of", "[UNK]", "[UNK]", True),
        ("the [MASK] of", "\u4e2d\u4e2d", "\u4e2d", False),
        ("play[MASK] of", "ing", "##ing", True),
        ("play[MASK] of", "##ing", "##ing", True),
        ("play[MASK] of", "embeddings", "##em", False),
        ("play-[MASK] of", "ing", "ing", True),
        ("([MASK])", "ing", "ing", True),
        ("[MASK]", "ing", "ing", True),
    ],
)
def test_token_of_a_target(text, target, token, whole):
    words, exact, _ = scored(text, [target])
    assert words == [[token]]
    assert exact == [whole]


def test_best_first_padding_and_repeats():
    words, exact, outputs = scored("the [MASK] of", ["dog", "", "Dog", "the", " ", "dog"])
    assert words == [["dog", "the"]]
    assert exact == [True, False, True, True, False, True]
    scores = outputs["score"][0, 0]
    assert scores[0] >= scores[1] > 0
    assert scores[2:].tolist() == [0] * 4
    assert outputs["token"][0, 0, 2:].tolist() == [-1] * 4
    assert set(outputs["sequence"][0, 0, 2:]) == {b""}
    best = outputs["token_str"][0, 0, 0]
    assert outputs["filled"][0] == b"the " + best + b" of"


def test_scores_are_of_the_whole_vocabulary():
    fill = loaded_bert()
    every = fill("the [MASK] of", top_k=30_522)
    by_token = {item["token"]: item["score"] for item in every}
    for item in fill("the [MASK] of", targets=["dog", "cat", "capital"]):
        assert item["score"] == pytest.approx(by_token[item["token"]], rel=1e-6)


def test_no_target_has_a_token():
    _, exact, outputs = scored("the [MASK] of", [" ", "\u200b"])
    assert exact == [False, False]
    assert outputs["filled"][0] == b"the [MASK] of"
    assert (outputs["token"] == -1).all()


def test_one_list_a_row():
    targets = np.array([[b"dog", b"cat"], [b"ing", b""]], object)
    outputs = loaded_bert().predict(
        "fill_mask_targets", {"text": [b"a [MASK]", b"play[MASK]"], "targets": targets}
    )
    assert (outputs["token"] >= 0).sum(axis=2).tolist() == [[2], [1]]
    assert outputs["token_str"][1, 0, 0] == b"##ing"
    assert outputs["filled"][1] == b"playing"
    assert outputs["target_exact"].tolist() == [[True, True], [True, False]]
