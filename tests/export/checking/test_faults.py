"""Faults put into the graph one at a time: the referee refuses each.

The graph is made as `export_saved_model` makes it, with one of its parts changed, and answers in
the place of a saved export. One small model and one tokenizer serve all.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tfmlm
from tests.export.checking.toy import MAX_LENGTH, model, right_model, tokenizer
from tfmlm.checkpoint.frame import Frame, frame_of
from tfmlm.errors import RunFailedError
from tfmlm.export.checking import filler
from tfmlm.export.checking.logits import CheckpointLogits
from tfmlm.export.checking.validate import compare
from tfmlm.export.encoder.bfloat16 import bfloat16_copy
from tfmlm.export.encoder.packed import PackedPredictor
from tfmlm.export.encoder.predictor import TokenTypes
from tfmlm.export.graph import candidates, fill_mask, score_text, targets
from tfmlm.export.graph.fill_mask import FillMask
from tfmlm.export.graph.vocabulary import Vocabulary
from tfmlm.export.writing import saved_model


@functools.cache
def tokenizer_graph() -> Any:
    return tfmlm.GraphTokenizer.from_tokenizer(tokenizer())


class TracedTokenizer:
    """The tokenizer's graph, traced once for all faults."""

    def __init__(self) -> None:
        graph, strings = tokenizer_graph(), [tf.TensorSpec([None], tf.string)]
        self.encode = tf.function(lambda texts: graph.encode(texts), strings, autograph=False)
        self.offsets = tf.function(lambda texts: graph.offsets(texts), strings, autograph=False)
        self.padded_ids = tf.function(
            lambda texts: graph.padded_ids(texts), strings, autograph=False
        )
        rows = [tf.RaggedTensorSpec([None, None], tf.int32, row_splits_dtype=tf.int32)]
        self._decode = tf.function(
            lambda ids: graph.decode(ids, skip_special_tokens=False), rows, autograph=False
        )

    def decode(self, ids: tf.RaggedTensor, skip_special_tokens: bool) -> tf.Tensor:
        assert not skip_special_tokens
        return self._decode(ids)


traced_tokenizer = functools.cache(TracedTokenizer)


@pytest.fixture(autouse=True)
def run_as_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph's own Python computes each answer: tracing it for each fault takes a minute."""
    monkeypatch.setattr(fill_mask, "_function", lambda call, signature: call)
    logits = traced_logits()
    monkeypatch.setattr(filler, "CheckpointLogits", lambda model, tokenizer: logits)


@functools.cache
def traced_logits() -> CheckpointLogits:
    return CheckpointLogits(right_model(), tokenizer())


@functools.cache
def vocabulary() -> Vocabulary:
    return Vocabulary.of(tokenizer(), len(tokenizer()))


class Product:
    """Parts of a graph, to be changed before it answers."""

    def __init__(self) -> None:
        self.model = right_model()
        self.frame = frame_of(tokenizer())
        self.settings = saved_model._settings(
            self.model,
            tokenizer(),
            top_k=4,
            max_top_k=None,
            max_text_bytes=200,
            max_length=MAX_LENGTH,
            prefix_ids=self.frame.before,
            suffix_ids=self.frame.behind,
        )
        self.vocabulary = vocabulary()
        self.record = saved_model._record(
            self.model, tokenizer(), self.settings, tokenizer_graph(), None, "float32"
        )
        self.changed: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
        self._signatures: Any = None

    def set(self, **settings: Any) -> None:
        self.settings = dataclasses.replace(self.settings, **settings)

    def table(self, name: str, change: Callable[[list[Any]], list[Any]]) -> None:
        values = change(list(getattr(self.vocabulary, name)))
        self.vocabulary = dataclasses.replace(self.vocabulary, **{name: values})

    def predict(self, signature: str, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        if self._signatures is None:
            predictor = saved_model._predictor(
                self.model, TokenTypes(self.frame), "float32", self.settings
            )
            fill = FillMask(predictor, self.settings, traced_tokenizer(), self.vocabulary)
            self._signatures = {
                "serving_default": fill.fill_text,
                "fill_mask_top_k": fill.fill_text,
                "fill_mask_targets": fill.fill_targets,
                "fill_mask_ids": fill.fill_ids,
                "tokenize": fill.tokenize,
                "score_text": score_text.ScoreText(fill),
            }
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = self._signatures[signature](**tensors)
        outputs = {name: value.numpy() for name, value in outputs.items()}
        change = self.changed.get(signature)
        return outputs if change is None else outputs | change(outputs)


def verdict(product: Product) -> dict[str, Any]:
    return compare(product, right_model(), tokenizer())


def test_the_graph_as_it_is_passes() -> None:
    report = verdict(Product())
    assert report["top1_agreement"] == 1.0
    assert report["largest_score_difference"] < 1e-6
    assert report["masks"] > 25


Fault = Callable[[Product, pytest.MonkeyPatch], None]
FAULTS: dict[str, Fault] = {}


def fault(put_in: Fault) -> Fault:
    assert put_in.__name__ not in FAULTS
    FAULTS[put_in.__name__] = put_in
    return put_in


def wrap(patch: pytest.MonkeyPatch, owner: Any, name: str, change: Callable[..., Any]) -> None:
    """`change(own, *arguments)` in place of `owner.name`."""
    own = getattr(owner, name)
    patch.setattr(owner, name, lambda *args, **kwargs: change(own, *args, **kwargs))


# ---------------------------------------------------------------- around the text, and windows


@fault
def wrong_token_before(product, patch):
    product.set(prefix_ids=(tokenizer().sep_token_id,))


@fault
def nothing_behind(product, patch):
    product.set(suffix_ids=())


@fault
def the_whole_frame_behind(product, patch):
    product.set(prefix_ids=(), suffix_ids=(*product.frame.before, *product.frame.behind))


@fault
def swapped_token_types(product, patch):
    product.frame = Frame(product.frame.before, product.frame.behind, (1,), (0,), 1)


@fault
def the_text_s_type_behind_it(product, patch):
    product.frame = dataclasses.replace(product.frame, behind_types=(0,))


@fault
def window_one_shorter(product, patch):
    wrap(
        patch,
        fill_mask,
        "place_windows",
        lambda own, *a, max_length, **k: own(*a, max_length=max_length - 1, **k),
    )


@fault
def window_one_further(product, patch):
    def shifted(own, *a, max_length, **k):
        windows = own(*a, max_length=max_length, **k)
        ids = windows.input_ids
        moved = tf.concat([ids[:, :1], tf.roll(ids[:, 1:-1], -1, 1), ids[:, -1:]], 1)
        return windows._replace(input_ids=tf.where(ids[:, -1:] != 0, moved, ids))

    wrap(patch, fill_mask, "place_windows", shifted)


@fault
def head_one_position_off(product, patch):
    wrap(
        patch,
        PackedPredictor,
        "hidden",
        lambda own, self, ids, mask, indices: own(self, ids, mask, indices - [[0, 1]]),
    )


@fault
def truncated_says_the_opposite(product, patch):
    def inverted(own, *a, **k):
        windows = own(*a, **k)
        return windows._replace(truncated=~windows.truncated)

    wrap(patch, fill_mask, "place_windows", inverted)


@fault
def more_bytes_are_read(product, patch):
    product.set(max_text_bytes=300)


# ---------------------------------------------------------------- the model


@fault
def one_row_of_the_embeddings(product, patch):
    product.model = model()
    table = product.model.bert.embeddings.weight
    row = tokenizer().convert_tokens_to_ids("town")
    table.assign(tf.tensor_scatter_nd_add(table, [[row]], [tf.fill([16], 0.05)]))


@fault
def positions_counted_from_one(product, patch):
    product.model = model()
    table = product.model.bert.embeddings.position_embeddings
    table.assign(tf.roll(table, -1, 0))


@fault
def no_bias_of_the_head(product, patch):
    product.model = model()
    bias = product.model.mlm.predictions.bias
    bias.assign(tf.zeros_like(bias))


@fault
def bfloat16_in_place_of_float32(product, patch):
    product.model = bfloat16_copy(right_model())


@fault
def logits_a_little_larger(product, patch):
    wrap(patch, FillMask, "_logits_of", lambda own, self, h: 1.005 * own(self, h))


# ---------------------------------------------------------------- the best words


@fault
def the_best_is_left_out(product, patch):
    def worse(own, self, hidden, k):
        score, token = own(self, hidden, k + 1)
        return score[:, 1:], token[:, 1:]

    wrap(patch, candidates.Pieces, "top_k", worse)


@fault
def one_word_more_than_asked(product, patch):
    wrap(patch, FillMask, "_allowed", lambda own, self, top_k, w: own(self, top_k + 1, w))


@fault
def every_text_gets_the_largest_number(product, patch):
    def largest(own, self, top_k, windows):
        allowed = own(self, top_k, windows)
        return tf.fill(tf.shape(allowed), tf.reduce_max(allowed))

    wrap(patch, FillMask, "_allowed", largest)


@fault
def rows_swapped(product, patch):
    product.changed["serving_default"] = lambda out: {
        n: out[n][[1, 0, *range(2, len(out[n]))]] for n in ("score", "token")
    }


@fault
def one_mask_is_not_counted(product, patch):
    product.changed["serving_default"] = lambda out: {
        "mask_count": out["mask_count"] - (out["mask_count"] == 3)
    }


@fault
def no_mask_is_ok(product, patch):
    product.changed["fill_mask_top_k"] = lambda out: {
        "status": np.where(out["status"] == b"no_mask", b"ok", out["status"])
    }


@fault
def something_beyond_a_row_s_masks(product, patch):
    product.changed["serving_default"] = lambda out: {"token": np.maximum(out["token"], 0)}


# ---------------------------------------------------------------- strings


@fault
def a_wrong_row_of_the_strings(product, patch):
    word = tokenizer().convert_tokens_to_ids("river")
    product.table("token_str", lambda values: [*values[:word], "rive", *values[word + 1 :]])


@fault
def words_keep_their_marks(product, patch):
    product.table("word", lambda values: list(product.vocabulary.token_str))


@fault
def decoded_without_a_space(product, patch):
    wrap(
        patch,
        FillMask,
        "_decode_rows",
        lambda own, self, *a: tf.strings.regex_replace(own(self, *a), " ", "", False),
    )


@fault
def special_tokens_in_sequences(product, patch):
    product.set(special_ids=())


@fault
def masks_left_out_of_sequences(product, patch):
    wrap(
        patch,
        FillMask,
        "_decode_rows",
        lambda own, self, *a: tf.strings.regex_replace(own(self, *a), r" ?\[MASK\]", ""),
    )


@fault
def filled_one_byte_off(product, patch):
    wrap(
        patch,
        fill_mask,
        "fill_in",
        lambda own, text, row, span, words: own(text, row, span - [[1, 0]], words),
    )


@fault
def filled_with_the_worst(product, patch):
    wrap(
        patch,
        FillMask,
        "_filled",
        lambda own, self, request, windows, spans, token: own(
            self, request, windows, spans, tf.reverse(token, [1])[:, :1]
        ),
    )


# ---------------------------------------------------------------- targets


@fault
def glued_is_the_opposite(product, patch):
    wrap(patch, fill_mask, "glued_to_a_word", lambda own, *a: ~own(*a))


@fault
def glued_to_punctuation(product, patch):
    wrap(patch, fill_mask, "glued_to_a_word", lambda own, t, r, s, _: own(t, r, s, True))


@fault
def the_second_piece_of_a_target(product, patch):
    def second(own, self, texts):
        pieces = own(self, texts)
        return pieces._replace(first=tf.where(pieces.count > 1, pieces.second, pieces.first))

    wrap(patch, targets.TargetResolver, "_pieces", second)


@fault
def a_wrong_row_of_the_continuations(product, patch):
    word, other = tokenizer().convert_tokens_to_ids(["re", "##s"])
    product.table("continuation", lambda ids: [*ids[:word], other, *ids[word + 1 :]])


@fault
def spelled_tokens_are_tokenized(product, patch):
    product.vocabulary = dataclasses.replace(
        product.vocabulary,
        ids={t: i for t, i in vocabulary().ids.items() if not t.startswith("##")},
    )


@fault
def a_target_counts_twice(product, patch):
    wrap(patch, candidates, "_once", lambda own, tokens: _all(own(tokens)))


def _all(found: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    order, _ = found
    return order, order < tf.int32.max


@fault
def target_exact_is_the_opposite(product, patch):
    product.changed["fill_mask_targets"] = lambda out: {"target_exact": ~out["target_exact"]}


@fault
def target_exact_at_a_word_start_alone(product, patch):
    def always(own, self, targets):
        start, whole, glued, _ = own(self, targets)
        return start, whole, glued, whole

    wrap(patch, targets.TargetResolver, "__call__", always)


# ---------------------------------------------------------------- ids, tokens, scores of texts


@fault
def positions_of_masks_off(product, patch):
    product.changed["fill_mask_ids"] = lambda out: {
        "mask_position": out["mask_position"] + (out["mask_position"] >= 0)
    }


@fault
def ids_attend_to_padding(product, patch):
    wrap(
        patch,
        FillMask,
        "fill_ids",
        lambda own, self, input_ids, attention_mask: own(
            self, input_ids, tf.ones_like(attention_mask)
        ),
    )


@fault
def ids_of_another_table(product, patch):
    wrap(
        patch,
        FillMask,
        "fill_ids",
        lambda own, self, input_ids, attention_mask: own(self, _renamed(input_ids), attention_mask),
    )


@fault
def a_word_is_read_as_another(product, patch):
    def other(own, self, texts):
        ids, splits, spans = own(self, texts)
        return _renamed(ids), splits, spans

    wrap(patch, FillMask, "_encode_texts", other)


def _renamed(ids: tf.Tensor) -> tf.Tensor:
    is_a, the = tokenizer().convert_tokens_to_ids(["is", "the"])
    return tf.where(tf.equal(ids, is_a), the, ids)


@fault
def tokenize_without_special_tokens(product, patch):
    def bare(own, self, texts):
        ids = tokenizer_graph().encode(texts).ids
        return {"input_ids": ids.to_tensor(), "attention_mask": tf.ones_like(ids).to_tensor()}

    wrap(patch, FillMask, "_padded_tokens", bare)


@fault
def tokenize_pads_with_another_id(product, patch):
    product.changed["tokenize"] = lambda out: {
        "input_ids": np.where(out["attention_mask"] == 0, 1, out["input_ids"])
    }


@fault
def scores_of_a_text_shifted(product, patch):
    product.changed["score_text"] = lambda out: {"score": np.roll(out["score"], 1, axis=1)}


@fault
def places_in_a_text_one_further(product, patch):
    product.changed["score_text"] = lambda out: {
        n: out[n] + (out[n] >= 0) for n in ("start", "end")
    }


@fault
def scores_of_a_text_in_bits(product, patch):
    product.changed["score_text"] = lambda out: {
        n: out[n] / np.log(2) for n in ("score", "pseudo_log_likelihood")
    }


@fault
def another_token_in_place_of_the_mask(product, patch):
    def masked(own, self, *a):
        self._settings = dataclasses.replace(product.settings, mask_id=1)
        return own(self, *a)

    wrap(patch, score_text.ScoreText, "_log_probabilities", masked)


@fault
def the_sum_of_a_text_is_a_mean(product, patch):
    product.changed["score_text"] = lambda out: {
        "pseudo_log_likelihood": out["pseudo_log_likelihood"] / np.maximum(out["token_count"], 1)
    }


@fault
def masks_of_a_text_are_scored(product, patch):
    product.changed["score_text"] = lambda out: {
        "token_count": out["token_count"] + np.sum(out["token"] == 4, axis=1)
    }


@pytest.mark.parametrize("name", FAULTS)
def test_the_export_refuses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    product = Product()
    FAULTS[name](product, monkeypatch)
    with pytest.raises(RunFailedError):
        verdict(product)


def test_an_export_with_a_fault_is_not_published(tmp_path, monkeypatch) -> None:
    """The same through a SavedModel on disk: nothing is left for a server to find."""
    monkeypatch.undo()
    wrap(monkeypatch, fill_mask, "glued_to_a_word", lambda own, *a: ~own(*a))
    with pytest.raises(RunFailedError, match="fill_mask_targets"):
        tfmlm.export_saved_model(right_model(), tokenizer(), tmp_path / "export")
    assert not list(tmp_path.glob("export/*"))
