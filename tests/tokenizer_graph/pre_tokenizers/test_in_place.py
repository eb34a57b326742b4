"""What stays in place comes from its own place."""

import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP
from tfmlm.tokenizer_graph.ops.text import cut_words, decode_rows, encode_words
from tfmlm.tokenizer_graph.pre_tokenizers.in_place import InPlace

TEXTS = ["ab-cd--é", "", "-", "xyz"]


class _AtHyphens(InPlace):
    def __call__(self, stream: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.where(tf.equal(stream, ord("-")), GAP, stream), starts


def test_sources_are_the_places() -> None:
    stream = decode_rows(tf.constant(TEXTS))
    found, starts, sources = _AtHyphens().with_sources(stream, tf.fill(tf.shape(stream), False))
    words = cut_words(found, starts)
    got = [w.decode() for w in encode_words(words.codepoints, words.splits).numpy()]
    assert got == [word for text in TEXTS for word in text.split("-") if word]
    origin = tf.gather(stream, sources).numpy()
    assert origin.tolist() == stream.numpy().tolist()
    assert {*origin[found.numpy() == GAP].tolist()} == {ord("-")}
