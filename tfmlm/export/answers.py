"""Arrays of the text signatures as the lists of transformers' fill-mask pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tfmlm.errors import UserError


def require_masks(texts: Sequence[str], statuses: Iterable[Any], mask_token: str) -> None:
    """Checks that every text could be filled.

    Raises:
        UserError: a text has no mask or is over the byte limit of the export.
    """
    for number, (text, status) in enumerate(zip(texts, statuses, strict=True), start=1):
        which = f"text {number}" if len(texts) > 1 else "the text"
        shown = repr(text if len(text) <= 60 else text[:60] + "…")
        if _string(status) == "no_mask":
            raise UserError(
                f"{which} holds no {mask_token}: {shown}; put one where a word is asked"
            )
        if _string(status) == "too_long":
            raise UserError(
                f"{which} is over the byte limit of the export ({len(text.encode())} bytes); "
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
