"""Unigram alone: equal to the Rust model for trained and for arbitrary pieces and scores."""

import random
import string

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tests.real_data import english_texts, multilingual_texts
from tests.tokenizer_graph.models.words import Compiled, long_words
from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.models._symbols import byte_token

TEXTS = [*english_texts(1000), *multilingual_texts(4000)]


@pytest.fixture(scope="module")
def trained() -> Compiled:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=6000, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return Compiled(tokenizer.model)


def test_real_words(trained):
    trained.check(sorted({"▁" + word for text in TEXTS for word in text.split()}))


def test_whole_texts_as_words(trained):
    trained.check([text.replace(" ", "▁") for text in TEXTS[::20]])


def test_every_piece_as_a_word(trained):
    trained.check(list(Tokenizer(trained.rust).get_vocab()))


def test_random_words(trained):
    rng = random.Random(1)
    pieces = sorted(Tokenizer(trained.rust).get_vocab())
    words = ["".join(rng.choices(pieces, k=rng.randint(2, 8))) for _ in range(4000)]
    words += [
        "".join(rng.choices("▁.,-=1aeéß日\x00\x01", k=rng.randint(1, 40))) for _ in range(2000)
    ]
    words += ["".join(rng.choices("=-_*#.", k=rng.randint(1, 200))) for _ in range(500)]
    trained.check(words)


def test_long_words(trained):
    rng = random.Random(2)
    trained.check(long_words(string.ascii_lowercase, 20000, rng))
    trained.check(long_words("=-.▁*_", 20000, rng))
    trained.check(["".join(rng.choices(sorted(Tokenizer(trained.rust).get_vocab()), k=5000))])


def test_unknown_pieces(trained):
    trained.check(
        ["<unk>", "a<unk>\x01", "\x01\x01", "\x01", "<unk><unk>", "\x01a\x02\x03b", "<unk>a<unk>"]
    )


def test_no_words(trained):
    assert trained([]) == []


def test_a_piece_that_contains_the_unknown_piece():
    """CamemBERT has `<unk>NOTUSED`."""
    pieces = [("<unk>", 0.0), ("<unk>NO", -100.0), ("N", -2.0), ("O", -3.0), ("NO", -9.0)]
    for fallback in (False, True):
        Compiled(models.Unigram(pieces, 0, fallback)).check(
            ["<unk>NO", "<unk>N", "x<unk>NO", "<unk><unk>NOx", "<unk>xNO", "<unk>", "<unk>x"]
        )


def _random_model(rng: random.Random) -> tuple[models.Unigram, str]:
    """Any pieces and scores; on a grid of scores different orders of the same pieces tie."""
    letters = "abcd"[: rng.randint(1, 4)] + rng.choice(("", "é日"))
    grid = rng.choice((None, None, 1.0, 0.1))

    def score() -> float:
        value = -rng.random() * rng.choice((1, 5, 15))
        return value if grid is None else round(value / grid) * grid

    pieces = {"<unk>": rng.choice((0.0, 0.0, -3.0))}
    fallback = rng.random() < 0.4
    if fallback and rng.random() < 0.7:
        pieces |= {byte_token(byte): rng.choice((0.0, score())) for byte in range(256)}
    for letter in letters:
        if rng.random() < 0.8:
            pieces[letter] = score()
    for _ in range(rng.randint(0, 40)):
        pieces["".join(rng.choices(letters, k=rng.randint(1, rng.choice((3, 8, 17)))))] = score()
    items = list(pieces.items())
    if rng.random() < 0.3:
        rng.shuffle(items)
    unknown = [piece for piece, _ in items].index("<unk>")
    return models.Unigram(items, unknown, fallback), letters


@pytest.mark.parametrize("seed", range(40))
def test_random_pieces_and_scores(seed):
    rng = random.Random(seed)
    model, letters = _random_model(rng)
    strange = ["x", "yz", "\x00", "<unk>", "<0x41>"]
    words = [
        "".join(
            rng.choice(strange) if rng.random() < 0.03 else rng.choice(letters)
            for _ in range(rng.randint(1, rng.choice((4, 12, 60, 200))))
        )
        for _ in range(200)
    ]
    Compiled(model).check([*words, *Tokenizer(model).get_vocab()])


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([("<unk>", 11.0), ("a", 11.0)], "so high"),
        ([("<unk>", 0.0), ("a<unk>", -1.0)], "made of unknown pieces .'<unk>'"),
    ],
)
def test_refused(pieces, message):
    with pytest.raises(UnsupportedTokenizerError, match=message):
        Compiled(models.Unigram(pieces, 0, False))
