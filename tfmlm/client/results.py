"""What clients return: the fill-mask pipeline's shapes, with types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfmlm.client.errors import ServingError
from tfmlm.errors import UserError

#: Outputs of an export that `fill` needs.
NEEDED_OUTPUTS = ("score", "token", "token_str", "sequence", "mask_count", "status")
#: Most masks of a text that an answer may count and have no places for.
MAX_MASKS_OUTSIDE = 1024
#: One list of fills for a text with one mask, a list per mask for a text with several.
Fills = "list[Fill] | list[list[Fill]]"


class Fill(dict):
    """One candidate for one mask: the pipeline's dict, whose keys are attributes too.

    Attributes:
        score: probability over the whole vocabulary.
        token: token id.
        token_str: the token as text.
        sequence: the text with this mask filled, other masks left.
    """

    def __init__(self, score: float, token: int, token_str: str, sequence: str) -> None:
        super().__init__(score=score, token=token, token_str=token_str, sequence=sequence)

    @property
    def score(self) -> float:
        return self["score"]

    @property
    def token(self) -> int:
        return self["token"]

    @property
    def token_str(self) -> str:
        return self["token_str"]

    @property
    def sequence(self) -> str:
        return self["sequence"]

    def __reduce__(self) -> tuple[Any, ...]:
        return Fill, (self.score, self.token, self.token_str, self.sequence)


@dataclass(frozen=True)
class Answer:
    """Everything the server says about one text.

    Attributes:
        masks: candidates of each mask, best first; empty for a mask outside the model's window.
        status: `ok`, `no_mask`, `truncated` or `too_long`.
        mask_count: masks in the text, also those outside the window.
        filled: the caller's text with every mask filled; None where it was not asked for.
        target_exact: for each target, whether it is one piece of the vocabulary; one that is not
            was scored by its first piece. None without targets.
    """

    masks: list[list[Fill]] = field(default_factory=list)
    status: str = "ok"
    mask_count: int = 0
    filled: str | None = None
    target_exact: list[bool] | None = None

    @property
    def fills(self) -> list[Fill] | list[list[Fill]]:
        """The pipeline's shape: a list for one mask, a list per mask for several."""
        return self.masks[0] if len(self.masks) == 1 else self.masks


def answers_from_outputs(
    outputs: Mapping[str, Any], rows: int, address: str, top_k: Sequence[int] | None = None
) -> list[Answer]:
    """Reads one reply.

    Args:
        outputs: nested lists by output name; `score`, `token`, `token_str` and `sequence` are
            [rows, masks, k].
        top_k: keep at most so many candidates of each row.

    Raises:
        ServingError: an output is missing, has another number of rows, or is not of the shape and
            the types that an export of tfmlm answers with; says which one and where.
    """
    for name in NEEDED_OUTPUTS:
        if name not in outputs:
            raise ServingError(
                "FAILED_PRECONDITION",
                f"the model has no output {name!r}; it is not an export of tfmlm. "
                f"Received: {', '.join(sorted(outputs))}",
                address,
            )
    columns = {name: outputs[name] for name in NEEDED_OUTPUTS}
    for name in ("filled", "target_exact"):
        columns[name] = outputs.get(name)
        if columns[name] is None:
            columns[name] = [None] * rows
    try:
        for name, column in columns.items():
            if not isinstance(column, list):
                raise _WrongShape(f"{name!r} is {_kind(column)}, not a list")
            if len(column) != rows:
                raise _WrongShape(f"{rows} texts sent, {len(column)} rows of {name!r} back")
        return [
            _answer({name: column[row] for name, column in columns.items()}, row, top_k)
            for row in range(rows)
        ]
    except _WrongShape as error:
        raise ServingError("INTERNAL", f"the answer is wrong: {error}", address) from None


class _WrongShape(Exception):
    """What of an answer is not as it has to be."""


def _answer(values: dict[str, Any], row: int, top_k: Sequence[int] | None) -> Answer:
    count, status, filled = values["mask_count"], values["status"], values["filled"]
    if not _is(count, int) or count < 0:
        raise _WrongShape(f"'mask_count'[{row}] is {_kind(count)}, not a number of masks")
    if not isinstance(status, str):
        raise _WrongShape(f"'status'[{row}] is {_kind(status)}, not a string")
    if filled is not None and not isinstance(filled, str):
        raise _WrongShape(f"'filled'[{row}] is {_kind(filled)}, not a string")
    per_mask = [_list(values[name], f"{name!r}[{row}]") for name in _CANDIDATES]
    _require_equal_lengths(per_mask, f"[{row}]", "masks")
    if count > len(per_mask[0]) + MAX_MASKS_OUTSIDE:
        raise _WrongShape(
            f"'mask_count'[{row}] is {count} where there are {len(per_mask[0])} masks"
        )
    masks = []
    for number in range(min(count, len(per_mask[0]))):
        where = f"[{row}][{number}]"
        lists = [
            _list(mask[number], f"{name!r}{where}")
            for name, mask in zip(_CANDIDATES, per_mask, strict=True)
        ]
        _require_equal_lengths(lists, where, "candidates")
        for name, candidates in zip(_CANDIDATES, lists, strict=True):
            kind = _CANDIDATES[name]
            for value in candidates:
                if not _is(value, kind) or (isinstance(value, int) and abs(value) >= 1 << 31):
                    raise _WrongShape(f"{name!r}{where} holds {_kind(value)}")
        fills = [Fill(float(s), t, *texts) for s, t, *texts in zip(*lists, strict=True) if t >= 0]
        masks.append(fills if top_k is None else fills[: top_k[row]])
    masks += [[] for _ in range(count - len(masks))]
    exact = values["target_exact"]
    if exact is not None:
        for value in _list(exact, f"'target_exact'[{row}]"):
            if not isinstance(value, bool):
                raise _WrongShape(f"'target_exact'[{row}] holds {_kind(value)}")
    return Answer(masks, status, count, filled, exact)


@dataclass(frozen=True)
class Scores:
    """How probable the model finds each token of a text, each masked in turn.

    Attributes:
        token: ids without special tokens.
        token_str: the tokens as text.
        score: natural logs of their probabilities; 0 for mask tokens, which are not scored.
        token_count: how many tokens were scored.
        status: `ok`, `truncated`, `too_long` or `empty`.
    """

    token: list[int]
    token_str: list[str]
    score: list[float]
    token_count: int
    status: str


def scores_from_outputs(outputs: Mapping[str, Any], rows: int, address: str) -> list[Scores]:
    """Reads one reply of the signature `score_text`.

    Raises:
        ServingError: an output is missing, or not of the shape and the types that an export of
            tfmlm answers with.
    """
    names = ("token", "token_str", "score", "token_count", "status")
    try:
        columns = [_list(outputs.get(name), repr(name)) for name in names]
        if any(len(column) != rows for column in columns):
            raise _WrongShape(f"{rows} texts sent, another number of rows back")
        return [_scores(*values) for values in zip(*columns, strict=True)]
    except _WrongShape as error:
        raise ServingError("INTERNAL", f"the answer is wrong: {error}", address) from None


def _scores(token: Any, token_str: Any, score: Any, count: Any, status: Any) -> Scores:
    lists = [_list(token, "'token'"), _list(token_str, "'token_str'"), _list(score, "'score'")]
    if not _is(count, int) or not isinstance(status, str) or len({len(v) for v in lists}) != 1:
        raise _WrongShape("'token', 'token_str' and 'score' differ in length, or a type is wrong")
    kept = [row for row in zip(*lists, strict=True) if _is(row[0], int) and row[0] >= 0]
    if not all(isinstance(s, str) and _is(value, int | float) for _, s, value in kept):
        raise _WrongShape("'token_str' or 'score' holds a wrong type")
    ids, strings, values = ([row[i] for row in kept] for i in range(3))
    return Scores(ids, strings, [float(value) for value in values], count, status)


#: Outputs [rows, masks, k] and what their elements are.
_CANDIDATES: dict[str, Any] = {
    "score": int | float,
    "token": int,
    "token_str": str,
    "sequence": str,
}


def _is(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _WrongShape(f"{where} is {_kind(value)}, not a list")
    return value


def _require_equal_lengths(lists: list[list[Any]], where: str, what: str) -> None:
    for name, values in zip(_CANDIDATES, lists, strict=True):
        if len(values) != len(lists[0]):
            raise _WrongShape(
                f"'score'{where} has {len(lists[0])} {what}, {name!r}{where} {len(values)}"
            )


def _kind(value: Any) -> str:
    """A value for a message, cut."""
    shown = repr(value) if isinstance(value, str | int | float | None) else ""
    kind = "null" if value is None else type(value).__name__
    return f"{kind} {shown[:40]}" if shown and value is not None else kind


def require_masks(texts: Sequence[str | bytes], answers: Sequence[Answer]) -> None:
    """Raises UserError naming the first text that the model could not fill."""
    for number, (text, answer) in enumerate(zip(texts, answers, strict=True), 1):
        if answer.status in ("ok", "truncated"):
            continue
        reason = {
            "no_mask": "has no mask token",
            "too_long": "is longer than the model accepts",
        }.get(answer.status, f"was not filled: {answer.status}")
        shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        shown = shown if len(shown) <= 60 else shown[:60] + "…"
        raise UserError(
            f"text {number} of {len(texts)} {reason}: {shown!r} "
            "(errors='ignore' gives an empty list for it)"
        )
