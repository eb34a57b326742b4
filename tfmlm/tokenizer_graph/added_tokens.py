"""Added tokens: found in the text, taken out, and carried along as barriers.

Follows `AddedVocabulary` of the Rust library: tokens that are not `normalized` are searched in the
raw text, the others after the normalizer, each with its content normalized too.
https://github.com/huggingface/tokenizers/blob/v0.22.2/tokenizers/src/tokenizer/added_vocabulary.rs
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.component import ADDED, BuildContext
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.edit import alternate
from tfmlm.tokenizer_graph.ops.matching import LiteralMatcher, Matches
from tfmlm.tokenizer_graph.ops.regex import rust_class
from tfmlm.tokenizer_graph.ops.shift import lower_bound, positions_of, previous
from tfmlm.tokenizer_graph.ops.tables import MAX_ADDED_TOKENS, FlagTable, constant
from tfmlm.tokenizer_graph.spec import AddedToken


class Extracted(NamedTuple):
    """A stream with added tokens as barriers.

    Attributes:
        stream: int32 [n].
        origin: int64 [n], where each element stood before (a token: its first code point).
        ends: int64 [n], where it ended before, exclusive (a token: after its last code point).
        taken_from, taken_to: int64 [n], the same with the whitespace that a token strips.
    """

    stream: tf.Tensor
    origin: tf.Tensor
    ends: tf.Tensor
    taken_from: tf.Tensor
    taken_to: tf.Tensor

    def stripped(self) -> tf.Tensor:
        """int64 [n, 2]: how much whitespace each element took before and behind itself."""
        return tf.stack([self.origin - self.taken_from, self.taken_to - self.ends], 1)


class AddedTokenPass(tf.Module):
    """One of the two passes.

    Args:
        tokens: (number k of the token in the spec, its flags, the code points to look for).
    """

    def __init__(self, tokens: Sequence[tuple[int, AddedToken, Sequence[int]]]) -> None:
        super().__init__()
        self._matcher = LiteralMatcher([pattern for _, _, pattern in tokens])
        self.patterns = [pattern for _, _, pattern in tokens]
        self.first_characters = sorted({pattern[0] for pattern in self.patterns})
        self._values = constant(np.array([ADDED + k for k, _, _ in tokens], np.int32))
        flags = [token for _, token, _ in tokens]
        # beyond the whitespace that a token strips
        self.looks_at_neighbours = any(token.single_word for token in flags)
        self._single_word = _flag_vector([token.single_word for token in flags])
        self._lstrip = _flag_vector([token.lstrip for token in flags])
        self._rstrip = _flag_vector([token.rstrip for token in flags])
        if self._single_word is not None:
            self._word = FlagTable(rust_class(r"\w"))
        if self._lstrip is not None or self._rstrip is not None:
            self._space = FlagTable(rust_class(r"\s"))

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """int32 [n] -> int32 [m]; costs five small ops if no token can be there."""
        candidates = self._matcher.candidates(stream)
        return branch(
            tf.reduce_any(candidates), lambda: self._found(stream, candidates), lambda: stream
        )

    def _found(self, stream: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
        """As a call, with what the matcher says of `stream` (`candidates`: bool [n])."""
        matches = self._allowed(stream, candidates)
        return branch(
            tf.size(matches.starts) > 0,
            lambda: self._replaced(stream, matches).stream,
            lambda: stream,
        )

    def extract(self, stream: tf.Tensor) -> Extracted:
        """int32 [n], as in a call; the positions from which everything came too."""
        return self._replaced(stream, self._allowed(stream, self._matcher.candidates(stream)))

    def _allowed(self, stream: tf.Tensor, candidates: tf.Tensor) -> Matches:
        """The matches that may stand: of `stream`, int32 [n], among `candidates`, bool [n]."""
        matches = self._matcher(stream, candidates)
        if self._single_word is None:
            return matches
        kept = positions_of(self._is_allowed(stream, *matches))
        return Matches(*(tf.gather(part, kept) for part in matches))

    def _replaced(self, stream: tf.Tensor, matches: Matches) -> Extracted:
        """The stream (int32 [n]) with each match replaced by its barrier."""
        starts, ends, literals = matches
        content_starts, content_ends = starts, ends
        size = tf.size(stream, tf.int64)
        if self._lstrip is not None or self._rstrip is not None:
            solid = positions_of(tf.logical_not(self._space(stream)))
            if self._rstrip is not None:
                # the first element at or after the end that is no whitespace: a ROW at the latest
                stop = tf.gather(solid, lower_bound(solid, ends))
                ends = tf.where(tf.gather(self._rstrip, literals), stop, ends)
            if self._lstrip is not None:
                index = lower_bound(solid, starts)
                before = tf.gather(tf.concat([[-1], solid], 0), index) + 1
                # whitespace that the token before took is gone
                before = tf.maximum(before, previous(ends, 0))
                starts = tf.where(tf.gather(self._lstrip, literals), before, starts)
        # The new text: what lies between the tokens, and the tokens, taken from behind the text.
        count = tf.size(starts, tf.int64)
        token_index = size + tf.range(count)
        range_starts = tf.concat([tf.zeros([1], tf.int64), alternate(token_index, ends)], 0)
        range_ends = tf.concat([alternate(starts, token_index + 1), size[tf.newaxis]], 0)
        index = tf.raw_ops.RaggedRange(
            starts=range_starts, limits=range_ends, deltas=tf.ones_like(range_starts)
        ).rt_dense_values
        values = tf.concat([stream, tf.gather(self._values, literals)], 0)
        positions = tf.range(size)
        return Extracted(
            tf.gather(values, index),
            tf.gather(tf.concat([positions, content_starts], 0), index),
            tf.gather(tf.concat([positions + 1, content_ends], 0), index),
            tf.gather(tf.concat([positions, starts], 0), index),
            tf.gather(tf.concat([positions + 1, ends], 0), index),
        )

    def _is_allowed(
        self, stream: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor, literals: tf.Tensor
    ) -> tf.Tensor:
        """bool [m]: false for a match of a `single_word` token that touches a word character.

        Args:
            stream: int32 [n].
            starts, ends, literals: see `Matches`.
        """
        word = self._word(stream)
        before = tf.logical_and(starts > 0, tf.gather(word, tf.maximum(starts - 1, 0)))
        after = tf.gather(word, ends)  # there is an element after: ROW at the latest
        touches = tf.logical_or(before, after)
        return tf.logical_not(tf.logical_and(touches, tf.gather(self._single_word, literals)))


def build_passes(context: BuildContext) -> tuple[AddedTokenPass | None, AddedTokenPass | None]:
    """The passes before and after the normalizer; `None` where there is nothing to look for.

    Raises:
        UnsupportedTokenizerError: a token's normalized content is empty or is another's too.
    """
    tokens = context.spec.added_tokens
    if len(tokens) > MAX_ADDED_TOKENS:
        raise UnsupportedTokenizerError(
            "added_tokens", f"{len(tokens)} added tokens", f"at most {MAX_ADDED_TOKENS}"
        )
    normalize = context.tokenizer.normalizer.normalize_str if context.tokenizer.normalizer else str
    before: list[tuple[int, AddedToken, Sequence[int]]] = []
    after: list[tuple[int, AddedToken, Sequence[int]]] = []
    seen: dict[tuple[bool, tuple[int, ...]], int] = {}
    for k, token in enumerate(tokens):
        text = normalize(token.content) if token.normalized else token.content
        pattern = tuple(map(ord, text))
        if not pattern:
            raise UnsupportedTokenizerError(
                f"added_tokens[{k}]", f"{token.content!r}, which the normalizer makes empty"
            )
        if (token.normalized, pattern) in seen:
            other = seen[token.normalized, pattern]
            raise UnsupportedTokenizerError(
                f"added_tokens[{k}]",
                f"{token.content!r}, which normalizes to the same text as added_tokens[{other}]",
            )
        seen[token.normalized, pattern] = k
        (after if token.normalized else before).append((k, token, pattern))
    for part in (before, after):
        _refuse_stripped_starts(part)
    return (
        AddedTokenPass(before) if before else None,
        AddedTokenPass(after) if after else None,
    )


def _refuse_stripped_starts(tokens: list[tuple[int, AddedToken, Sequence[int]]]) -> None:
    """Refuses `rstrip` beside a token that begins with whitespace: the Rust library panics there.

    The whitespace that the one strips would be the beginning of the other.
    """
    stripping = [k for k, token, _ in tokens if token.rstrip]
    if not stripping:
        return
    space = set(rust_class(r"\s").tolist())
    for k, token, pattern in tokens:
        if pattern[0] in space:
            raise UnsupportedTokenizerError(
                f"added_tokens[{k}]",
                f"{token.content!r}, which begins with whitespace that added_tokens"
                f"[{stripping[0]}] strips (rstrip)",
                "one of the two",
            )


def _flag_vector(flags: list[bool]) -> tf.Tensor | None:
    """bool [tokens], or `None` where no flag is set."""
    return constant(np.array(flags)) if any(flags) else None
