"""Single components of both libraries side by side.

Normalizers as strings, splits as words, models and post-processors as ids, decoders as strings.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tokenizers import Tokenizer

from tfmlm.tokenizer_graph import GraphTokenizer, registry
from tfmlm.tokenizer_graph.component import GAP, ROW, BuildContext
from tfmlm.tokenizer_graph.ops.shift import positions_of
from tfmlm.tokenizer_graph.ops.text import cut_words, decode_rows, encode_words
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

    def normalize(rows: tf.Tensor) -> tf.Tensor:
        stream = module(decode_rows(rows))
        ends = positions_of(tf.equal(stream, ROW))
        splits = tf.concat([[0], ends - tf.range(tf.size(ends, tf.int64))], 0)
        return encode_words(tf.boolean_mask(stream, stream < GAP), splits)

    want = [rust.normalizer.normalize_str(text) for text in texts]
    _check(component, module, normalize, texts, want)


def check_pre_tokenizer(component: dict[str, Any], texts: Sequence[str]) -> None:
    """Fails if a text is split in another way than by Rust."""
    module, rust = _compiled("pre_tokenizer", component)

    def split(rows: tf.Tensor) -> tf.Tensor:
        stream = decode_rows(rows)
        words = cut_words(*module(stream, tf.fill(tf.shape(stream), False)))
        strings = encode_words(words.codepoints, words.splits)
        splits = tf.concat([[0], words.words_before], 0)
        ragged = tf.RaggedTensor.from_row_splits(strings, splits, validate=False)
        return tf.strings.reduce_join(ragged, 1, separator=BETWEEN)

    # an empty text comes back as an empty word where nothing splits; a tokenizer drops it before
    split_by_rust = rust.pre_tokenizer.pre_tokenize_str
    want = [BETWEEN.join(word for word, _ in split_by_rust(text) if word) for text in texts]
    _check(component, module, split, texts, want)


def check_ids(rust: Tokenizer, texts: Sequence[str]) -> None:
    """Fails if a tokenizer's model or post-processor gives other ids than Rust's."""
    graph = GraphTokenizer.from_tokenizer(rust)

    def ids(rows: tf.Tensor) -> tf.Tensor:
        return tf.strings.reduce_join(tf.strings.as_string(graph.tokenize(rows)), 1, separator=" ")

    want = [" ".join(map(str, encoding.ids)) for encoding in rust.encode_batch(list(texts))]
    _check(_described(rust, "model", "post_processor"), graph, ids, texts, want)


def check_decoder(rust: Tokenizer, rows: Sequence[Sequence[int]]) -> None:
    """Fails if rows of ids are decoded in another way than by Rust."""
    graph = GraphTokenizer.from_tokenizer(rust)

    def decode(written: tf.Tensor) -> tf.Tensor:
        return graph.decode(tf.strings.to_number(tf.strings.split(written), tf.int32))

    written = [" ".join(map(str, row)) for row in rows]
    want = [rust.decode(list(row)) for row in rows]
    _check(_described(rust, "decoder"), graph, decode, written, want)


def _described(rust: Tokenizer, *stages: str) -> dict[str, Any]:
    value = json.loads(rust.to_str())
    return {"type": " ".join((value[stage] or {"type": "none"})["type"] for stage in stages)}


#: Between the words of a row: no text of the tests holds it.
BETWEEN = "\u241e|\u241e"
#: Types of components that have been run in every way by this process.
_run_everywhere: set[str] = set()


def _check(
    component: dict[str, Any],
    module: tf.Module,
    call: Callable[[tf.Tensor], tf.Tensor],
    texts: Sequence[str],
    want: Sequence[str],
) -> None:
    """Compares rows (tf.string [batch] -> tf.string [batch]) with Rust's.

    All of them in a `tf.function`; the first component of each type in every other way too.
    """
    function = tf.function(
        call, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )
    got = _strings(function(tf.constant(list(texts))))
    wrong = [(t, g, w) for t, g, w in zip(texts, got, want, strict=True) if g != w]
    shown = "\n".join(f"{t!r}\n  graph {g!r}\n  rust  {w!r}" for t, g, w in wrong[:5])
    assert not wrong, f"{component}: {len(wrong)} of {len(texts)} differ:\n{shown}"
    if component["type"] in _run_everywhere:
        return
    _run_everywhere.add(component["type"])
    some, expected = list(texts[:24]), list(want[:24])
    data = tf.data.Dataset.from_tensor_slices(some)
    ways = {
        "eagerly": lambda: _strings(call(tf.constant(some))),
        "in tf.data": lambda: [row for batch in data.batch(7).map(call) for row in _strings(batch)],
        "one at a time": lambda: [_strings(function(tf.constant([text])))[0] for text in some],
        "reloaded": lambda: _strings(_reloaded(module, function)(tf.constant(some))),
    }
    for way, run in ways.items():
        assert run() == expected, f"{component} {way}"


def _strings(rows: tf.Tensor) -> list[str]:
    return [row.decode() for row in rows.numpy().tolist()]


def _reloaded(module: tf.Module, function: Any) -> Any:
    """The function after a SavedModel was written and read."""
    owner = tf.Module()
    owner.module, owner.call = module, function
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(owner, folder)
        return tf.saved_model.load(folder).call
