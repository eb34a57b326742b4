"""Merges of many words at once, beside a loop that takes the lowest and leftmost pair."""

import random

import tensorflow as tf

from tfmlm.tokenizer_graph.models._merge_loop import merge_all
from tfmlm.tokenizer_graph.models._merges import PairTable


def _one_by_one(word: list[str], ranks: dict[tuple[str, str], int]) -> list[str]:
    while True:
        pairs = [(ranks[pair], k) for k, pair in enumerate(zip(word, word[1:])) if pair in ranks]  # noqa: B905
        if not pairs:
            return word
        _, k = min(pairs)
        word = [*word[:k], word[k] + word[k + 1], *word[k + 2 :]]


def _merges(rng: random.Random) -> list[tuple[str, str]]:
    """In any order, also one that no training could give."""
    tokens, merges = ["a", "b", "c"], []
    for _ in range(rng.randint(1, 25)):
        pair = (rng.choice(tokens), rng.choice(tokens))
        if pair not in merges and len("".join(pair)) <= 16:
            merges.append(pair)
            tokens.append("".join(pair))
    rng.shuffle(merges)
    return merges


def test_as_one_by_one() -> None:
    rng = random.Random(0)
    for _ in range(12):
        merges = _merges(rng)
        tokens = dict.fromkeys(["a", "b", "c", *map("".join, merges)])
        vocab = {token: k for k, token in enumerate(tokens)}
        table = PairTable(vocab, merges)
        letters = rng.choice(("a", "ab", "abc"))
        words = [rng.choices(letters, k=rng.randint(1, 30)) for _ in range(20)]
        symbols = [table.separator]
        for word in words:
            symbols += [*(vocab[c] for c in word), table.separator]
        got = merge_all(tf.constant(symbols, tf.int64), table).numpy().tolist()
        ranks = {pair: rank for rank, pair in enumerate(merges)}
        want = [table.separator]
        for word in words:
            want += [*(vocab[token] for token in _one_by_one(word, ranks)), table.separator]
        assert got == want, merges
