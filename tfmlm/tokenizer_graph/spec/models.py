"""Models of `tokenizer.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.spec.base import Component, component


@component("model", "WordPiece")
@dataclass(frozen=True, eq=False)
class WordPiece(Component):
    vocab: Mapping[str, int]
    unk_token: str = "[UNK]"
    continuing_subword_prefix: str = "##"
    max_input_chars_per_word: int = 100

    def check(self, path: str) -> None:
        _check_vocab(self.vocab, path)
        _check_unknown(self.unk_token, self.vocab, path, "an unknown token that it holds")


@component("model", "WordLevel")
@dataclass(frozen=True, eq=False)
class WordLevel(Component):
    vocab: Mapping[str, int]
    unk_token: str = "<unk>"

    def check(self, path: str) -> None:
        _check_vocab(self.vocab, path)
        _check_unknown(self.unk_token, self.vocab, path, "an unknown token that it holds")


@component("model", "BPE")
@dataclass(frozen=True, eq=False)
class BPE(Component):
    vocab: Mapping[str, int]
    merges: Sequence[Sequence[str]]
    dropout: float | None = None
    unk_token: str | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    fuse_unk: bool = False
    byte_fallback: bool = False
    ignore_merges: bool = False

    def check(self, path: str) -> None:
        _check_vocab(self.vocab, path)
        if self.dropout:
            raise UnsupportedTokenizerError(
                f"{path}.dropout",
                f"{self.dropout}: merges left out at random have no exact ids",
                "no dropout",
            )
        if self.unk_token is not None:
            _check_unknown(self.unk_token, self.vocab, path, "null, or a token that it holds")


@component("model", "Unigram")
@dataclass(frozen=True, eq=False)
class Unigram(Component):
    vocab: Sequence[tuple[str, float]]
    unk_id: int | None = None
    byte_fallback: bool = False

    def check(self, path: str) -> None:
        if self.unk_id is None or not 0 <= self.unk_id < len(self.vocab):
            raise UnsupportedTokenizerError(
                f"{path}.unk_id", repr(self.unk_id), "the id of a token of the vocabulary"
            )


def _check_unknown(token: str, vocab: Mapping[str, int], path: str, supported: str) -> None:
    if token not in vocab:
        raise UnsupportedTokenizerError(
            f"{path}.unk_token", f"{token!r}, which is not in the vocabulary", supported
        )


def _check_vocab(vocab: Mapping[str, int], path: str) -> None:
    if not vocab:
        raise UnsupportedTokenizerError(f"{path}.vocab", "an empty vocabulary")
