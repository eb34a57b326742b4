"""Scores texts with a checkpoint and its Hugging Face tokenizer, in Python.

What `tfmlm score` uses on a checkpoint folder, and what the signature `score_text` of an export is
held to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfmlm.export.checking.logits import CheckpointLogits, log_softmax
from tfmlm.export.checking.tokens import TextReader, Tokens
from tfmlm.export.contract import DEFAULT_MAX_TEXT_BYTES

#: Tokens of all rows that the encoder takes at a time.
_CHUNK_TOKENS = 4096


@dataclass(frozen=True)
class ScoredText:
    """How probable a masked LM finds each token of a text, given all the others.

    Attributes:
        text: the text.
        status: `ok`; `truncated` (its first tokens were scored); `too_long` (not read); `empty`
            (it holds nothing to score).
        token: ids without special tokens.
        token_str: their strings, as `tokenizer.decode([id])` gives them.
        score: natural logs of their probabilities; 0 for mask tokens, which are not scored.
        token_count: how many tokens were scored.
    """

    text: str
    status: str
    token: list[int] = field(default_factory=list)
    token_str: list[str] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    token_count: int = 0

    @property
    def pseudo_log_likelihood(self) -> float:
        """Sum of the scores, in nats."""
        return math.fsum(self.score)

    @property
    def pseudo_perplexity(self) -> float | None:
        """exp of the mean surprise of a token; None if nothing was scored."""
        if not self.token_count:
            return None
        return math.exp(-self.pseudo_log_likelihood / self.token_count)


class CheckpointScorer:
    """Scores texts one by one with a TF masked LM and its tokenizer."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        max_length: int,
        max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
        logits: CheckpointLogits | None = None,
    ) -> None:
        """Takes a checkpoint; `logits` may be those of another user of the same model."""
        self._tokenizer = tokenizer
        self._max_text_bytes = max_text_bytes
        self._read = TextReader(tokenizer, max_length)
        self._logits = logits or CheckpointLogits(model, tokenizer)

    def score(self, text: str) -> ScoredText:
        """Masks every token of a text in turn."""
        tokenizer = self._tokenizer
        if len(text.encode("utf-8", "replace")) > self._max_text_bytes:
            return ScoredText(text, "too_long")
        tokens, room = self._read(text), self._read.room
        window = tokens.own[:room]
        places = [i for i, token in enumerate(window) if token != tokenizer.mask_token_id]
        scores = np.zeros([len(window)])
        if places:
            scores[places] = self._log_probabilities(tokens, len(window), places)
        status = "truncated" if len(tokens.own) > room else "ok"
        return ScoredText(
            text,
            status if places else "empty",
            token=window,
            token_str=[tokenizer.decode([token]) for token in window],
            score=scores.tolist(),
            token_count=len(places),
        )

    def _log_probabilities(
        self, tokens: Tokens, length: int, places: list[int]
    ) -> list[np.floating[Any]]:
        at_a_time = max(_CHUNK_TOKENS // length, 1)
        found: list[np.floating[Any]] = []
        for start in range(0, len(places), at_a_time):
            rows, columns = [], []
            for place in places[start : start + at_a_time]:
                row = tokens.part(0, length)
                row["input_ids"][tokens.begin + place] = self._tokenizer.mask_token_id
                rows.append(row)
                columns.append(tokens.begin + place)
            scores = log_softmax(self._logits(rows, list(enumerate(columns))))
            own = (tokens.own[place] for place in places[start : start + at_a_time])
            found += [score[token] for score, token in zip(scores, own, strict=True)]
        return found
