"""A character before words, as part of the word."""

import tensorflow as tf

from tfmlm.tokenizer_graph.component import GAP, ROW
from tfmlm.tokenizer_graph.pre_tokenizers.prefix import put_before_with_sources


def test_put_before_the_flagged_words_alone() -> None:
    stream = tf.constant([97, 98, GAP, 99, ROW], tf.int32)
    starts = tf.constant([True, True, False, True, False])
    words = tf.constant([True, False, False, True, False])
    longer, moved, sources = put_before_with_sources(stream, starts, words, 95)
    assert longer.numpy().tolist() == [95, 97, 98, GAP, 95, 99, ROW]
    assert moved.numpy().tolist() == [True, False, True, False, True, False, False]
    assert sources.numpy().tolist() == [0, 0, 1, 2, 3, 3, 4]
