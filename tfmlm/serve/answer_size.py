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
#: Bytes of text that a token has, few rather than many.
_BYTES_OF_TOKEN = 4
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
    if not _has_texts(arrays):
        return 0
    texts = arrays["text"].tolist()
    masks = [text.count(facts.mask_token.encode()) for text in texts]
    most = max(masks, default=0) * max(_candidates(facts, arrays), default=0)
    places = len(texts) * most * _EMPTY_BYTES
    return sum(map(len, texts)) + places + sum(candidate_bytes(facts, arrays))


def candidate_bytes(facts: ExportFacts, arrays: dict[str, np.ndarray]) -> list[int]:
    """About how many bytes the candidates of each row have in the answer."""
    mask = facts.mask_token.encode()
    sizes = []
    for text, k in zip(arrays["text"].tolist(), _candidates(facts, arrays), strict=False):
        window = min(len(text), facts.max_length * TOKEN_BYTES)
        masks = min(text.count(mask), facts.max_length)
        sizes.append(masks * k * (window + _CANDIDATE_BYTES))
    return sizes


def expected_token_bytes(arrays: dict[str, np.ndarray]) -> int:
    """About how many bytes the answer to a request for tokens has: every row is as long as the
    longest."""
    if not _has_texts(arrays):
        return 0
    lengths = [len(text) for text in arrays["text"].tolist()]
    return len(lengths) * max(lengths, default=0) // _BYTES_OF_TOKEN * 2 * _NUMBER_BYTES


def _has_texts(arrays: dict[str, np.ndarray]) -> bool:
    text = arrays.get("text")
    return text is not None and text.ndim == 1 and text.dtype.kind == "O"


def _candidates(facts: ExportFacts, arrays: dict[str, np.ndarray]) -> list[int]:
    """Candidates of a mask, for each row."""
    rows = len(arrays["text"])
    if "targets" in arrays:
        return [arrays["targets"].shape[-1]] * rows
    if "top_k" in arrays:
        return np.clip(arrays["top_k"].ravel(), 1, facts.vocab_size).tolist()
    return [facts.top_k] * rows


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
