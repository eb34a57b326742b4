"""SentencePiece's precompiled character maps: a double-array trie and a pool of replacements.

The format is that of Darts-clone (https://github.com/s-yata/darts-clone) as the Rust crate
`spm_precompiled` reads it: a uint32 with the size of the trie in bytes, the trie's uint32 units,
then UTF-8 replacements, each ended by a zero byte.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import numpy as np

from tfmlm.errors import UnsupportedTokenizerError

# Keys are only ever looked up in graphemes of fewer than 6 bytes, or in single characters.
LONGEST_KEY = 5
_VALUE_BITS = (1 << 31) - 1
_LABEL_BITS = (1 << 31) | 0xFF


def read_keys(charsmap: str, path: str) -> dict[str, str]:
    """The keys of at most five bytes, with their replacements.

    Args:
        charsmap: base64, as in `tokenizer.json`.
        path: the component's, for errors.

    Raises:
        UnsupportedTokenizerError: it cannot be read, or keys are not whole characters.
    """
    try:
        data = base64.b64decode(charsmap, validate=True)
        size = int.from_bytes(data[:4], "little")
        units = np.frombuffer(data[4 : 4 + size], "<u4").astype(np.int64)
        pool = data[4 + size :]
        found = _walk(units)
        keys = {key.decode(): pool[at : pool.index(b"\0", at)].decode() for key, at in found}
    except (binascii.Error, ValueError, IndexError) as error:
        raise UnsupportedTokenizerError(
            f"{path}.precompiled_charsmap", f"a map that cannot be read ({error})"
        ) from None
    return keys


def _walk(units: np.ndarray) -> list[tuple[bytes, int]]:
    """All (key, position in the pool) of at most `LONGEST_KEY` bytes."""
    offsets = (units >> 10) << ((units & (1 << 9)) >> 6)
    labels = np.arange(1, 256)
    found: list[tuple[bytes, int]] = []
    bases, prefixes = offsets[:1], [b""]  # the root
    for _ in range(LONGEST_KEY):
        positions = bases[:, np.newaxis] ^ labels
        inside = positions < len(units)
        same = (units[np.where(inside, positions, 0)] & _LABEL_BITS) == labels
        rows, columns = np.nonzero(inside & same)
        children = positions[rows, columns]
        prefixes = [prefixes[r] + bytes([labels[c]]) for r, c in zip(rows, columns, strict=True)]
        bases = children ^ offsets[children]
        for index in np.nonzero((units[children] >> 8) & 1)[0]:
            found.append((prefixes[index], int(units[bases[index]] & _VALUE_BITS)))
    return found


def write(keys: Mapping[str, str]) -> str:
    """A map with a few keys, in base64."""
    trie: dict = {}
    pool = b""
    for key, replacement in keys.items():
        node = trie
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[0] = len(pool)
        pool += replacement.encode() + b"\0"
    units = {0: 0}
    blocks = [0]

    def assign(node: dict, index: int) -> None:
        # every node gets a block of 256 of its own; the child of label b is the block's unit b
        block = 256 * len(blocks)
        blocks.append(block)
        units[index] |= (index ^ block) << 10 | (0 in node) << 8
        for label, child in node.items():
            if label:
                units[block + label] = label
                assign(child, block + label)
            else:
                units[block] = 1 << 31 | child

    assign(trie, 0)
    array = np.zeros(256 * len(blocks), "<u4")
    for index, unit in units.items():
        array[index] = unit
    return base64.b64encode(array.nbytes.to_bytes(4, "little") + array.tobytes() + pool).decode()
