"""Added tokens: every flag, overlaps, many of them, and what is refused."""

import itertools

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

import tfmlm
from tests.tokenizer_graph.parity import assert_ids_equal
from tfmlm.errors import UnsupportedTokenizerError

COMPANY = ["", " ", "a", "1", ".", "\n", "é", "\u0301", "_", "\u00a0 ", "x y"]


def tokenizer(*tokens, normalizer=None):
    characters = sorted(set("abcxyz1._é[]<> mskMASK\u0301-+"))
    vocab = {piece: k for k, piece in enumerate(["[UNK]", *characters])}
    vocab.update({f"##{c}": len(vocab) + k for k, c in enumerate(characters)})
    made = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if normalizer is not None:
        made.normalizer = normalizer
    made.add_tokens(list(tokens))
    return made


def check(made, texts):
    assert_ids_equal(tfmlm.GraphTokenizer.from_tokenizer(made), made, texts)


@pytest.mark.parametrize("lstrip", [False, True])
@pytest.mark.parametrize("rstrip", [False, True])
@pytest.mark.parametrize("single_word", [False, True])
@pytest.mark.parametrize("normalized", [False, True])
def test_flags(lstrip, rstrip, single_word, normalized):
    flags = {
        "lstrip": lstrip,
        "rstrip": rstrip,
        "single_word": single_word,
        "normalized": normalized,
    }
    made = tokenizer(
        AddedToken("[M]", **flags),
        AddedToken("ab", **flags),
        AddedToken("É", **flags),
        normalizer=normalizers.Lowercase(),
    )
    parts = ["[M]", "[m]", "ab", "AB", "É", "é", *COMPANY]
    check(made, ["".join(chosen) for chosen in itertools.product(parts, repeat=3)])


@pytest.mark.parametrize("content", ["\n", " ab", "\tab"])
def test_a_space_that_the_normalizer_changes_makes_a_token(content):
    """BertNormalizer makes a line break a space: what it makes is then found as a token."""
    made = tokenizer(AddedToken(content, normalized=True), normalizer=normalizers.BertNormalizer())
    parts = ["a", "ab", "1", " ", "\n", "\t", "\r"]
    check(made, ["".join(chosen) for chosen in itertools.product(parts, repeat=3)])


FLAGS = ("lstrip", "rstrip", "single_word", "normalized")


def _wordpiece():
    made = tokenizer()
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def _byte_bpe():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("a", "b"), ("Ġ", "a"), ("Ġa", "b"), ("ab", "c")]
    pieces = [*alphabet, "ab", "Ġa", "Ġab", "abc"]
    made = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


def _unigram():
    pieces = ["<unk>", "▁", "▁a", "ab", "b", "a", "x", "1", ".", "é", "y", "▁x", "_"]
    made = Tokenizer(models.Unigram([(p, -1.0 - i / 8) for i, p in enumerate(pieces)], 0, False))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    return made


@pytest.mark.parametrize("ops", ["core", "text"])
@pytest.mark.parametrize("make", [_wordpiece, _byte_bpe, _unigram])
def test_flags_on_every_path(make, ops):
    """All combinations of flags at once, in texts alone and among texts that go the long way."""
    made = make()
    chosen = list(itertools.product([False, True], repeat=len(FLAGS)))
    tokens = [f"[{'abcdefghijklmnop'[i]}]" for i in range(len(chosen))]
    made.add_tokens(
        [
            AddedToken(token, **dict(zip(FLAGS, flags, strict=True)))
            for token, flags in zip(tokens, chosen, strict=True)
        ]
    )
    texts = [a + token + b for a in COMPANY for token in tokens for b in COMPANY]
    texts += [
        first + between + second for first in tokens for second in tokens for between in ("", " ")
    ]
    graph = tfmlm.GraphTokenizer.from_tokenizer(made, ops=ops)
    assert_ids_equal(graph, made, texts)
    assert_ids_equal(graph, made, [text for text in texts if text.isascii()])
    for text in texts[:: len(texts) // 40]:
        assert_ids_equal(graph, made, [text])


def test_overlapping_tokens_leftmost_longest():
    made = tokenizer("ab", "abc", "bcx", "cx", "aa", "aaa", "[", "[[", "]", "[]")
    check(made, ["".join(chosen) for chosen in itertools.product("abcx[]", repeat=6)][::5])


def test_long_overlapping_runs():
    made = tokenizer("aa", "aba", "ba")
    check(made, ["a" * n for n in range(70)] + ["ab" * n for n in range(70)] + ["a" * 5000])


def test_thousands_of_tokens_take_the_trie():
    tokens = [f"<{a}{b}{c}>" for a in "abcxyz1" for b in "abcxyz1." for c in "abc_"]
    tokens += ["<ab", "<a", "b>", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
    made = tokenizer(*tokens)
    texts = [a + b for a in tokens[::7] for b in tokens[::11]]
    texts += ["".join(chosen) for chosen in itertools.product("<ab>1", repeat=5)]
    check(made, texts)


def test_first_token_of_the_next_row_is_not_reached():
    made = tokenizer(AddedToken("[M]", lstrip=True, rstrip=True), "[[")
    check(made, ["[", "[", "[M", "]", " [M] ", " ", "[M] ", "[M]", "[M"])


def test_refusals():
    empty = tokenizer(AddedToken("\u0301"), normalizer=normalizers.StripAccents())
    with pytest.raises(UnsupportedTokenizerError, match=r"added_tokens\[0\].*makes empty"):
        tfmlm.GraphTokenizer.from_tokenizer(empty)
    same = tokenizer("[m]", "[M]", normalizer=normalizers.Lowercase())
    with pytest.raises(UnsupportedTokenizerError, match=r"same text as added_tokens\[0\]"):
        tfmlm.GraphTokenizer.from_tokenizer(same)
    stripped = tokenizer(AddedToken("[M]", rstrip=True), AddedToken("  "))
    with pytest.raises(UnsupportedTokenizerError, match="begins with whitespace"):
        tfmlm.GraphTokenizer.from_tokenizer(stripped)
