"""Blocks straight from the corpus: each once a pass, in an order that the seed determines."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from tests.training import small
from tfmlm.data.corpus import iterable_corpus
from tfmlm.data.streaming import BlockStream
from tfmlm.errors import UserError

BUFFER = 8


def stream(seed: int = 3, texts: tuple[str, ...] = small.lines()[:60]) -> BlockStream:
    return BlockStream(
        iterable_corpus(texts),
        small.tokenizer(),
        small.LENGTH,
        line_by_line=True,
        words=False,
        buffer_size=BUFFER,
        seed=seed,
    )


def test_each_pass_has_every_block_once() -> None:
    blocks = [tuple(block) for block in stream().in_order()]
    count = len(blocks)
    assert count > 4 * BUFFER
    drawn = [tuple(block) for block in islice(stream().shuffled(), 3 * count)]
    passes = [drawn[start : start + count] for start in range(0, 3 * count, count)]
    for one in passes:
        assert sorted(one) == sorted(blocks)
        # No block comes before it has been read into the buffer.
        for place, block in enumerate(one):
            assert block in blocks[: place + BUFFER + 1]
    assert len({tuple(one) for one in passes}) == 3
    assert [tuple(block) for block in islice(stream().shuffled(), 3 * count)] == drawn
    assert [tuple(block) for block in islice(stream(seed=4).shuffled(), count)] != passes[0]


def test_tokens_are_counted_as_the_tokenizer_gives_them() -> None:
    tokenizer = small.tokenizer()
    texts = ("a class", "an import of a class")
    ids = np.concatenate(tokenizer(list(texts))["input_ids"])
    expected = np.bincount(ids, minlength=len(tokenizer))
    found = stream(texts=texts).token_counts(len(tokenizer))
    np.testing.assert_array_equal(found, expected)


def test_a_corpus_without_tokens_is_refused() -> None:
    with pytest.raises(UserError, match="holds no token"):
        next(stream(texts=(" ", "\n")).shuffled())
