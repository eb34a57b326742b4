"""What can score texts: exports and checkpoint folders."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tfmlm.errors import UserError

if TYPE_CHECKING:
    from tfmlm.checkpoint.opened import OpenedCheckpoint
    from tfmlm.export.checking.scorer import ScoredText


#: Texts whose scores a server's client is asked for at a time.
_SENT = 64


class Scorer(Protocol):
    """Anything that scores texts."""

    def score(self, texts: Sequence[str]) -> list[ScoredText]:
        """Scores texts, in their order.

        Raises:
            UserError: a text holds nothing to score or is over the byte limit.
        """

    def score_each(
        self,
        texts: Iterable[str],
        *,
        errors: str = "raise",
        on_rows: Callable[[int], None] | None = None,
    ) -> Iterator[ScoredText]:
        """Yields the scores of any number of texts, read as it goes.

        Args:
            texts: any number.
            errors: `raise`, or `ignore` for a text without scores, whose status says why.
            on_rows: told how many more texts are done with.

        Raises:
            UserError: a text holds nothing to score or is over the byte limit (`raise`).
        """


def open_scorer(target: str | os.PathLike[str], *, allow_untrained_head: bool = False) -> Scorer:
    """The scorer of an export folder (or one version of it), a checkpoint folder, a model's name
    on the Hub, or a server's address (`http://host:port/v1/models/NAME`, `grpc://host:port/NAME`).

    Args:
        target: as said.
        allow_untrained_head: whether a checkpoint may lack weights of its masked-LM head.

    Raises:
        UserError: it is none of them, or an export without the signature `score_text`.
    """
    address = os.fspath(target)
    if "://" in address:
        from tfmlm.client import connect

        return ServerScores(connect(address))
    from tfmlm.checkpoint.load import may_be_hub_name

    folder = Path(target)
    on_hub = may_be_hub_name(address)
    if not folder.is_dir() and not on_hub:
        raise UserError(
            f"no folder {target}; give an export folder, a checkpoint folder, a model's name on "
            "the Hub, http://host:port/v1/models/NAME or grpc://host:port/NAME"
        )
    if on_hub or (folder / "config.json").exists():
        from tfmlm.checkpoint.opened import open_checkpoint

        return CheckpointScores(open_checkpoint(address, allow_untrained_head=allow_untrained_head))
    return ExportScores(folder)


def corpus_pseudo_perplexity(scored: Iterable[ScoredText]) -> float | None:
    """exp of the mean surprise of all tokens of all texts (Salazar et al. 2020, section 2.3).

    None if nothing was scored.
    """
    total = Totals()
    for text in scored:
        total.add(text)
    return total.pseudo_perplexity


class Totals:
    """Figures of all texts together, added up text by text.

    Attributes:
        texts: how many there were.
        token_count: how many tokens were scored.
    """

    def __init__(self) -> None:
        self.texts = self.token_count = 0
        self._log_likelihood = 0.0

    def add(self, scored: ScoredText) -> None:
        """Adds a text."""
        self.texts += 1
        self.token_count += scored.token_count
        self._log_likelihood += scored.pseudo_log_likelihood

    @property
    def pseudo_perplexity(self) -> float | None:
        """exp of the mean surprise of a token; None if nothing was scored."""
        if not self.token_count:
            return None
        return math.exp(-self._log_likelihood / self.token_count)


class ExportScores:
    """A SavedModel with the signature `score_text`."""

    def __init__(self, folder: Path) -> None:
        from tfmlm.batch import BatchFiller
        from tfmlm.export import load

        loaded = load(folder)
        if "score_text" not in loaded.signatures:
            raise UserError(
                f"{loaded.path} has no signature score_text: its tokenizer has no graph, or "
                "an older tfmlm made it; score the checkpoint folder, or export it again"
            )
        self._filler = BatchFiller(loaded, signature="score_text")

    def score(self, texts: Sequence[str]) -> list[ScoredText]:
        """Scores texts, in their order."""
        return list(_checked(self._scored(texts, None), "raise", len(texts) == 1))

    def score_each(
        self,
        texts: Iterable[str],
        *,
        errors: str = "raise",
        on_rows: Callable[[int], None] | None = None,
    ) -> Iterator[ScoredText]:
        """Scores any number of texts, those of like length together."""
        return _checked(self._scored(texts, on_rows), errors)

    def _scored(
        self, texts: Iterable[str], on_rows: Callable[[int], None] | None
    ) -> Iterator[ScoredText]:
        from tfmlm.export.checking.scorer import ScoredText

        asked, beside = itertools.tee(texts)
        for row, text in zip(self._filler(asked, on_rows=on_rows), beside, strict=True):
            yield ScoredText(
                text,
                row.status,
                token=[item["token"] for item in row.tokens],
                token_str=[item["token_str"] for item in row.tokens],
                score=[item["score"] for item in row.tokens],
                token_count=row.token_count,
            )


class CheckpointScores:
    """A checkpoint without an export."""

    def __init__(self, opened: OpenedCheckpoint) -> None:
        from tfmlm.export.checking.scorer import CheckpointScorer

        self._scorer = CheckpointScorer(opened.model, opened.tokenizer, opened.max_length)

    def score(self, texts: Sequence[str]) -> list[ScoredText]:
        """Scores texts one by one."""
        return list(_checked(map(self._scorer.score, texts), "raise", len(texts) == 1))

    def score_each(
        self,
        texts: Iterable[str],
        *,
        errors: str = "raise",
        on_rows: Callable[[int], None] | None = None,
    ) -> Iterator[ScoredText]:
        """Scores any number of texts, one by one."""
        for scored in _checked(map(self._scorer.score, texts), errors):
            if on_rows is not None:
                on_rows(1)
            yield scored


class ServerScores:
    """A server, asked for some texts at a time."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def score(self, texts: Sequence[str]) -> list[ScoredText]:
        """Scores texts, in their order."""
        return list(_checked(self._scored(texts, None), "raise", len(texts) == 1))

    def score_each(
        self,
        texts: Iterable[str],
        *,
        errors: str = "raise",
        on_rows: Callable[[int], None] | None = None,
    ) -> Iterator[ScoredText]:
        """Scores any number of texts, in slices whose batches are the client's."""
        return _checked(self._scored(texts, on_rows), errors)

    def _scored(
        self, texts: Iterable[str], on_rows: Callable[[int], None] | None
    ) -> Iterator[ScoredText]:
        from tfmlm.export.checking.scorer import ScoredText

        source = iter(texts)
        while some := list(itertools.islice(source, _SENT)):
            for text, one in zip(some, self._client.score(some), strict=True):
                yield ScoredText(
                    text,
                    one.status,
                    token=one.token,
                    token_str=one.token_str,
                    score=one.score,
                    token_count=one.token_count,
                )
            if on_rows is not None:
                on_rows(len(some))


def _checked(
    scored: Iterable[ScoredText], errors: str, single: bool = False
) -> Iterator[ScoredText]:
    for number, one in enumerate(scored, start=1):
        if errors == "raise":
            _require_scores(one, "the text" if single else f"text {number}")
        yield one


def _require_scores(one: ScoredText, which: str) -> None:
    shown = repr(one.text if len(one.text) <= 60 else one.text[:60] + "…")
    if one.status == "empty":
        raise UserError(f"{which} holds no token to score: {shown}")
    if one.status == "too_long":
        raise UserError(
            f"{which} is over the byte limit ({len(one.text.encode())} bytes): {shown}; "
            "shorten it or split it into sentences"
        )
