"""What can score texts: exports and checkpoint folders."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tfmlm.errors import UserError

if TYPE_CHECKING:
    from tfmlm.export.checking.scorer import ScoredText

#: Texts of one call of an export; its graph runs their rows in chunks of its own.
_BATCH = 16


class Scorer(Protocol):
    """Anything that scores texts."""

    def score(self, texts: Sequence[str]) -> list[ScoredText]:
        """Scores texts, in their order.

        Raises:
            UserError: a text holds nothing to score or is over the byte limit.
        """


def open_scorer(target: str | os.PathLike[str]) -> Scorer:
    """The scorer of an export folder (or one version of it) or of a checkpoint folder.

    Raises:
        UserError: it is neither, or an export without the signature `score_text`.
    """
    folder = Path(target)
    if not folder.is_dir():
        raise UserError(f"no folder {target}; give an export folder or a checkpoint folder")
    if (folder / "config.json").exists():
        return CheckpointTarget(folder)
    return ExportTarget(folder)


def corpus_pseudo_perplexity(scored: Iterable[ScoredText]) -> float | None:
    """exp of the mean surprise of all tokens of all texts (Salazar et al. 2020, section 2.3).

    None if nothing was scored.
    """
    texts = list(scored)
    tokens = sum(text.token_count for text in texts)
    if not tokens:
        return None
    return math.exp(-math.fsum(text.pseudo_log_likelihood for text in texts) / tokens)


class ExportTarget:
    """A SavedModel with the signature `score_text`."""

    def __init__(self, folder: Path) -> None:
        from tfmlm.export import load

        self._loaded = load(folder)
        if "score_text" not in self._loaded.signatures:
            raise UserError(
                f"{self._loaded.path} has no signature score_text: its tokenizer has no graph, or "
                "an older tfmlm made it; score the checkpoint folder, or export it again"
            )

    def score(self, texts: Sequence[str]) -> list[ScoredText]:
        """Scores texts, some at a time."""
        import numpy as np

        scored: list[ScoredText] = []
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            raw = np.array([text.encode("utf-8", "replace") for text in batch], object)
            outputs = self._loaded.predict("score_text", {"text": raw})
            scored += [_scored(outputs, row, text) for row, text in enumerate(batch)]
        return _checked(scored)


class CheckpointTarget:
    """A checkpoint folder without an export."""

    def __init__(self, folder: Path) -> None:
        from tfmlm.checkpoint.frame import frame_of
        from tfmlm.checkpoint.load import load_model, load_tokenizer
        from tfmlm.export.checking.scorer import CheckpointScorer
        from tfmlm.export.lengths import choose_max_length

        model, tokenizer = load_model(folder), load_tokenizer(folder)
        length = choose_max_length(model, tokenizer, None, len(frame_of(tokenizer)))
        self._scorer = CheckpointScorer(model, tokenizer, length)

    def score(self, texts: Sequence[str]) -> list[ScoredText]:
        """Scores texts one by one."""
        return _checked([self._scorer.score(text) for text in texts])


def _scored(outputs: dict[str, Any], row: int, text: str) -> ScoredText:
    from tfmlm.export.checking.scorer import ScoredText

    token = outputs["token"][row]
    token = token[token >= 0]
    return ScoredText(
        text,
        outputs["status"][row].decode(),
        token=token.tolist(),
        token_str=[s.decode("utf-8", "replace") for s in outputs["token_str"][row][: len(token)]],
        score=outputs["score"][row][: len(token)].tolist(),
        token_count=int(outputs["token_count"][row]),
    )


def _checked(scored: list[ScoredText]) -> list[ScoredText]:
    for number, one in enumerate(scored, start=1):
        which = f"text {number}" if len(scored) > 1 else "the text"
        shown = repr(one.text if len(one.text) <= 60 else one.text[:60] + "…")
        if one.status == "empty":
            raise UserError(f"{which} holds no token to score: {shown}")
        if one.status == "too_long":
            raise UserError(
                f"{which} is over the byte limit ({len(one.text.encode())} bytes): {shown}; "
                "shorten it or split it into sentences"
            )
    return scored
