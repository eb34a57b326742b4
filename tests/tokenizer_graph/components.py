"""Single components of both libraries side by side: normalizers as strings, splits as words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tokenizers import Tokenizer

from tfmlm.tokenizer_graph import registry
from tfmlm.tokenizer_graph.component import GAP, ROW, BuildContext
from tfmlm.tokenizer_graph.ops.text import cut_words, decode_rows
from tfmlm.tokenizer_graph.spec import parse


def tokenizer(**stages: Any) -> Tokenizer:
    """A Rust tokenizer with the given stages (JSON) and a vocabulary of one word."""
    value: dict[str, Any] = {"version": "1.0", "added_tokens": []}
    for stage in ("normalizer", "pre_tokenizer", "post_processor", "decoder", "model"):
        value[stage] = stages.get(stage)
    if value["model"] is None:
        value["model"] = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    return Tokenizer.from_str(json.dumps(value))


def _compiled(stage: str, component: dict[str, Any]):
    rust = tokenizer(**{stage: component})
    spec = parse(rust.to_str())
    part = getattr(spec, stage)
    return registry.builder(part)(part, BuildContext(spec, rust)), rust


def check_normalizer(component: dict[str, Any], texts: Sequence[str]) -> None:
    """Fails if a text is normalized in another way than by Rust."""
    module, rust = _compiled("normalizer", component)
    stream = (
        tf.function(module, autograph=False)(decode_rows(tf.constant(list(texts)))).numpy().tolist()
    )
    got = _rows(stream)
    want = [rust.normalizer.normalize_str(text) for text in texts]
    wrong = [(t, g, w) for t, g, w in zip(texts, got, want, strict=True) if g != w]
    shown = "\n".join(f"{t!r}\n  graph {g!r}\n  rust  {w!r}" for t, g, w in wrong[:5])
    assert not wrong, f"{component}: {len(wrong)} of {len(texts)} differ:\n{shown}"


def check_pre_tokenizer(component: dict[str, Any], texts: Sequence[str]) -> None:
    """Fails if a text is split in another way than by Rust."""
    module, rust = _compiled("pre_tokenizer", component)

    @tf.function(autograph=False)
    def split(texts):
        stream = decode_rows(texts)
        stream, starts = module(stream, tf.fill(tf.shape(stream), False))
        return cut_words(stream, starts)

    words = split(tf.constant(list(texts)))
    splits = words.splits.numpy().tolist()
    codepoints = words.codepoints.numpy().tolist()
    all_words = [
        "".join(map(chr, codepoints[a:b])) for a, b in zip(splits, splits[1:], strict=False)
    ]
    ends = words.words_before.numpy().tolist()
    got = [all_words[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    # an empty text comes back as an empty word where nothing splits; a tokenizer drops it before
    split_by_rust = rust.pre_tokenizer.pre_tokenize_str
    want = [[word for word, _ in split_by_rust(text) if word] for text in texts]
    wrong = [(t, g, w) for t, g, w in zip(texts, got, want, strict=True) if g != w]
    shown = "\n".join(f"{t!r}\n  graph {g!r}\n  rust  {w!r}" for t, g, w in wrong[:5])
    assert not wrong, f"{component}: {len(wrong)} of {len(texts)} differ:\n{shown}"


def _rows(stream: list[int]) -> list[str]:
    rows, row = [], []
    for value in stream:
        if value == ROW:
            rows.append("".join(map(chr, row)))
            row = []
        else:
            assert value < GAP
            row.append(value)
    assert not row
    return rows
