"""Which word a filled piece stands for, and whether it is all of it."""

from __future__ import annotations

import pytest

from tfmlm.client.targets import marked


@pytest.mark.parametrize(
    ("piece", "word", "whole"),
    [
        ("Paris", "Paris", True),
        ("paris", "Paris", True),  # an uncased vocabulary
        (" Paris", "Paris", True),
        ("Ġparis", "Paris", True),
        ("##ing", "##ing", True),
        ("emile", "Émile", True),  # without accents
        ("z", "zzzq", False),
        ("em", "embeddings, emblems", False),
        ("▁Em", "embeddings, emblems", False),
        ("straße", "STRASSE", True),
        ("x", "x", True),  # begins none that was split: a whole one, spelled otherwise
    ],
)
def test_pieces_and_words(piece: str, word: str, whole: bool) -> None:
    targets = ["Paris", "zzzq", "embeddings", "Émile", "STRASSE", "emblems", "##ing"]
    exact = [True, False, False, True, True, False, True]
    item = {"token_str": piece, "score": 0.5}
    assert marked([item], targets, exact) == [
        {"token_str": piece, "score": 0.5, "target": word, "target_exact": whole}
    ]
    assert item == {"token_str": piece, "score": 0.5}


def test_where_nothing_was_split_every_piece_is_whole() -> None:
    (found,) = marked([{"token_str": " z "}], ["Paris"], [True])
    assert (found["target"], found["target_exact"]) == ("z", True)
    assert marked([], ["Paris"], [True]) == []
