"""The computation of the SavedModel: strings to the words that fill their masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfmlm.export.graph.candidates import Candidates, Pieces
from tfmlm.export.graph.settings import ExportSettings
from tfmlm.export.graph.targets import TargetResolver
from tfmlm.export.graph.texts import candidate_sequences, fill_in, glued_to_a_word
from tfmlm.export.graph.vocabulary import Vocabulary
from tfmlm.export.graph.windows import Windows, place_windows


class FillMask(tf.Module):
    """Fills masks of raw strings: tokenizer, windows, encoder, head and texts in one graph.

    Parts that several signatures share are functions of their own, so that the SavedModel holds
    their graph and their tables once.
    """

    def __init__(
        self,
        predictor: Any,
        settings: ExportSettings,
        tokenizer_graph: Any = None,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        """Puts the parts together.

        Args:
            predictor: `hidden(input_ids int32 [R, T], attention_mask int32 [R, T], indices int32
                [N, 2])` -> [N, hidden] and `head(hidden [n, hidden])` -> logits [n, vocabulary]; a
                trackable that owns its variables.
            settings: sizes and special ids.
            tokenizer_graph: a GraphTokenizer, or None for `fill_mask_ids` alone.
            vocabulary: strings of the ids; with a tokenizer_graph.
        """
        super().__init__(name="fill_mask")
        self.predictor = predictor
        self.tokenizer_graph = tokenizer_graph
        self.settings = settings
        ints = tf.TensorSpec([None, None], tf.int32)
        positions = tf.TensorSpec([None, 2], tf.int32)
        self.hidden = _function(predictor.hidden, [ints, ints, positions])
        masks = max(settings.piece_logits // settings.vocab_size, 1)
        self._pieces = Pieces(self._logits_of, masks)
        if tokenizer_graph is None:
            return
        if vocabulary is None:
            raise ValueError("a tokenizer graph needs a vocabulary")
        self._vocabulary = vocabulary
        strings = tf.TensorSpec([None], tf.string)
        tokens = tf.TensorSpec([None], tf.int32)
        self.encode = _function(self._encode_texts, [strings])
        self._pad = _function(self._padded_tokens, [strings])
        self._decode = _function(self._decode_rows, [tokens, tokens])
        self.token_str = _function(
            self._strings_of(vocabulary.token_str), [tf.TensorSpec(None, tf.int32)]
        )
        self._word = _function(self._strings_of(vocabulary.word), [tokens])
        self._targets = TargetResolver(vocabulary, lambda texts: self.encode(texts)[:2])
        self._resolve = _function(self._targets.__call__, [strings])

    # ---------------------------------------------------------------- what signatures call

    def fill_text(self, text: tf.Tensor, top_k: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Fills the masks of `text` string [B] with their `top_k` (int32 [B]) best tokens."""
        settings = self.settings
        request, windows, spans = self._read(text)
        if top_k is None:
            k, count = tf.constant(min(settings.top_k, settings.vocab_size)), None
        else:
            allowed = self._allowed(top_k, windows)
            k, count = (
                tf.maximum(tf.reduce_max(allowed), 1),
                tf.gather(allowed, windows.row),
            )
        score, token = self._best(windows, k)
        return self._outputs(request, windows, spans, Candidates(score, token, count))

    def fill_targets(self, text: tf.Tensor, targets: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores `targets` string [B, n] (`""` = padding) at the masks of `text` string [B]."""
        request, windows, spans = self._read(text)
        rows, columns = tf.shape(targets)[0], tf.shape(targets)[1]
        shape = tf.stack([rows, columns])
        resolved = self._resolve(tf.reshape(targets, [-1]))
        start, start_whole, glued, glued_whole = (tf.reshape(r, shape) for r in resolved)
        given = tf.not_equal(targets, "")

        follows = glued_to_a_word(
            request.text,
            windows.row,
            tf.gather(spans, windows.mask)[:, 0],
            self._vocabulary.marks_word_starts,
        )[:, tf.newaxis]
        row = windows.row
        token = tf.where(follows, tf.gather(glued, row), tf.gather(start, row))
        whole = tf.where(follows, tf.gather(glued_whole, row), tf.gather(start_whole, row))
        token = tf.where(tf.gather(given, row), token, -1)
        candidates = self._pieces.targets(self._at_masks(windows), token)

        outputs = self._outputs(request, windows, spans, candidates)
        # Whole at every mask that was scored; at a word start if none was.
        not_whole = tf.math.unsorted_segment_max(tf.cast(~whole, tf.int32), row, rows)
        scored = tf.math.unsorted_segment_max(tf.ones_like(row), row, rows)[:, tf.newaxis] > 0
        outputs["target_exact"] = given & tf.where(scored, not_whole <= 0, start_whole)
        return outputs

    def fill_ids(self, input_ids: tf.Tensor, attention_mask: tf.Tensor) -> dict[str, tf.Tensor]:
        """Fills the masks of token rows that the client made: int32 [B, tokens] each."""
        settings = self.settings
        batch = tf.shape(input_ids)[0]
        ids = input_ids[:, : settings.max_length]
        ids = tf.where((ids >= 0) & (ids < settings.vocab_size), ids, settings.unk_id)
        seen = tf.not_equal(attention_mask[:, : settings.max_length], 0)
        is_mask = tf.equal(ids, settings.mask_id) & seen
        has_mask = tf.reduce_any(is_mask, axis=1)
        where = tf.cast(tf.where(is_mask), tf.int32)
        row, position = where[:, 0], where[:, 1]
        count = tf.reduce_sum(tf.cast(is_mask, tf.int32), axis=1)
        slot = tf.range(tf.shape(row)[0]) - tf.gather(tf.cumsum(count, exclusive=True), row)
        encoder_row = tf.cumsum(tf.cast(has_mask, tf.int32)) - 1

        active = tf.cast(tf.where(has_mask)[:, 0], tf.int32)
        none = 1 - tf.minimum(tf.size(active), 1)
        # As many columns as the longest of the rows that are run has: padding beyond costs time.
        columns = tf.range(tf.shape(ids)[1]) + 1
        used = tf.maximum(tf.reduce_max(tf.where(tf.gather(seen, active), columns, 0)), 0)
        padding = tf.stack([tf.stack([0, none]), tf.stack([0, 1 - tf.minimum(used, 1)])])
        encoder_ids = tf.pad(tf.gather(ids, active)[:, :used], padding)
        encoder_mask = tf.pad(tf.cast(tf.gather(seen, active)[:, :used], tf.int32), padding)
        indices = tf.stack([tf.gather(encoder_row, row), position], 1)
        indices = tf.pad(indices, tf.stack([tf.stack([0, none]), tf.constant([0, 0])]))

        hidden = self.hidden(encoder_ids, encoder_mask, indices)
        score, token = self._pieces.top_k(
            hidden, tf.constant(min(settings.top_k, settings.vocab_size))
        )
        place = _places(row, slot, batch, tf.maximum(tf.reduce_max(count), 0))
        return {
            "score": _placed(score, place, 0.0),
            "token": _placed(token, place, -1),
            "mask_position": _placed(position[:, tf.newaxis], place, -1)[:, :, 0],
        }

    def tokenize(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Ids of `text` string [B] with special tokens, int32 [B, tokens], padded."""
        too_long = tf.strings.length(text) > self.settings.max_text_bytes
        return self._pad(tf.where(too_long, "", text))

    # ---------------------------------------------------------------- parts

    def _read(self, text: tf.Tensor) -> tuple[_Request, Windows, tf.Tensor]:
        """Tokenizes, and places windows. Returns mask spans int32 [masks, 2] in bytes as well."""
        settings = self.settings
        too_long = tf.strings.length(text) > settings.max_text_bytes
        # One empty text at the end: an empty batch becomes one that every kernel takes.
        ids, row_splits, spans = self.encode(tf.concat([tf.where(too_long, "", text), [""]], 0))
        windows = place_windows(
            ids,
            row_splits,
            mask_id=settings.mask_id,
            pad_id=settings.pad_id,
            prefix=settings.prefix_ids,
            suffix=settings.suffix_ids,
            max_length=settings.max_length,
        )
        return _Request(text, too_long), windows, spans

    def _best(self, windows: Windows, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores float32 and tokens int32 [N, k] of the best words at the masks, best first."""
        return self._pieces.top_k(self._at_masks(windows), k)

    def _at_masks(self, windows: Windows) -> tf.Tensor:
        return self.hidden(windows.input_ids, windows.attention_mask, windows.indices)

    def _allowed(self, top_k: tf.Tensor, windows: Windows) -> tf.Tensor:
        """How many candidates each text may have: int32 [B], at least 1.

        Bounded by the vocabulary, by `max_top_k`, by the tokens of all sequences of a text, and by
        the places that the answer has.
        """
        settings = self.settings
        most = min(settings.vocab_size, settings.max_top_k)
        count = windows.mask_count[:-1]
        inside = tf.minimum(count, settings.max_length)
        room = settings.max_sequence_tokens // tf.maximum(inside * settings.max_length, 1)
        places = tf.size(count) * tf.maximum(tf.reduce_max(count), 0)
        room = tf.minimum(room, settings.max_candidates // tf.maximum(places, 1))
        return tf.clip_by_value(tf.minimum(top_k, tf.maximum(room, 1)), 1, most)

    def _outputs(
        self,
        request: _Request,
        windows: Windows,
        spans: tf.Tensor,
        candidates: Candidates,
    ) -> dict[str, tf.Tensor]:
        """The outputs [B, masks, K] and [B] that all text signatures share."""
        score, token, count = candidates
        batch = tf.shape(request.text)[0]
        mask_count = windows.mask_count[:-1]
        masks = tf.maximum(tf.reduce_max(mask_count), 0)
        place = _places(windows.row, windows.slot, batch, masks)
        if count is not None:
            valid = tf.range(tf.shape(token)[1]) < count[:, tf.newaxis]
            score = tf.where(valid, score[: tf.shape(valid)[0]], 0.0)
            token = tf.where(valid, token[: tf.shape(valid)[0]], -1)
        tokens = _placed(token, place, -1)
        return {
            "score": _placed(score, place, 0.0),
            "token": tokens,
            "token_str": self.token_str(tokens),
            "sequence": self._sequences(windows, token, count, place),
            "mask_count": mask_count,
            "filled": self._filled(request, windows, spans, token),
            "status": request.status(mask_count, windows.truncated[:-1]),
        }

    def _sequences(
        self,
        windows: Windows,
        token: tf.Tensor,
        count: tf.Tensor | None,
        place: tf.Tensor,
    ) -> tf.Tensor:
        """Decoded windows, each with one mask filled: string [B, masks, K]."""
        masks, columns = tf.shape(windows.row)[0], tf.shape(token)[1]
        if count is None:
            number = tf.reshape(tf.range(masks * columns) + 1, [masks, columns])
            of_mask = tf.range(masks * columns) // columns
            tokens = tf.reshape(token[:masks], [-1])
        else:
            pairs = tf.cast(tf.where(token >= 0), tf.int32)
            of_mask, tokens = pairs[:, 0], tf.gather_nd(token, pairs)
            number = tf.scatter_nd(pairs, tf.range(tf.shape(pairs)[0]) + 1, tf.shape(token))
        special = tf.constant(self.settings.is_special())
        ids = windows.input_ids
        keep = tf.cast(windows.attention_mask, tf.bool) & (
            ~tf.gather(special, ids) | tf.equal(ids, self.settings.mask_id)
        )
        rows = candidate_sequences(
            ids, keep, windows.indices, of_mask, tokens, tf.gather(special, tokens)
        )
        texts = tf.concat([[""], self._decode(*rows)], 0)
        return tf.gather(texts, _placed(number, place, 0))

    def _filled(
        self, request: _Request, windows: Windows, spans: tf.Tensor, token: tf.Tensor
    ) -> tf.Tensor:
        """The callers' texts, each scored mask replaced by its best word: string [B]."""
        span = tf.gather(spans, windows.mask)
        row = windows.row
        columns = tf.minimum(tf.shape(token)[1], 1)
        best = tf.reduce_max(token[: tf.shape(row)[0], :columns], axis=1)
        literal = tf.strings.substr(
            tf.gather(request.text, row), span[:, 0], span[:, 1] - span[:, 0]
        )
        words = tf.where(best >= 0, self._word(best), literal)
        return fill_in(request.text, row, span, words)

    def logits(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, indices: tf.Tensor
    ) -> tf.Tensor:
        """Logits in float32, [N, vocabulary], at positions int32 [N, 2]; all at a time."""
        return self._logits_of(self.hidden(input_ids, attention_mask, indices))

    def _logits_of(self, hidden: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.predictor.head(hidden), tf.float32)

    def _encode_texts(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Flat ids int32 [tokens], their row splits [B + 1], mask spans int32 [masks, 2]."""
        encoded = self.tokenizer_graph.encode(texts)
        ids = encoded.ids
        spans = tf.reshape(tf.cast(encoded.mask_spans.flat_values, tf.int32), [-1, 2])
        return (
            tf.cast(ids.flat_values, tf.int32),
            tf.cast(ids.row_splits, tf.int32),
            spans,
        )

    def _padded_tokens(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.tokenizer_graph.padded_ids(texts)

    def _decode_rows(self, ids: tf.Tensor, row_splits: tf.Tensor) -> tf.Tensor:
        ragged = tf.RaggedTensor.from_row_splits(ids, row_splits, validate=False)
        return self.tokenizer_graph.decode(ragged, skip_special_tokens=False)

    def _strings_of(self, strings: Sequence[str]) -> Any:
        """A function from ids (−1: none) to the strings of a table."""

        def look_up(ids: tf.Tensor) -> tf.Tensor:
            table = tf.constant([*strings, ""], tf.string)
            return tf.gather(table, tf.where(ids < 0, len(strings), ids))

        return look_up


class _Request(NamedTuple):
    """Texts string [B] as they came, and which of them are too long to be read, bool [B]."""

    text: tf.Tensor
    too_long: tf.Tensor

    def status(self, mask_count: tf.Tensor, truncated: tf.Tensor) -> tf.Tensor:
        read = tf.where(truncated, "truncated", "ok")
        return tf.where(self.too_long, "too_long", tf.where(mask_count > 0, read, "no_mask"))


def _function(call: Any, signature: list[tf.TensorSpec]) -> Any:
    """A part that is traced once; its Python has no branches on tensors.

    It is no trackable: what a SavedModel holds are the signatures and what they call. Functions
    that a module owns are traced once more while it is saved.
    """
    function = tf.function(call, input_signature=signature, autograph=False)
    return lambda *tensors: function(*tensors)


def _places(row: tf.Tensor, slot: tf.Tensor, batch: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
    """Which of N masks stands at each place of [B, masks], counted from 1; 0: none."""
    numbers = tf.range(tf.shape(row)[0]) + 1
    return tf.scatter_nd(tf.stack([row, slot], 1), numbers, tf.stack([batch, masks]))


def _placed(values: tf.Tensor, place: tf.Tensor, empty: float | int) -> tf.Tensor:
    """Rows of `values` [N, K] laid out as [B, masks, K]."""
    none = tf.fill([1, tf.shape(values)[1]], tf.constant(empty, values.dtype))
    return tf.gather(tf.concat([none, values], 0), place)
