"""How large an answer will be: told before the model runs where that can be known, and again before
the answer is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfmlm.serve.status import invalid_argument

#: What an export says about itself (`tfmlm export` writes it).
_RECORD = Path("assets.extra") / "tfmlm.json"
#: Bytes of a candidate beside its sequence (score, token, word), and of a place without one.
_CANDIDATE_BYTES, _EMPTY_BYTES = 60, 24
_NUMBER_BYTES, _STRING_BYTES = 12, 4
#: Longest token that a length in tokens is taken for, in bytes.
TOKEN_BYTES = 8


@dataclass(frozen=True)
class ExportFacts:
    """What of an export decides how much it answers.

    Attributes:
        mask_token: as text.
        vocab_size: most candidates of a mask.
        max_length: most tokens of a text that are looked at.
        top_k: candidates of a mask where a request does not say.
    """

    mask_token: str
    vocab_size: int
    max_length: int
    top_k: int

    @classmethod
    def read(cls, folder: Path) -> ExportFacts | None:
        """The facts of a version folder; None if it is not an export of tfmlm."""
        try:
            record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
            return cls(
                mask_token=str(record["tokenizer"]["mask_token"]),
                vocab_size=int(record["model"]["vocab_size"]),
                max_length=int(record["defaults"]["max_length"]),
                top_k=int(record["defaults"]["top_k"]),
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None


def expected_bytes(facts: ExportFacts, arrays: dict[str, np.ndarray]) -> int:
    """About how many bytes the answer to a request for filling masks has; 0 for other requests.

    Args:
        arrays: inputs by name: `text` [rows], and `top_k` [rows] or `targets` [rows, n] if given.
    """
    text = arrays.get("text")
    if text is None or text.ndim != 1 or text.dtype.kind != "O":
        return 0
    mask = facts.mask_token.encode()
    lengths = [len(value) for value in text.tolist()]
    masks = [value.count(mask) for value in text.tolist()]
    if "targets" in arrays:
        ks = [arrays["targets"].shape[-1]] * len(masks)
    elif "top_k" in arrays:
        ks = np.clip(arrays["top_k"].ravel(), 1, facts.vocab_size).tolist()
    else:
        ks = [facts.top_k] * len(masks)
    size = sum(lengths) + len(masks) * max(masks, default=0) * max(ks, default=0) * _EMPTY_BYTES
    for length, count, k in zip(lengths, masks, ks, strict=False):
        window = min(length, facts.max_length * TOKEN_BYTES)
        size += min(count, facts.max_length) * k * (window + _CANDIDATE_BYTES)
    return size


def bytes_of(outputs: list[np.ndarray], most: int) -> int:
    """About how many bytes outputs have in an answer; some number over `most` if it is over it."""
    size = sum(array.size for array in outputs) * _STRING_BYTES
    if size > most:
        return size
    size = 0
    for array in outputs:
        if array.dtype.kind == "O":
            size += sum(map(len, array.ravel().tolist())) + array.size * _STRING_BYTES
        else:
            size += array.size * _NUMBER_BYTES
    return size


def require_answer_fits(size: int, most: int) -> None:
    """Raises StatusError (INVALID_ARGUMENT) if an answer would be larger than `most` bytes."""
    if size > most:
        raise invalid_argument(
            f"the answer would have about {_in_words(size)}; this server gives at most "
            f"{_in_words(most)} (--max_answer_bytes): ask for fewer texts, masks or candidates"
        )


def _in_words(size: int) -> str:
    return f"{size} bytes" if size < 10_000 else f"{size / 1e6:.1f} MB"


def is_export_signature(name: str, signature: Any) -> bool:
    """Whether a signature is one that fills masks, whose rows do not touch each other."""
    return name in {
        "serving_default",
        "fill_mask_top_k",
        "fill_mask_targets",
        "fill_mask_ids",
    } and ("text" in signature.inputs or "input_ids" in signature.inputs)
