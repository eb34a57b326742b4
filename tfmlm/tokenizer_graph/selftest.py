"""Comparing a compiled tokenizer with the Rust library on this machine.

Every export runs this on the graph that it is about to write. `quick` takes seconds: hostile
strings, the tokenizer's own vocabulary and added tokens, and every 61st code point in four
contexts. `full` takes about a minute: every code point in every context.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tokenizers import Tokenizer

from tfmlm.errors import RunFailedError, UserError
from tfmlm.tokenizer_graph import hostile
from tfmlm.tokenizer_graph.graph_tokenizer import GraphTokenizer

MODES = ("quick", "full")
BATCH = 4096
SHOWN = 5


@dataclass(frozen=True)
class SelfTestResult:
    """What was compared.

    Attributes:
        strings: texts tokenized by both.
        different: texts whose ids differ.
        decoded: rows of ids decoded by both.
        decoded_different: rows whose texts differ.
        examples: the first few differences, in words.
    """

    mode: str
    strings: int
    different: int
    decoded: int
    decoded_different: int
    seconds: float
    examples: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing differed."""
        return not (self.different or self.decoded_different)

    def to_json(self) -> dict[str, Any]:
        """The counts, for the record of an export."""
        return asdict(self)

    def raise_if_failed(self) -> None:
        """Raises `RunFailedError` with an example if anything differed."""
        if not self.passed:
            raise RunFailedError(
                f"the tokenizer graph differs from the fast tokenizer on {self.different} of "
                f"{self.strings} texts and {self.decoded_different} of {self.decoded} decoded rows,"
                f" first {self.examples[0]}"
            )


def self_test(
    graph: GraphTokenizer,
    mode: str = "quick",
    *,
    tokenize: Callable[[tf.Tensor], tf.RaggedTensor] | None = None,
    texts: Sequence[str] = (),
    seed: int = 0,
) -> SelfTestResult:
    """Compares ids (special tokens included) and decoded texts with the Rust library's.

    Args:
        graph: the compiled tokenizer.
        mode: "quick" or "full".
        tokenize: what to test in place of `graph.tokenize`, such as a reloaded signature: tf.string
            [batch] -> RaggedTensor int32 [batch, (tokens)].
        texts: more texts to compare.
        seed: of the random texts.

    Raises:
        UserError: there is no such mode.
    """
    if mode not in MODES:
        raise UserError(f"self-test mode {mode!r}: choose one of {', '.join(MODES)}")
    start = time.monotonic()
    rust = graph.spec.rust
    if tokenize is None:
        signature = [tf.TensorSpec([None], tf.string)]
        tokenize = tf.function(graph.tokenize, input_signature=signature, autograph=False)
    strings = different = 0
    examples: list[str] = []
    rows: list[list[int]] = []
    for batch in _batches(graph, mode, texts, seed):
        valid = [t.decode("utf-8", "replace") if isinstance(t, bytes) else t for t in batch]
        got = tokenize(tf.constant(batch))
        want = [encoding.ids for encoding in rust.encode_batch_fast(valid)]
        for row in _different_rows(got, want):
            ours, theirs = got[row].numpy().tolist(), want[row]
            different += 1
            examples.append(f"{batch[row][:80]!r}: {ours[:20]}, the fast tokenizer {theirs[:20]}")
        strings += len(batch)
        if len(rows) < BATCH:
            rows += want[: BATCH - len(rows)]
    decoded_different = _compare_decoding(graph, rust, rows, examples, seed)
    return SelfTestResult(
        mode=mode,
        strings=strings,
        different=different,
        decoded=2 * len(rows),
        decoded_different=decoded_different,
        seconds=round(time.monotonic() - start, 2),
        examples=tuple(examples[:SHOWN]),
    )


def _different_rows(got: tf.RaggedTensor, want: list[list[int]]) -> list[int]:
    """Which rows are not those that are wanted."""
    values, splits = _flat(want)
    if np.array_equal(got.row_splits, splits) and np.array_equal(got.values, values):
        return []
    rows = got.to_list()
    if len(rows) != len(want):
        raise RunFailedError(f"the tokenizer graph gives {len(rows)} rows for {len(want)} texts")
    return [number for number, row in enumerate(want) if rows[number] != row]


def _flat(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """The values of all rows, int32, and where each begins and the last ends."""
    splits = np.cumsum([0, *map(len, rows)])
    return np.fromiter(itertools.chain.from_iterable(rows), np.int32, splits[-1]), splits


def _texts(
    graph: GraphTokenizer, mode: str, texts: Sequence[str], seed: int
) -> Iterator[str | bytes]:
    rng = random.Random(seed)
    added = [token.content for token in graph.spec.added_tokens][:200]
    vocabulary = sorted(graph.spec.rust.get_vocab())
    pieces = rng.sample(vocabulary, min(2000, len(vocabulary)))
    yield from hostile.edge_texts()
    yield from hostile.long_texts()
    yield from texts
    for token in added:
        yield from (token, f"a{token}b", f" {token} ", f"{token}{token} \t{token}\n", token[:-1])
    yield from pieces
    mixtures = hostile.hostile(seed, 4000, pieces=[*added, *pieces])
    yield from mixtures
    yield from (" ".join(rng.choices(pieces, k=rng.randint(2, 12))) for _ in range(1500))
    yield from hostile.random_codepoints(seed, 2000)
    yield from hostile.invalid_utf8(seed, 1500, mixtures)
    step = 1 if mode == "full" else 61
    for context in hostile.CONTEXTS:
        yield from hostile.every_codepoint(context, step, rng.randrange(step))


def _alone(graph: GraphTokenizer, seed: int) -> Iterator[str]:
    """Texts to be tokenized one at a time: beside other rows they would not take the fast path."""
    rng = random.Random(seed)
    pieces = [piece for piece in sorted(graph.spec.rust.get_vocab()) if piece.isascii()]
    if graph.mask_token is not None:
        pieces += [graph.mask_token] * (1 + len(pieces) // 10)
    yield from (" ".join(rng.choices(pieces or ["a"], k=rng.randint(0, 12))) for _ in range(300))


def _batches(
    graph: GraphTokenizer, mode: str, texts: Sequence[str], seed: int
) -> Iterator[list[str | bytes]]:
    batch: list[str | bytes] = []
    for text in _texts(graph, mode, texts, seed):
        batch.append(text)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
    for text in _alone(graph, seed):
        yield [text]


def _compare_decoding(
    graph: GraphTokenizer, rust: Tokenizer, rows: list[list[int]], examples: list[str], seed: int
) -> int:
    rng = random.Random(seed)
    size = rust.get_vocab_size(with_added_tokens=True)
    # half of the rows real, half random
    rows[1::2] = [[rng.randrange(size) for _ in range(len(row) or 1)] for row in rows[1::2]]
    ragged = tf.RaggedTensor.from_row_splits(*_flat(rows))
    different = 0
    for skip in (True, False):
        got = graph.decode(ragged, skip_special_tokens=skip, clean_up_tokenization_spaces=False)
        want = rust.decode_batch(rows, skip_special_tokens=skip)
        for row, ours, theirs in zip(rows, got.numpy().tolist(), want, strict=True):
            if ours != theirs.encode():
                different += 1
                examples.append(f"{row[:20]}: {ours[:80]!r}, the fast tokenizer {theirs[:80]!r}")
    return different
