"""The signature `score_text`: how probable a masked LM finds each token of a text.

Every token is masked in turn and scored from all others; the sum is the text's
pseudo-log-likelihood (Salazar et al. 2020, Masked Language Model Scoring,
https://aclanthology.org/2020.acl-main.240). A text of n tokens takes n encoder rows, which run a
bounded number at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.export.graph.windows import window_matrix

if TYPE_CHECKING:
    from tfmlm.export.graph.fill_mask import FillMask

#: First place of a token and the one behind its last, in characters and in bytes.
OFFSETS = ("start", "end", "start_byte", "end_byte")
#: Tokens of all rows that the encoder takes at a time.
CHUNK_TOKENS = 4096
#: Logits that are held at a time: 64 MB in float32.
CHUNK_LOGITS = 2**24


class ScoreText:
    """Log-probabilities of the tokens of raw strings, each from all the others."""

    def __init__(self, fill: FillMask) -> None:
        """Takes tokenizer, encoder and strings from the graph that fills masks."""
        self._fill = fill
        self._settings = fill.settings

    def __call__(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores `text` string [B].

        A text over `max_length` tokens is scored up to there (status `truncated`). A mask token in
        a text stays a mask and is not scored.

        Returns:
            `token` int32, `token_str` string and `score` float32 (natural log of the probability)
            [B, tokens], without special tokens; beyond a text's own tokens −1, empty, 0, and
            score 0 for its mask tokens; `pseudo_log_likelihood` float32 [B], the sum of the
            scores; `start`, `end`, `start_byte`, `end_byte` int32 [B, tokens], from where to where
            in the text each token goes, in characters and in bytes (−1 beyond a text's tokens, and
            everywhere if the graph does not know a tokenizer's offsets exactly);
            `token_count` int32 [B], how many were scored; `status` string [B]: `ok`,
            `truncated`, `too_long` (not read), `empty` (nothing to score).
        """
        settings = self._settings
        too_long = tf.strings.length(text) > settings.max_text_bytes
        # One empty text at the end: an empty batch becomes one that every kernel takes.
        read = tf.concat([tf.where(too_long, "", text), [""]], 0)
        ids, splits, _ = self._fill.encode(read)
        limit = settings.max_length - len(settings.prefix_ids) - len(settings.suffix_ids)
        lengths = splits[1:] - splits[:-1]
        taken = tf.minimum(lengths, limit)[:, tf.newaxis]
        input_ids, attention_mask = window_matrix(
            ids,
            splits[:-1, tf.newaxis],
            taken,
            settings.prefix_ids,
            settings.suffix_ids,
            settings.pad_id,
        )
        before = len(settings.prefix_ids)
        columns = tf.range(tf.reduce_max(taken))
        content = input_ids[:, before : before + tf.size(columns)]
        inside = columns < taken
        scored = inside & tf.not_equal(content, settings.mask_id)
        places = tf.cast(tf.where(scored), tf.int32)
        values = self._log_probabilities(input_ids, attention_mask, places + [[0, before]])
        score = tf.scatter_nd(places, values, tf.shape(content))[:-1]
        token = tf.where(inside, content, -1)[:-1]
        count = tf.reduce_sum(tf.cast(scored, tf.int32), axis=1)[:-1]
        status = tf.where(count > 0, tf.where(lengths[:-1] > limit, "truncated", "ok"), "empty")
        places_in_text = self._offsets(read, splits)
        offsets = {
            name: tf.where(inside, values.to_tensor(-1)[:, : tf.size(columns)], -1)[:-1]
            for name, values in zip(OFFSETS, places_in_text, strict=True)
        }
        return {
            **offsets,
            "token": token,
            "token_str": self._fill.token_str(token),
            "score": score,
            "pseudo_log_likelihood": tf.reduce_sum(score, axis=1),
            "token_count": count,
            "status": tf.where(too_long, "too_long", status),
        }

    def _offsets(self, read: tf.Tensor, splits: tf.Tensor) -> list[tf.RaggedTensor]:
        """`OFFSETS` of the tokens of texts (string [B]), int32 [B, (tokens)] each.

        Args:
            splits: int32 [B + 1], the tokens of each text.
        """
        try:
            characters, in_bytes = self._fill.tokenizer_graph.offsets(read)
        except UnsupportedTokenizerError:
            columns = tf.fill([splits[-1], len(OFFSETS)], -1)
        else:
            columns = tf.concat([characters.flat_values, in_bytes.flat_values], 1)
            columns = tf.cast(columns, tf.int32)
        return [
            tf.RaggedTensor.from_row_splits(columns[:, number], splits, validate=False)
            for number in range(len(OFFSETS))
        ]

    def _log_probabilities(
        self, input_ids: tf.Tensor, attention_mask: tf.Tensor, places: tf.Tensor
    ) -> tf.Tensor:
        """For each (row, column) of `places` [N, 2] the token there, masked: float32 [N]."""
        settings = self._settings
        most = max(CHUNK_LOGITS // settings.vocab_size, 1)
        rows = tf.clip_by_value(CHUNK_TOKENS // tf.shape(input_ids)[1], 1, most)
        lengths = tf.reduce_sum(attention_mask, axis=1)

        def run(start: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            own = places[start : start + rows]
            count = tf.shape(own)[0]
            longest = tf.reduce_max(tf.gather(lengths, own[:, 0]))
            ids = tf.gather(input_ids[:, :longest], own[:, 0])
            indices = tf.stack([tf.range(count), own[:, 1]], 1)
            masked = tf.tensor_scatter_nd_update(ids, indices, tf.fill([count], settings.mask_id))
            mask = tf.gather(attention_mask[:, :longest], own[:, 0])
            scores = tf.nn.log_softmax(self._fill.logits(masked, mask, indices))
            scores = tf.gather(scores, tf.gather_nd(ids, indices), batch_dims=1)
            return start + count, tf.concat([found, scores], 0)

        _, found = tf.while_loop(
            lambda start, _: start < tf.shape(places)[0],
            run,
            (0, tf.zeros([0])),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
            parallel_iterations=1,
        )
        return found
