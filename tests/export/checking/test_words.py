"""What a target word means: the referee and the graph, told apart by hand."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import tensorflow as tf

import tfmlm
from tfmlm.export.checking.tokens import TextReader
from tfmlm.export.checking.words import Words
from tfmlm.export.graph.targets import TargetResolver
from tfmlm.export.graph.vocabulary import Vocabulary


@functools.cache
def tokenizer() -> Any:
    """A Unigram whose `ing`, `past` and `tion` have no form at a word start: `▁` goes alone."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "<mask>", "<pad>", "\u2581", "ing", "tion", "\u2581the", "the", "\u2581dog"]
    pieces += list("abcdefghijklmnopqrstuvwxyz")
    scores = [(piece, -1.0 if len(piece) > 1 else -5.0) for piece in pieces]
    rust = Tokenizer(models.Unigram(scores, 0, False))
    rust.pre_tokenizer = pre_tokenizers.Metaspace()
    rust.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(
        tokenizer_object=rust, mask_token="<mask>", unk_token="<unk>", pad_token="<pad>"
    )


#: Target, text before the mask -> token, whole.
CASES = [
    ("the", "", "\u2581the", True),
    ("the", "a ", "\u2581the", True),
    ("the", "ba", "the", True),
    ("\u2581the", "ba", "\u2581the", True),
    ("dog", "", "\u2581dog", True),
    ("dog", "a", "\u2581dog", False),
    ("ing", "play", "ing", True),
    ("ing", "play ", "\u2581", False),
    ("ings", "play", "ing", False),
    ("tion", "na", "tion", True),
    ("<mask>", "", "<mask>", True),
]


def words() -> Words:
    return Words(tokenizer(), TextReader(tokenizer(), 20), len(tokenizer()))


@pytest.mark.parametrize(("target", "before", "token", "whole"), CASES)
def test_the_referee(target: str, before: str, token: str, whole: bool) -> None:
    assert words().target(target, before) == (tokenizer().convert_tokens_to_ids(token), whole)


def test_the_graph_leaves_the_bare_mark_out_behind_a_word() -> None:
    graph = tfmlm.GraphTokenizer.from_tokenizer(tokenizer())
    vocabulary = Vocabulary.of(tokenizer(), len(tokenizer()))

    def encode(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        ids = graph.encode(texts).ids
        return ids.values, ids.row_splits

    resolved = TargetResolver(vocabulary, encode)(tf.constant([case[0] for case in CASES]))
    start, start_whole, glued, glued_whole = (tensor.numpy().tolist() for tensor in resolved)
    for number, (_, before, token, whole) in enumerate(CASES):
        behind = before != "" and not before.endswith(" ")
        found = (glued, glued_whole) if behind else (start, start_whole)
        assert tokenizer().convert_ids_to_tokens(found[0][number]) == token
        assert found[1][number] == whole


def test_strings_and_words() -> None:
    ids = tokenizer().convert_tokens_to_ids(["\u2581the", "ing", "<mask>"])
    assert [words().word(i) for i in ids] == ["the", "ing", "<mask>"]
    assert words().special == {
        tokenizer().convert_tokens_to_ids(t) for t in tokenizer().all_special_tokens
    }
