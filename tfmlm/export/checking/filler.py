"""Fills masks with a checkpoint and its Hugging Face tokenizer, in Python.

The same contract as the SavedModel without its graph: what `tfmlm fill` uses on a checkpoint
folder, and what an export is held to.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfmlm.checkpoint.frame import frame_of
from tfmlm.export.encoder.predictor import ModelPredictor, TokenTypes
from tfmlm.export.graph.settings import DEFAULT_MAX_TEXT_BYTES, DEFAULT_TOP_K
from tfmlm.export.graph.vocabulary import Vocabulary


@dataclass
class Filled:
    """Answer for one text.

    Attributes:
        items: for each mask of the text its items, best first; empty outside the window.
        probabilities: float32 [masks in the window, vocabulary].
    """

    status: str
    mask_count: int
    items: list[list[dict[str, Any]]] = field(default_factory=list)
    filled: str = ""
    probabilities: Any = None
    target_exact: list[bool] = field(default_factory=list)


class CheckpointFiller:
    """Fills masks of texts one by one with a TF masked LM and a fast tokenizer."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        max_length: int,
        top_k: int = DEFAULT_TOP_K,
        max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
    ) -> None:
        self._tokenizer = tokenizer
        self._top_k = top_k
        self._max_text_bytes = max_text_bytes
        self._vocabulary = Vocabulary.of(tokenizer, model.config.vocab_size)
        self._special = set(self._vocabulary.special_ids)
        frame = frame_of(tokenizer)
        self._prefix, self._suffix = frame.before, frame.behind
        self._room = max_length - len(self._prefix) - len(self._suffix)
        self._predictor = ModelPredictor(model, TokenTypes.of(model, tokenizer))
        self.mask_token = tokenizer.mask_token

    def fill(
        self, text: str, top_k: int | None = None, targets: Sequence[str] | None = None
    ) -> Filled:
        """Fills the masks of one text."""
        tokenizer = self._tokenizer
        if len(text.encode("utf-8", "replace")) > self._max_text_bytes:
            return Filled("too_long", 0, filled=text)
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        masks = [i for i, token in enumerate(ids) if token == tokenizer.mask_token_id]
        if not masks:
            return Filled("no_mask", 0, filled=text)
        start = max(0, min(masks[0] - self._room // 2, len(ids) - self._room))
        window = ids[start : start + self._room]
        inside = [i for i in masks if start <= i < start + self._room]
        probabilities = self._predict(window, [i - start for i in inside])
        spans = [_content_span(text, offsets[i]) for i in inside]

        answer = Filled(
            "truncated" if len(ids) > self._room else "ok",
            len(masks),
            [[] for _ in masks],
            probabilities=probabilities,
        )
        words = []
        whole = [True] * len(targets or ())
        for row, (position, span) in enumerate(zip(inside, spans, strict=True)):
            if targets is None:
                order = np.argsort(-probabilities[row], kind="stable")
                order = order[: max(1, min(self._top_k if top_k is None else top_k, len(order)))]
            else:
                resolved = [self._resolve(target, text[: span[0]]) for target in targets]
                chosen = sorted({token for token, _ in resolved if token is not None})
                order = np.array(sorted(chosen, key=lambda i: -probabilities[row][i]), np.int64)
                whole = [w and r for w, (_, r) in zip(whole, resolved, strict=True)]
            items = [
                self._item(window, position - start, int(t), probabilities[row]) for t in order
            ]
            answer.items[masks.index(position)] = items
            words.append(self._vocabulary.word[order[0]] if len(order) else None)
        answer.filled = _replace(text, spans, words)
        answer.target_exact = whole
        return answer

    def _predict(self, window: list[int], positions: list[int]) -> np.ndarray:
        import tensorflow as tf

        row = tf.constant([[*self._prefix, *window, *self._suffix]], tf.int32)
        indices = tf.constant([[0, p + len(self._prefix)] for p in positions], tf.int32)
        logits = self._predictor(row, tf.ones_like(row), indices)
        return tf.nn.softmax(tf.cast(logits, tf.float32)).numpy()

    def _item(
        self, window: list[int], place: int, token: int, probability: np.ndarray
    ) -> dict[str, Any]:
        kept = [
            token if i == place else t
            for i, t in enumerate(window)
            if (i == place and token not in self._special)
            or (i != place and (t not in self._special or t == self._tokenizer.mask_token_id))
        ]
        return {
            "score": float(probability[token]),
            "token": token,
            "token_str": self._vocabulary.token_str[token],
            "sequence": self._tokenizer.decode(kept),
        }

    def _resolve(self, target: str, before: str) -> tuple[int | None, bool]:
        """The token of a target and whether it is the whole word."""
        vocabulary = self._vocabulary
        if not target:
            return None, False
        glued = _ends_in_a_word(before, vocabulary.marks_word_starts)
        spelled = vocabulary.ids.get(target)
        if spelled is not None and (
            (glued and vocabulary.marks_word_starts)
            or (not glued and vocabulary.at_word_start[spelled])
        ):
            return spelled, True
        plain = self._pieces(target)
        start = plain
        if vocabulary.word_start_prefix and not target[0].isspace():
            start = self._pieces(vocabulary.word_start_prefix + target)
        if spelled is not None and vocabulary.at_word_start[spelled]:
            start = plain = [spelled]
        if glued and plain:
            if len(plain) > 1 and plain[0] == vocabulary.bare_mark:
                return plain[1], len(plain) == 2
            if vocabulary.continuation[plain[0]] >= 0:
                return vocabulary.continuation[plain[0]], len(plain) == 1
        if not start:
            return None, False
        return start[0], len(start) == 1 and not glued

    def _pieces(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]


def _content_span(text: str, offsets: tuple[int, int]) -> tuple[int, int]:
    """Where a mask is, without the whitespace that it swallows."""
    begin, end = offsets
    content = text[begin:end]
    begin += len(content) - len(content.lstrip())
    return begin, end - (len(content) - len(content.rstrip()))


def _replace(text: str, spans: Sequence[tuple[int, int]], words: Sequence[str | None]) -> str:
    pieces, done = [], 0
    for (begin, end), word in zip(spans, words, strict=True):
        pieces += [text[done:begin], text[begin:end] if word is None else word]
        done = end
    return "".join([*pieces, text[done:]])


def _ends_in_a_word(before: str, after_punctuation: bool) -> bool:
    if not before or before[-1].isspace():
        return False
    if after_punctuation:
        return True
    last = before[-1]
    if last.isascii():
        return last.isalnum()
    ideograph = "CJK UNIFIED" in unicodedata.name(last, "") or "\uf900" <= last <= "\ufaff"
    return unicodedata.category(last)[0] not in "PCZ" and not ideograph
