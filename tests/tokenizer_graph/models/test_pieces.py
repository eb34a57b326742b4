"""All pieces in a text, against a search in Python."""

import random

import pytest
import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.component import GAP
from tfmlm.tokenizer_graph.models._pieces import FIELD_BITS, FIELD_MAX, PieceFinder, PieceTrie

UNKNOWN, AT_GAP = 900, 901


@pytest.mark.parametrize("longest", [1, 3, 10])
def test_as_a_search_finds_them(longest: int) -> None:
    rng = random.Random(longest)
    letters = "ab\U0010ffff"
    for _ in range(10):
        drawn = ["".join(rng.choices(letters, k=rng.randint(1, longest))) for _ in range(25)]
        pieces = {piece: number for number, piece in enumerate(dict.fromkeys(drawn))}
        words = ["".join(rng.choices([*letters, *drawn], k=rng.randint(1, 4))) for _ in range(12)]
        stream, want = [GAP], [(0, 0, AT_GAP)]
        for word in words:
            head = len(stream) - 1  # the position before the word's first character
            for start in range(len(word)):
                for end in range(start + 1, len(word) + 1):
                    if (piece := word[start:end]) in pieces:
                        want.append((head + start, head + end, pieces[piece]))
                if word[start] not in pieces:
                    want.append((head + start, head + start + 1, UNKNOWN))
            stream += [*map(ord, word), GAP]
            want.append((len(stream) - 1, len(stream) - 1, AT_GAP))
        found = PieceFinder(pieces, UNKNOWN, AT_GAP)(tf.constant(stream, tf.int32))
        pairs = zip(found.packed.numpy().tolist(), found.end.numpy().tolist(), strict=True)
        got = [(packed >> FIELD_BITS, end, packed & FIELD_MAX) for packed, end in pairs]
        assert sorted(got) == sorted(want)


def test_numbers_that_the_tables_cannot_hold_are_refused() -> None:
    with pytest.raises(UnsupportedTokenizerError, match="million"):
        PieceTrie([((97,), FIELD_MAX)])
