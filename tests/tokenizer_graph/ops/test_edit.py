"""Replaced spans against Python lists."""

import random

import tensorflow as tf

from tfmlm.tokenizer_graph.ops.edit import alternate, splice, spliced_sources


def test_spliced_like_a_list() -> None:
    rng = random.Random(0)
    for _ in range(30):
        text = list(range(rng.randint(0, 12)))
        cuts = sorted(rng.choices(range(len(text) + 1), k=2 * rng.randint(0, 3)))
        spans = list(zip(cuts[::2], cuts[1::2], strict=True))
        length = rng.randint(0, 3)
        put = [100 + k for k in range(length)]
        want, at = [], 0
        for start, end in spans:
            want += text[at:start] + put
            at = end
        want += text[at:]
        starts, ends = (tf.constant([s[k] for s in spans], tf.int64) for k in (0, 1))
        index = splice(tf.constant(len(text), tf.int64), starts, ends, length)
        both = tf.constant([*text, *put], tf.int32)
        assert tf.gather(both, index).numpy().tolist() == want


def test_a_replacement_comes_from_its_owner() -> None:
    size = tf.constant(3, tf.int64)
    places = tf.constant([0, 2], tf.int64)
    index = splice(size, places, places, 1)
    assert index.numpy().tolist() == [3, 0, 1, 3, 2]
    owners = tf.constant([0, 2], tf.int64)
    assert spliced_sources(size, index, owners).numpy().tolist() == [0, 0, 1, 2, 2]


def test_alternate() -> None:
    assert alternate(tf.constant([1, 2]), tf.constant([8, 9])).numpy().tolist() == [1, 8, 2, 9]
