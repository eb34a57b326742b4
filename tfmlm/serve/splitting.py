"""Runs a large request for filling masks in parts, so that its memory is that of a part.

Rows of an export do not touch each other (docs/architecture.md, Rows), so parts of a batch give
the answers of the whole batch, padded to one another. Models that are not exports of tfmlm are run
as they are asked to be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfmlm.serve.answer_size import (
    TOKEN_BYTES,
    ExportFacts,
    candidate_bytes,
    is_export_signature,
)

#: Text of one part, in bytes, cut texts counted as what is looked at of them. Four rows of 512
#: tokens, or hundreds of a dozen words.
PART_BYTES = 16 * 1024
#: So many bytes of an answer count as one of text: the encoder takes more memory than sequences.
_ANSWER_SHARE = 16
#: What a place without a candidate holds, by output.
_FILL: dict[str, Any] = {"token": -1, "mask_position": -1}

Run = Callable[[dict[str, np.ndarray], list[str]], list[np.ndarray]]


class Splitter:
    """Knows which tensors of an export can be run in parts."""

    def __init__(self, facts: ExportFacts, signatures: Any) -> None:
        self._facts = facts
        self._outputs: dict[str, str] = {}  # names of tensors, and in signatures
        self._inputs: dict[str, str] = {}
        for name, signature in signatures.items():
            if is_export_signature(name, signature):
                self._outputs |= {info.name: alias for alias, info in signature.outputs.items()}
                self._inputs |= {info.name: alias for alias, info in signature.inputs.items()}

    def run(self, run: Run, feeds: dict[str, np.ndarray], fetches: list[str]) -> list[np.ndarray]:
        """The outputs of `run`, called once or for a part of the rows after the other."""
        parts = self._parts(feeds, fetches)
        if len(parts) < 2:
            return run(feeds, fetches)
        outputs = [
            run({name: array[a:b] for name, array in feeds.items()}, fetches) for a, b in parts
        ]
        return [
            join_padded(arrays, _FILL.get(self._outputs[name]))
            for name, arrays in zip(fetches, zip(*outputs, strict=True), strict=True)
        ]

    def _parts(self, feeds: dict[str, np.ndarray], fetches: list[str]) -> list[tuple[int, int]]:
        """First and last + 1 row of each part; none where the request is to be run as it is."""
        arrays = {self._inputs.get(name, ""): array for name, array in feeds.items()}
        first = arrays.get("text", arrays.get("input_ids"))
        if first is None or "" in arrays or not all(name in self._outputs for name in fetches):
            return []
        if not first.ndim or any(a.ndim < 1 or len(a) != len(first) for a in feeds.values()):
            return []
        most = self._facts.max_length
        if "text" in arrays:
            sizes = [
                min(len(text), most * TOKEN_BYTES) + answer // _ANSWER_SHARE
                for text, answer in zip(
                    first.tolist(), candidate_bytes(self._facts, arrays), strict=True
                )
            ]
        else:
            sizes = [min(first.shape[1], most) * TOKEN_BYTES] * len(first)
        parts, start, size = [], 0, 0
        for row, bytes_ in enumerate(sizes):
            if row > start and size + bytes_ > PART_BYTES:
                parts.append((start, row))
                start, size = row, 0
            size += bytes_
        return [*parts, (start, len(sizes))]


def join_padded(arrays: Sequence[np.ndarray], fill: Any = None) -> np.ndarray:
    """Arrays [rows, ...] one after another, the other dimensions padded to the largest.

    Args:
        fill: what the padding holds; None: 0, False or empty strings.
    """
    largest = np.max([array.shape[1:] for array in arrays], axis=0).astype(int).tolist()
    whole_shape = [sum(len(array) for array in arrays), *largest]
    if fill is None:
        fill = b"" if arrays[0].dtype.kind == "O" else 0
    whole = np.full(whole_shape, fill, arrays[0].dtype)
    row = 0
    for array in arrays:
        whole[(slice(row, row + len(array)), *map(slice, array.shape[1:]))] = array
        row += len(array)
    return whole
