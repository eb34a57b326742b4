"""What the tests of the pictures draw: scored texts and filled words."""

from __future__ import annotations

from tfmlm.score import ScoredText

CALM = ScoredText("a b", "ok", [1, 2], [" a", " b"], [-0.1, -0.1], 2)
STARTLED = ScoredText("a b", "ok", [1, 2], [" a", " b"], [-0.1, -9.9], 2)


def items(*scores: float) -> list[dict]:
    """Items of one mask with these probabilities."""
    return [{"score": s, "token_str": f" w{i}"} for i, s in enumerate(scores)]
