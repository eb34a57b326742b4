"""The string of a token at each place of a row, as Rust's decoder gives it."""

import pytest
import tensorflow as tf
from tokenizers import decoders

from tfmlm.tokenizer_graph.decoders.pieces import PieceTable, strings_by_position

TOKENS = ["a", "##b", "▁c", "##", "▁", "d</w>"]
DECODERS = [
    decoders.WordPiece(cleanup=False),
    decoders.Metaspace(),
    decoders.BPEDecoder(),
    decoders.Fuse(),
]


@pytest.mark.parametrize("decoder", DECODERS, ids=repr)
def test_rows_are_the_sum_of_their_places(decoder) -> None:
    places = strings_by_position(TOKENS, decoder.decode)
    table = PieceTable([tuple(s.encode() for s in place) for place in places])
    rows = [[0, 1, 2], [2], [], [1, 2, 5], [4, 4, 3, 0], [5, 5]]
    ragged = tf.ragged.constant(rows, tf.int32)
    pieces = table(ragged.flat_values, ragged.row_splits)
    got = [b"".join(row) for row in ragged.with_flat_values(pieces).numpy()]
    assert got == [decoder.decode([TOKENS[k] for k in row]).encode() for row in rows]


def test_a_decoder_that_changes_its_neighbours_is_noticed() -> None:
    with pytest.raises(AssertionError, match="neighbours"):
        strings_by_position(["a"], lambda tokens: "".join(reversed(tokens)) + str(len(tokens)))
