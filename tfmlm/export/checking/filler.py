"""Fills masks with a checkpoint and its Hugging Face tokenizer, in Python.

The same contract as the SavedModel without its graph: what `tfmlm fill` uses on a checkpoint
folder, and what an export is held to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfmlm.export.checking.logits import CheckpointLogits, softmax
from tfmlm.export.checking.tokens import TextReader, Tokens
from tfmlm.export.checking.words import Words
from tfmlm.export.contract import DEFAULT_MAX_TEXT_BYTES, DEFAULT_TOP_K


@dataclass
class Filled:
    """Answer for one text.

    Attributes:
        items: for each mask of the text its items, best first; empty outside the window.
        probabilities: float64 [masks in the window, vocabulary].
    """

    status: str
    mask_count: int
    items: list[list[dict[str, Any]]] = field(default_factory=list)
    filled: str = ""
    probabilities: Any = None
    target_exact: list[bool] = field(default_factory=list)


@dataclass
class Reading:
    """A text, cut to a window around its first mask, and what the model finds at its masks.

    Attributes:
        text: the text.
        status: `ok`, `truncated`, `no_mask` or `too_long`.
        tokens: the whole text; None if it is too long to be read.
        start, end: which of its own tokens the window holds.
        inside: which of its masks are in the window.
        probabilities: float64 [masks in the window, vocabulary]; None if none was asked for.
    """

    text: str
    status: str
    tokens: Tokens | None = None
    start: int = 0
    end: int = 0
    inside: list[int] = field(default_factory=list)
    probabilities: Any = None

    @property
    def mask_count(self) -> int:
        """All masks of the text."""
        return len(self.tokens.masks) if self.tokens is not None else 0

    def before(self, mask: int) -> str:
        """The text before one of its masks."""
        assert self.tokens is not None
        return self.text[: self.tokens.spans[mask][0]]

    def filled(self, words: dict[int, str]) -> str:
        """The text with words in place of some of its masks, by the mask's number."""
        pieces, done = [], 0
        for mask, word in sorted(words.items()):
            assert self.tokens is not None
            begin, end = self.tokens.spans[mask]
            pieces += [self.text[done:begin], word]
            done = end
        return "".join([*pieces, self.text[done:]])


class CheckpointFiller:
    """Fills masks of texts one by one with a TF masked LM and its tokenizer."""

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
        self.logits = CheckpointLogits(model, tokenizer)
        self.read_tokens = TextReader(tokenizer, max_length)
        self.words = Words(tokenizer, self.read_tokens, model.config.vocab_size)
        self.mask_token = tokenizer.mask_token

    def fill(
        self, text: str, top_k: int | None = None, targets: Sequence[str] | None = None
    ) -> Filled:
        """Fills the masks of one text."""
        reading = self.read(text)
        answer = Filled(reading.status, reading.mask_count, filled=text)
        answer.items = [[] for _ in range(reading.mask_count)]
        answer.probabilities = reading.probabilities
        best = {}
        for row, mask in enumerate(reading.inside):
            probability = reading.probabilities[row]
            tokens = self.best(reading, row, self._top_k if top_k is None else top_k, targets)
            answer.items[mask] = [
                {
                    "score": float(probability[token]),
                    "token": token,
                    "token_str": self.words.string(token),
                    "sequence": self.sequence(reading, mask, token),
                }
                for token in tokens
            ]
            if tokens:
                best[mask] = self.words.word(tokens[0])
        answer.filled = reading.filled(best)
        answer.target_exact = self.target_exact(reading, targets or ())
        return answer

    def read(self, text: str, with_model: bool = True) -> Reading:
        """Reads a text; without the model no probabilities are computed."""
        if len(text.encode("utf-8", "replace")) > self._max_text_bytes:
            return Reading(text, "too_long")
        tokens, room = self.read_tokens(text), self.read_tokens.room
        if not tokens.masks:
            return Reading(text, "no_mask", tokens)
        length = len(tokens.own)
        start = max(0, min(tokens.masks[0] - room // 2, length - room))
        end = min(start + room, length)
        inside = [m for m, place in enumerate(tokens.masks) if start <= place < end]
        reading = Reading(text, "truncated" if length > room else "ok", tokens, start, end, inside)
        if with_model:
            places = [(0, tokens.begin + tokens.masks[mask] - start) for mask in inside]
            row = tokens.part(start, end - start)
            reading.probabilities = softmax(self.logits([row], places))
        return reading

    def best(
        self, reading: Reading, row: int, top_k: int, targets: Sequence[str] | None = None
    ) -> list[int]:
        """Best tokens at a mask of the window, or the order of target words there.

        Args:
            row: which mask of the window.
            top_k: how many, at least one.
        """
        probability = reading.probabilities[row]
        if targets is None:
            return np.argsort(-probability, kind="stable")[: max(1, top_k)].tolist()
        before = reading.before(reading.inside[row])
        found = (self.words.target(target, before)[0] for target in targets)
        chosen = {token for token in found if token is not None}
        return sorted(chosen, key=lambda token: (-probability[token], token))

    def target_exact(self, reading: Reading, targets: Sequence[str]) -> list[bool]:
        """Whether each target is one token at every mask that was scored.

        At a word start where none was scored.
        """
        places = [reading.before(mask) for mask in reading.inside] or [""]
        return [all(self.words.target(word, before)[1] for before in places) for word in targets]

    def sequence(self, reading: Reading, mask: int, token: int) -> str:
        """The window with one mask filled, other masks left, without special tokens."""
        tokens, special = reading.tokens, self.words.special
        assert tokens is not None
        row = tokens.part(reading.start, reading.end - reading.start)["input_ids"]
        place = tokens.begin + tokens.masks[mask] - reading.start
        row[place] = token
        if len(reading.inside) == 1:
            return self._tokenizer.decode(row, skip_special_tokens=True)
        masks = {self._tokenizer.mask_token_id}
        kept = [
            i for at, i in enumerate(row) if i not in (special if at == place else special - masks)
        ]
        return self._tokenizer.decode(kept)
