"""Arrays of the text signatures as the lists of transformers' fill-mask pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmlm.errors import UserError


def refuse_unfilled(number: int, single: bool, text: bytes, status: str, mask_token: str) -> None:
    """Checks one text's status.

    Args:
        number: of the text, from 1.
        single: whether it is the only one.
        text: in UTF-8.
        status: what the export says of it.
        mask_token: what stands for a word.

    Raises:
        UserError: it has no mask or is over the byte limit of the export.
    """
    which = "the text" if single else f"text {number}"
    if status == "no_mask":
        shown = text[:240].decode("utf-8", "replace")
        shown = repr(shown if len(shown) <= 60 else shown[:60] + "…")
        raise UserError(f"{which} holds no {mask_token}: {shown}; put one where a word is asked")
    if status == "too_long":
        raise UserError(
            f"{which} is over the byte limit of the export ({len(text)} bytes); "
            "shorten it or export with a larger --max_text_bytes"
        )


def pipeline_items(outputs: Mapping[str, Any], limit: int | None = None) -> list[Any]:
    """What the pipeline returns for each text.

    Args:
        outputs: `score`, `token`, `token_str`, `sequence` [batch, masks, k], `mask_count` [batch].
        limit: most items a mask.

    Returns:
        For each text a list of items, or a list of lists if it has several masks. Masks outside
        the window of a long text have an empty list.
    """
    results: list[Any] = []
    for row, count in enumerate(outputs["mask_count"]):
        masks = [_items(outputs, row, mask)[:limit] for mask in range(int(count))]
        results.append(masks[0] if len(masks) == 1 else masks)
    return results


def _items(outputs: Mapping[str, Any], row: int, mask: int) -> list[dict[str, Any]]:
    tokens = outputs["token"][row][mask]
    return [
        {
            "score": float(outputs["score"][row][mask][i]),
            "token": int(token),
            "token_str": _string(outputs["token_str"][row][mask][i]),
            "sequence": _string(outputs["sequence"][row][mask][i]),
        }
        for i, token in enumerate(tokens)
        if token >= 0
    ]


def _string(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
