"""Scores texts with a checkpoint and its Hugging Face tokenizer, in Python.

What `tfmlm score` uses on a checkpoint folder, and what the signature `score_text` of an export is
held to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfmlm.checkpoint.frame import frame_of
from tfmlm.export.encoder.predictor import ModelPredictor, TokenTypes
from tfmlm.export.graph.settings import DEFAULT_MAX_TEXT_BYTES

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
    """Scores texts one by one with a TF masked LM and a fast tokenizer."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        max_length: int,
        max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
    ) -> None:
        self._tokenizer = tokenizer
        self._max_text_bytes = max_text_bytes
        frame = frame_of(tokenizer)
        self._prefix, self._suffix = frame.before, frame.behind
        self._room = max_length - len(self._prefix) - len(self._suffix)
        self._predictor = ModelPredictor(model, TokenTypes.of(model, tokenizer))

    def score(self, text: str) -> ScoredText:
        """Masks every token of a text in turn."""
        tokenizer = self._tokenizer
        if len(text.encode("utf-8", "replace")) > self._max_text_bytes:
            return ScoredText(text, "too_long")
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        window = ids[: self._room]
        places = [i for i, token in enumerate(window) if token != tokenizer.mask_token_id]
        scores = np.zeros([len(window)])
        if places:
            scores[places] = self._log_probabilities(window, places)
        status = "truncated" if len(ids) > self._room else "ok"
        return ScoredText(
            text,
            status if places else "empty",
            token=window,
            token_str=[tokenizer.decode([token]) for token in window],
            score=scores.tolist(),
            token_count=len(places),
        )

    def _log_probabilities(self, window: list[int], places: list[int]) -> np.ndarray:
        import tensorflow as tf

        row = np.array([*self._prefix, *window, *self._suffix], np.int32)
        columns = np.array(places) + len(self._prefix)
        at_a_time = max(_CHUNK_TOKENS // len(row), 1)
        found = []
        for start in range(0, len(columns), at_a_time):
            own = columns[start : start + at_a_time]
            numbers = np.arange(len(own))
            rows = np.tile(row, [len(own), 1])
            rows[numbers, own] = self._tokenizer.mask_token_id
            indices = np.stack([numbers, own], 1).astype(np.int32)
            ids = tf.constant(rows)
            logits = self._predictor(ids, tf.ones_like(ids), tf.constant(indices))
            scores = tf.nn.log_softmax(tf.cast(logits, tf.float32)).numpy()
            found.append(scores[numbers, row[own]])
        return np.concatenate(found)
