"""BPE alone: equal to the Rust model for real vocabularies and for any list of merges."""

import random
import string

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tests.real_data import english_texts, gpt2_vocab_files, multilingual_texts
from tests.tokenizer_graph.models.words import Compiled, long_words
from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.models._symbols import byte_token


@pytest.fixture(scope="module")
def gpt2() -> Compiled:
    return Compiled(models.BPE.from_file(*map(str, gpt2_vocab_files())))


def _byte_level_words(texts) -> list[str]:
    split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    return sorted({word for text in texts for word, _ in split(text)})


def test_gpt2_real_words(gpt2):
    gpt2.check(_byte_level_words([*english_texts(1500), *multilingual_texts(6000)]))


def test_gpt2_every_token_as_a_word(gpt2):
    gpt2.check(list(Tokenizer(gpt2.rust).get_vocab()))


def test_gpt2_random_words(gpt2):
    rng = random.Random(1)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokens = sorted(Tokenizer(gpt2.rust).get_vocab())
    words = ["".join(rng.choices(alphabet, k=rng.randint(1, 30))) for _ in range(2000)]
    words += ["".join(rng.choices(tokens, k=rng.randint(2, 6))) for _ in range(4000)]
    words += ["".join(rng.choices("=-_*#", k=rng.randint(1, 200))) for _ in range(500)]
    gpt2.check(words)


def test_gpt2_long_words(gpt2):
    rng = random.Random(2)
    gpt2.check(long_words(string.ascii_lowercase, 20000, rng))
    gpt2.check(["".join(rng.choices(sorted(Tokenizer(gpt2.rust).get_vocab()), k=5000))])


def test_gpt2_characters_outside_the_alphabet_are_dropped(gpt2):
    gpt2.check(["日", "a日b", "日本", "日a本", "a"])


def test_no_words(gpt2):
    assert gpt2([]) == []


def test_trained_like_sentencepiece_with_byte_fallback():
    words = [
        "▁" + word
        for text in [*english_texts(600), *multilingual_texts(2000)]
        for word in text.split()
    ]
    trained = Tokenizer(models.BPE())
    trained.train_from_iterator(words, trainers.BpeTrainer(vocab_size=3000, limit_alphabet=200))
    vocab: dict[str, int] = {"<unk>": 0}
    ids = trained.get_vocab()
    for token in [*map(byte_token, range(256)), *sorted(ids, key=ids.__getitem__)]:
        vocab.setdefault(token, len(vocab))
    # as sentencepiece models are converted: every way of building a token is a merge
    merges = [
        (token[:cut], token[cut:])
        for token in vocab
        for cut in range(1, len(token))
        if not token.startswith("<0x") and token[:cut] in vocab and token[cut:] in vocab
    ]
    for fallback in (True, False):
        model = models.BPE(
            vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=fallback
        )
        compiled = Compiled(model)
        compiled.check(sorted(set(words)))
        compiled.check(["日本", "▁日a", "a日日b", "😀", "<0x41>", "\x00", "\U0010ffff日"])
        compiled.check(long_words("aeioutns▁日", 20000, random.Random(3)))
        compiled.check([letter * 20000 for letter in "abcdefghilmnoprstu=-."])


def _random_model(rng: random.Random) -> tuple[models.BPE, str]:
    """Any vocabulary, merges in any order: also ones that no training could give."""
    prefix, suffix = rng.choice((None, None, "##")), rng.choice((None, None, "</w>"))
    letters = "abcd"[: rng.randint(1, 4)] + rng.choice(("", "é"))
    vocab: dict[str, int] = {}
    fallback = rng.random() < 0.4
    if fallback and rng.random() < 0.7:
        vocab = {byte_token(byte): byte for byte in range(256)}
    unknown = rng.choice((None, "<unk>", "?"))
    tokens = []
    for letter in letters:
        for start in {"", prefix or ""}:
            for end in {"", suffix or ""}:
                if rng.random() < 0.9:
                    tokens.append(start + letter + end)
    merges = []
    for _ in range(rng.randint(0, 25) if tokens else 0):
        left, right = rng.choice(tokens), rng.choice(tokens)
        if right.startswith(prefix or ""):
            product = left + right[len(prefix or "") :]
            if len(left) < len(product) <= 24:
                tokens.append(product)
                merges.append((left, right))
    if rng.random() < 0.5:
        rng.shuffle(merges)
    if merges and rng.random() < 0.2:
        merges.append(rng.choice(merges))
    for token in ([unknown] if unknown else []) + tokens:
        vocab.setdefault(token, len(vocab))
    settings = {"continuing_subword_prefix": prefix, "end_of_word_suffix": suffix}
    model = models.BPE(
        vocab=vocab,
        merges=merges,
        unk_token=unknown,
        fuse_unk=rng.random() < 0.5,
        byte_fallback=fallback,
        ignore_merges=rng.random() < 0.3,
        **{name: value for name, value in settings.items() if value},
    )
    return model, letters


@pytest.mark.parametrize("seed", range(40))
def test_random_merges(seed):
    rng = random.Random(seed)
    model, letters = _random_model(rng)
    words = [
        "".join(
            rng.choice("xé日?") if rng.random() < 0.03 else rng.choice(letters)
            for _ in range(rng.randint(1, rng.choice((4, 12, 80))))
        )
        for _ in range(200)
    ]
    Compiled(model).check([*words, *Tokenizer(model).get_vocab()])


def test_some_byte_tokens_missing_is_refused():
    model = models.BPE(vocab={"a": 0, "<0x41>": 1}, merges=[], byte_fallback=True)
    with pytest.raises(UnsupportedTokenizerError, match=r"model.byte_fallback.*<0x00>"):
        Compiled(model)
