"""One comparison for every test: the graph's ids are the Rust library's, string for string."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
from tokenizers import Tokenizer

from tfmlm.tokenizer_graph import GraphTokenizer


def untruncated(tokenizer: Tokenizer) -> Tokenizer:
    """A copy without truncation and padding."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


def differences(
    graph: GraphTokenizer, rust: Tokenizer, texts: Sequence[str | bytes], batch: int = 2048
) -> list[tuple[str | bytes, list[int], list[int]]]:
    """(text, graph's ids, Rust's ids) of all texts that differ; bytes may be invalid UTF-8."""
    rust = untruncated(rust)
    found = []
    for start in range(0, len(texts), batch):
        part = list(texts[start : start + batch])
        as_text = [t.decode("utf-8", "replace") if isinstance(t, bytes) else t for t in part]
        as_bytes = [t.encode() if isinstance(t, str) else t for t in part]
        got = graph.tokenize(tf.constant(as_bytes)).to_list()
        want = [encoding.ids for encoding in rust.encode_batch(as_text)]
        found += [(t, g, w) for t, g, w in zip(part, got, want, strict=True) if g != w]
    return found


def assert_ids_equal(graph: GraphTokenizer, rust: Tokenizer, texts: Sequence[str | bytes]) -> None:
    """Fails with the first few texts that differ."""
    found = differences(graph, rust, texts)
    shown = "\n".join(f"{t!r}\n  graph {g}\n  rust  {w}" for t, g, w in found[:5])
    assert not found, f"{len(found)} of {len(texts)} texts differ:\n{shown}"


def assert_offsets_equal(
    graph: GraphTokenizer, rust: Tokenizer, texts: Sequence[str], batch: int = 2048
) -> None:
    """Fails if a token stands elsewhere than the Rust library says, in characters or bytes."""
    rust = untruncated(rust)
    wrong = []
    for start in range(0, len(texts), batch):
        part = list(texts[start : start + batch])
        encoded = graph.encode(tf.constant(part), offsets=True)
        got = zip(encoded.offsets.to_list(), encoded.byte_offsets.to_list(), strict=True)
        encodings = rust.encode_batch(part, add_special_tokens=False)
        for text, (characters, in_bytes), encoding in zip(part, got, encodings, strict=True):
            want = [list(pair) for pair in encoding.offsets]
            want_bytes = [[len(text[:place].encode()) for place in pair] for pair in want]
            if characters != want or in_bytes != want_bytes:
                wrong.append(f"{text!r}\n  graph {characters}\n  rust  {want}")
    shown = "\n".join(wrong[:5])
    assert not wrong, f"offsets of {len(wrong)} of {len(texts)} texts differ:\n{shown}"
