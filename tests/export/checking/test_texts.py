"""What an export is compared on holds what goes wrong most often."""

from __future__ import annotations

from tests.export.checking.toy import MAX_LENGTH, tokenizer
from tfmlm.export.checking.texts import (
    compared_texts,
    numbers_asked,
    scored_texts,
    targets_asked,
)

MASK = "[MASK]"


def test_masks_first_last_twice_and_none_and_no_latin_letter() -> None:
    texts = compared_texts(MASK, MAX_LENGTH, 200)
    bare = {text: text.replace(MASK, "") for text in texts}
    assert any(t.startswith(MASK) for t in texts) and any(t.endswith(MASK) for t in texts)
    assert {0, 1, 2, 3} <= {text.count(MASK) for text in texts}
    assert any(t.strip() and not any(c.isascii() and c.isalpha() for c in t) for t in bare.values())
    lengths = [len(tokenizer()(text)["input_ids"]) for text in texts]
    assert max(lengths) > MAX_LENGTH
    assert max(len(text.encode()) for text in texts) > 200


def test_long_texts_to_score_have_few_tokens_that_are_scored() -> None:
    (long,) = (t for t in scored_texts(MASK, 64, 10_000) if t.count(MASK) > 2)
    assert long.count(MASK) == 64 and len(long.replace(MASK, "").split()) == 3


def test_numbers_and_targets() -> None:
    assert {1, 3, 0} < set(numbers_asked(10)) and min(numbers_asked(10)) < 0
    vocabulary = tokenizer().convert_ids_to_tokens(range(len(tokenizer())))
    asked = targets_asked(6, vocabulary)
    assert {len(words) for words in asked} == {8}
    assert all("" in words and len(set(words)) < len(words) for words in asked)
    spelled = {word for words in targets_asked(60, vocabulary) for word in words}
    assert any(word.startswith("##") for word in spelled)
