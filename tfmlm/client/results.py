"""What clients return: the fill-mask pipeline's shapes, with types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfmlm.client.errors import ServingError
from tfmlm.errors import UserError

#: Outputs of an export that `fill` needs.
NEEDED_OUTPUTS = ("score", "token", "token_str", "sequence", "mask_count", "status")
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
    """

    masks: list[list[Fill]] = field(default_factory=list)
    status: str = "ok"
    mask_count: int = 0
    filled: str | None = None

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
        ServingError: an output is missing or has another number of rows.
    """
    for name in NEEDED_OUTPUTS:
        if name not in outputs:
            raise ServingError(
                "FAILED_PRECONDITION",
                f"the model has no output {name!r}; it is not an export of tfmlm. "
                f"Received: {', '.join(sorted(outputs))}",
                address,
            )
        if len(outputs[name]) != rows:
            raise ServingError(
                "INTERNAL",
                f"{rows} texts sent, {len(outputs[name])} rows of {name!r} back",
                address,
            )
    filled = outputs.get("filled") or [None] * rows
    answers = []
    for row in range(rows):
        count = outputs["mask_count"][row]
        columns = [outputs[name][row] for name in ("score", "token", "token_str", "sequence")]
        masks = [
            [Fill(*values) for values in zip(*mask, strict=True) if values[1] >= 0]
            for mask in zip(*columns, strict=True)
        ][:count]
        masks += [[] for _ in range(count - len(masks))]
        if top_k is not None:
            masks = [mask[: top_k[row]] for mask in masks]
        answers.append(Answer(masks, outputs["status"][row], count, filled[row]))
    return answers


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
