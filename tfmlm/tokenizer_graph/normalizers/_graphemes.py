"""Where grapheme clusters break, as far as it matters to `Precompiled`.

The Rust library cuts text with the crate `unicode-segmentation`. Its rules (UAX #29) are asked
for here, one code point at a time, with a small character map made for the purpose: whether two
characters are in one cluster shows in whether the second is dropped.

Left out are the joins of Hangul syllables and of regional indicators. Both make clusters of six
bytes and more, which `Precompiled` takes character by character, as it does with clusters that
begin with no key; the caller makes sure that no key begins with Hangul, or with a sign that is
prepended (to Hangul, perhaps).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from tfmlm.tokenizer_graph import probe
from tfmlm.tokenizer_graph.component import GAP
from tfmlm.tokenizer_graph.normalizers import _charsmap

JOINS = 1  # Extend, SpacingMark, zero width joiner: joins what stands before it
PREPENDS = 2  # joins what follows
CONTROL = 4  # joins nothing
PICTOGRAPH = 8
EXTEND = 16  # may stand between a pictograph and a zero width joiner
CONSONANT = 32  # of Indic conjuncts
LINKER = 64
CONJUNCT_EXTEND = 128
FIRST_FREE_BIT = 256

HANGUL = (range(0x1100, 0x1200), range(0xA960, 0xA980), range(0xAC00, 0xD800))
ZWJ = 0x200D
_CR, _LF = 0x0D, 0x0A
_KEYS = {"x": "y", "\u0301": "z", "\u00a9": "q", "\u2122": "t", "\u0958": "K"}
_MARK = "\u0302"  # a mark that is no key
_VERSION = "2"


def flags() -> np.ndarray:
    """The flags above for every value of the stream; int32 [0x120000 or less]."""
    key = json.dumps(["graphemes", _VERSION, _KEYS])
    stored = probe.load_arrays(key)
    if stored is None:
        stored = {"flags": _probe()}
        probe.store_arrays(key, stored)
    return stored["flags"]


def _probe() -> np.ndarray:
    charsmap = {"type": "Precompiled", "precompiled_charsmap": _charsmap.write(_KEYS)}
    normalize = probe.normalizer([charsmap])
    result = np.zeros(GAP, np.int32)

    def unusual(context: str) -> list[int]:
        """The code points of pages in which not all behave as a letter does."""
        usual = normalize(context.format("a"))
        found: list[int] = []
        for page in probe.pages():
            # controls between the contexts keep them apart
            text = "\x01".join(context.format(chr(c)) for c in page)
            if normalize(text) != "\x01".join(usual.replace("a", chr(c)) for c in page):
                found += page
        return found

    def mark(
        flag: int,
        codes: Iterable[int],
        context: str,
        holds: Callable[[str], bool],
        unless: int = 0,
    ) -> None:
        for c in codes:
            if not result[c] & unless and holds(normalize(context.format(chr(c)))):
                result[c] |= flag

    def keeps_mark(text: str) -> bool:
        return text.endswith(_MARK)

    codes = unusual("\u00a9\u200d{}\u0301" + _MARK)
    mark(JOINS, codes, "x{}", lambda text: text == "y")
    mark(CONTROL, codes, "{}\u0301" + _MARK, lambda text: text.endswith("z"))
    mark(PICTOGRAPH, codes, "\u00a9\u200d{}", lambda text: text.startswith("q\u200d"), JOINS)
    context = "{}x" + _MARK
    mark(PREPENDS, unusual(context), context, lambda text: text.endswith("y" + _MARK), JOINS)
    qa, virama, ka = "\u0958" + _MARK, "\u094d", "\u0915"
    context = "{}" + virama + qa
    mark(CONSONANT, unusual(context), context, keeps_mark)
    joining = np.nonzero(result & JOINS)[0].tolist()
    mark(EXTEND, joining, "\u2122{}\u200d\u2122" + _MARK, keeps_mark)
    mark(LINKER, joining, ka + "{}" + qa, keeps_mark)
    mark(CONJUNCT_EXTEND, joining, ka + "{}" + virama + qa, keeps_mark, LINKER)
    return result


def is_left_out(flags: np.ndarray, codepoint: int) -> bool:
    """Whether a key must not begin with this code point."""
    return bool(flags[codepoint] & PREPENDS) or any(codepoint in hangul for hangul in HANGUL)


def may_join(stream: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Whether a cluster of several code points is possible: bool []."""
    special = tf.bitwise.bitwise_and(bits, JOINS | PREPENDS) > 0
    return tf.reduce_any(special | tf.equal(stream, _CR))


def joins(stream: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Whether each code point is in one cluster with the one before it.

    Args:
        stream: int32 [n].
        bits: int32 [n], its flags; barriers have `CONTROL`.

    Returns:
        bool [n].
    """

    def has(flag: int) -> tf.Tensor:
        return tf.bitwise.bitwise_and(bits, flag) > 0

    control = has(CONTROL)
    joined = (has(JOINS) & _after(~control) | _after(has(PREPENDS))) & ~control
    line_end = _after(tf.equal(stream, _CR)) & tf.equal(stream, _LF)
    # a pictograph, marks, a joiner, a pictograph
    joiner = tf.equal(stream, ZWJ)
    base, _ = _base(has(EXTEND), joiner)
    sequence = has(PICTOGRAPH) & _after(joiner & _at(has(PICTOGRAPH), base))
    # a consonant, linkers and marks with at least one linker, a consonant
    base, linkers = _base(has(LINKER | CONJUNCT_EXTEND), has(LINKER))
    conjunct = has(CONSONANT) & _at(has(CONSONANT), base) & (linkers > 0)
    return joined | line_end | sequence | conjunct


def _after(condition: tf.Tensor) -> tf.Tensor:
    """bool [n]: the condition of the element before; false for the first."""
    return tf.pad(condition, [[1, 0]])[:-1]


def _at(condition: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """bool [n]: the condition at `index` (int32 [n]); false where that is -1."""
    return tf.gather(condition, tf.maximum(index, 0)) & (index >= 0)


def _base(passing: tf.Tensor, counted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """For each element the last one before it that is not `passing`, and the `counted` between.

    Returns:
        index: int32 [n], -1 if there is none.
        between: int32 [n].
    """
    standing = tf.where(tf.logical_not(passing))[:, 0]
    before = tf.cumsum(tf.cast(tf.logical_not(passing), tf.int32), exclusive=True) - 1
    index = tf.cast(tf.gather(tf.pad(standing, [[0, 1]]), tf.maximum(before, 0)), tf.int32)
    count = tf.cumsum(tf.cast(counted, tf.int32), exclusive=True)
    between = count - tf.gather(count + tf.cast(counted, tf.int32), index)
    return tf.where(before >= 0, index, -1), between
