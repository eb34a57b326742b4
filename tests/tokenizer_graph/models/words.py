"""A model alone, beside the Rust library's, on words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tokenizers import Tokenizer, models

from tfmlm.tokenizer_graph import registry
from tfmlm.tokenizer_graph.component import BuildContext
from tfmlm.tokenizer_graph.spec import parse


class Compiled:
    """The compiled model of `model`, as a function of words."""

    def __init__(self, model: models.Model) -> None:
        # through JSON once, which moves some scores by the last bit
        rust = Tokenizer.from_str(Tokenizer(model).to_str())
        spec = parse(rust.to_str())
        self.rust = rust.model
        self.module = registry.builder(spec.model)(spec.model, BuildContext(spec, rust))
        self.call = tf.function(
            self.module.__call__,
            input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int64)],
        )

    def __call__(self, words: Sequence[str]) -> list[list[int]]:
        codepoints = np.array([ord(c) for word in words for c in word], np.int32)
        splits = np.cumsum([0, *map(len, words)]).astype(np.int64)
        ids, id_splits = self.call(tf.constant(codepoints), tf.constant(splits))
        ids, id_splits = ids.numpy().tolist(), id_splits.numpy().tolist()
        assert len(id_splits) == len(words) + 1 and id_splits[-1] == len(ids)
        return [ids[a:b] for a, b in zip(id_splits, id_splits[1:], strict=False)]

    def check(self, words: Sequence[str]) -> None:
        """Fails if a word becomes other ids than in Rust."""
        got = self(words)
        want = [[token.id for token in self.rust.tokenize(word)] for word in words]
        wrong = [(t, g, w) for t, g, w in zip(words, got, want, strict=True) if g != w]
        shown = "\n".join(f"{t[:200]!r}\n  graph {g}\n  rust  {w}" for t, g, w in wrong[:5])
        assert not wrong, f"{len(wrong)} of {len(words)} words differ:\n{shown}"


def long_words(alphabet: str, length: int, rng) -> list[str]:
    """Words that make merges and paths depend on each other over long distances."""
    a, b = rng.sample(alphabet, 2)
    return [
        "".join(rng.choices(alphabet, k=length)),
        "".join(rng.choices(alphabet[:5], k=length)),
        "".join(rng.choices(a + b, k=length)),
        a * length,
        a * (length - 1) + b,
        b + a * (length - 1),
        (a + b) * (length // 2),
        (a * 7 + b * 5) * (length // 12),
        ("".join(rng.choices(alphabet, k=11))) * (length // 11),
    ]
