"""Counts what a JSON text holds while it arrives, without parsing it.

A list of millions of empty strings is a small text and a large object. So that a refusal costs no
more than the bytes that have come, structure is counted from them: which brackets and commas are
outside of strings, and how deep.
"""

from __future__ import annotations

import numpy as np

from tfmlm.serve.status import invalid_argument, too_many_rows

#: Deepest nesting of a request's lists and objects.
MAX_DEPTH = 64
#: Most values of a request, and most lists and objects among them.
MAX_VALUES = 1 << 21
MAX_CONTAINERS = 1 << 18
#: Bytes that are looked at in one go.
_PIECE = 64 * 1024

_QUOTE, _BACKSLASH, _COMMA = ord('"'), ord("\\"), ord(",")
_STRUCTURE = np.zeros(256, bool)
_STRUCTURE[[_COMMA, *b"[]{}"]] = True
_STEP = np.zeros(256, np.int8)  # what a character does to the depth
_STEP[[*b"[{"]] = 1
_STEP[[*b"]}"]] = -1


class JsonScan:
    """Judges one JSON text, given piece by piece.

    Args:
        max_rows: most elements of `instances`, of `inputs`, and of each list in `inputs`.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._in_string = False
        self._escaped = False  # the next character follows a backslash
        self._depth = 0
        self._done = False  # the first value is over; what follows is not looked at
        self._values = self._containers = 0
        # of the containers at depth 2 and 3 that are open: commas so far, and what they are
        self._commas = {2: 0, 3: 0}
        self._object_at_2 = False
        self._column_at_3 = False

    def feed(self, data: bytes) -> None:
        """Looks at the next bytes.

        Raises:
            StatusError: INVALID_ARGUMENT: too many rows, too many values, or nested too deeply.
        """
        for at in range(0, len(data), _PIECE):
            if self._done:
                return
            self._look(np.frombuffer(data, np.uint8, min(_PIECE, len(data) - at), at))

    def _look(self, piece: np.ndarray) -> None:
        """`piece`: uint8 [bytes]."""
        quote = piece == _QUOTE
        quote[self._escaped_places(piece)] = False
        inside = np.cumsum(quote, dtype=np.uint8) & 1
        if self._in_string:
            inside ^= 1
        self._in_string = bool(inside[-1])
        characters = piece[_STRUCTURE[piece] & (inside == 0)]  # [n]
        if not characters.size:
            return
        depth = self._depth + np.cumsum(_STEP[characters], dtype=np.int64)  # behind each of them
        over = np.flatnonzero(depth <= 0)
        if over.size:
            self._done = True
            characters, depth = characters[: over[0]], depth[: over[0]]
            if not characters.size:
                return
        self._depth = int(depth[-1])
        opens = _STEP[characters] == 1
        commas = characters == _COMMA
        self._containers += int(opens.sum())
        self._values += int(opens.sum() + commas.sum())
        if depth.max() > MAX_DEPTH:
            raise invalid_argument("JSON Parse error: nested too deeply")
        self._count_rows(characters, depth, opens, commas)
        for have, most, what in (
            (self._values, MAX_VALUES, "values"),
            (self._containers, MAX_CONTAINERS, "lists and objects"),
        ):
            if have > most:
                raise invalid_argument(f"the request has more than {most} {what}")

    def _escaped_places(self, piece: np.ndarray) -> np.ndarray:
        """Places of characters that follow an odd number of backslashes: int [n]."""
        slashes = np.flatnonzero(piece == _BACKSLASH)
        first = np.zeros(0, np.int64)
        if self._escaped:
            first = np.zeros(1, np.int64)
            if slashes.size and slashes[0] == 0:
                slashes = slashes[1:]  # itself escaped
        self._escaped = False
        if not slashes.size:
            return first
        gaps = np.diff(slashes) != 1
        starts = slashes[np.concatenate([[True], gaps])]
        ends = slashes[np.concatenate([gaps, [True]])]
        after = ends[(ends - starts) % 2 == 0] + 1
        if after.size and after[-1] == piece.size:
            self._escaped = True
            after = after[:-1]
        return np.concatenate([first, after])

    def _count_rows(
        self, characters: np.ndarray, depth: np.ndarray, opens: np.ndarray, commas: np.ndarray
    ) -> None:
        """Counts the elements of `instances`, `inputs` (depth 2) and its columns (depth 3)."""
        open_2, open_3 = opens & (depth == 2), opens & (depth == 3)
        # which container at depth 2 is open: 0 for the one of before, and what each of them is
        number_2 = np.cumsum(open_2)
        is_object = np.concatenate([[self._object_at_2], characters[open_2] == ord("{")])
        is_column = np.concatenate(
            [
                [self._column_at_3],
                (characters[open_3] == ord("[")) & is_object[number_2[open_3]],
            ]
        )
        counts_2 = self._lengths(2, number_2[commas & (depth == 2)], len(is_object))
        counts_3 = self._lengths(3, np.cumsum(open_3)[commas & (depth == 3)], len(is_column))
        self._object_at_2, self._column_at_3 = bool(is_object[-1]), bool(is_column[-1])
        rows = int(max(counts_2.max(), counts_3[is_column].max(initial=0))) + 1
        if rows > self._max_rows:
            raise too_many_rows(f"of at least {rows}", self._max_rows)

    def _lengths(self, depth: int, numbers: np.ndarray, containers: int) -> np.ndarray:
        """Commas of each container, given the container's number for each comma."""
        counts = np.bincount(numbers, minlength=containers)
        counts[0] += self._commas[depth]
        self._commas[depth] = int(counts[-1])
        return counts
