"""Masking: exact values at degenerate rates, the law of 80/10/10 on a large sample, words whole."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.training import small
from tfmlm.config import MaskingConfig
from tfmlm.data.masking import IGNORED, Masker
from tfmlm.data.packing import CONTINUES, ID_MASK, PADDING, Encoder, Vocabulary, packed_frame

KINDS = ("wordpiece", "bpe", "unigram")
TEXT = "Unquestionably extraordinary dictionaries, it's said: reimplementation of assignments"
MODES = {
    "tokens": MaskingConfig(),
    "words": MaskingConfig(whole_word_mask=True),
    "spans": MaskingConfig(span_masking=True),
}


def rows(kind: str, count: int, length: int = 64) -> np.ndarray:
    """Packed rows with text, a mask token written in the text, and padding."""
    tokenizer = small.tokenizer(kind)
    text = f"{TEXT} {tokenizer.mask_token} {TEXT}"
    row = packed_frame(tokenizer).wrap(next(Encoder(tokenizer, words=True)([text])))[:length]
    row = np.pad(row, (0, length - len(row) + 3), constant_values=PADDING)
    return np.repeat(row[np.newaxis], count, axis=0)


def mask(kind: str, config: MaskingConfig, packed: np.ndarray, first: int = 0, seed: int = 1):
    vocabulary = Vocabulary.of(small.tokenizer(kind))
    tokens, labels = Masker(config, vocabulary, seed, 80)(tf.constant(packed), first)
    return tokens.ids.numpy(), labels.numpy(), vocabulary


@pytest.mark.parametrize("kind", KINDS)
def test_everything_masked(kind: str) -> None:
    packed = rows(kind, 3)
    config = MaskingConfig(mlm_probability=1, mask_replace_prob=1, random_replace_prob=0)
    ids, labels, vocabulary = mask(kind, config, packed)
    plain = packed & ID_MASK
    text = ~np.isin(plain, vocabulary.special_ids) & (packed & PADDING == 0)
    assert text.sum() > 60
    np.testing.assert_array_equal(labels, np.where(text, plain, IGNORED))
    np.testing.assert_array_equal(ids, np.where(text, vocabulary.mask_id, plain))


def test_everything_drawn_and_everything_kept() -> None:
    packed = rows("bpe", 200)
    config = MaskingConfig(mlm_probability=1, mask_replace_prob=0, random_replace_prob=1)
    ids, labels, vocabulary = mask("bpe", config, packed)
    drawn = ids[labels != IGNORED]
    assert not np.isin(drawn, vocabulary.special_ids).any()
    assert set(drawn) == set(vocabulary.drawable_ids())
    config = MaskingConfig(mlm_probability=1, mask_replace_prob=0, random_replace_prob=0)
    ids, labels, _ = mask("bpe", config, packed)
    np.testing.assert_array_equal(ids, packed & ID_MASK)
    assert (labels != IGNORED).any()


def test_ids_that_no_token_has_are_never_drawn() -> None:
    tokenizer = small.tokenizer_with_holes()
    used = set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids)
    vocabulary = Vocabulary.of(tokenizer)
    assert set(vocabulary.drawable_ids()) == used
    packed = np.full([400, 40], max(used), np.int32)
    config = MaskingConfig(mlm_probability=1, mask_replace_prob=0, random_replace_prob=1)
    tokens, labels = Masker(config, vocabulary, 1, 40)(tf.constant(packed), 0)
    assert (labels.numpy() == max(used)).all()
    assert set(tokens.ids.numpy().ravel()) == used


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_specials_and_padding_are_never_selected_and_each_row_has_one(kind: str, mode: str) -> None:
    packed = rows(kind, 2000)
    ids, labels, vocabulary = mask(kind, MODES[mode], packed)
    plain = packed & ID_MASK
    fixed = np.isin(plain, vocabulary.special_ids) | (packed & PADDING != 0)
    assert (labels[fixed] == IGNORED).all()
    np.testing.assert_array_equal(ids[fixed], plain[fixed])
    assert (labels != IGNORED).any(axis=1).all()
    np.testing.assert_array_equal(ids[labels == IGNORED], plain[labels == IGNORED])
    np.testing.assert_array_equal(labels[labels != IGNORED], plain[labels != IGNORED])


def test_one_token_is_selected_even_at_a_tiny_rate() -> None:
    _, labels, _ = mask("bpe", MaskingConfig(mlm_probability=1e-9), rows("bpe", 500))
    assert ((labels != IGNORED).sum(axis=1) == 1).all()
    columns = np.argmax(labels != IGNORED, axis=1)
    assert len(set(columns)) > 20  # any token may be the one


def test_spans_of_one_token_words_keep_to_their_budget() -> None:
    """The share of a row, rounded up or down; a longer word at the start would be let in."""
    packed = rows("bpe", 2000) & ~np.int32(CONTINUES)
    plain = packed[0] & ID_MASK
    vocabulary = Vocabulary.of(small.tokenizer("bpe"))
    special = np.isin(plain, vocabulary.special_ids) | (packed[0] & PADDING != 0)
    exact = (~special).sum() * MaskingConfig().mlm_probability
    assert exact != int(exact)
    _, labels, _ = mask("bpe", MODES["spans"], packed)
    counts = (labels != IGNORED).sum(axis=1)
    assert set(counts) <= {int(exact), int(exact) + 1}
    assert abs(counts.mean() - exact) < 0.1


def test_row_of_special_tokens_has_none() -> None:
    frame = packed_frame(small.tokenizer())
    for config in MODES.values():
        _, labels, _ = mask("bpe", config, frame.wrap(np.zeros(0, np.int32))[np.newaxis])
        assert (labels == IGNORED).all()


def test_shares_are_those_asked_for() -> None:
    packed = rows("bpe", 20_000)
    config = MaskingConfig(mlm_probability=0.2, mask_replace_prob=0.7, random_replace_prob=0.2)
    ids, labels, vocabulary = mask("bpe", config, packed)
    plain = packed & ID_MASK
    text = ~np.isin(plain, vocabulary.special_ids) & (packed & PADDING == 0)
    selected = labels != IGNORED
    count = selected.sum()
    assert count / text.sum() == pytest.approx(0.2, abs=0.003)
    per_column = selected[:, text[0]].mean(axis=0)
    assert np.abs(per_column - 0.2).max() < 0.02
    assert (ids[selected] == vocabulary.mask_id).sum() / count == pytest.approx(0.7, abs=0.005)
    kept = (ids[selected] == plain[selected]).sum() / count
    chance = 0.2 / len(vocabulary.drawable_ids())
    assert kept == pytest.approx(0.1 + chance, abs=0.005)


@pytest.mark.parametrize("mode", ["words", "spans"])
@pytest.mark.parametrize("kind", KINDS)
def test_words_are_selected_whole(kind: str, mode: str) -> None:
    packed = rows(kind, 1000)
    _, labels, vocabulary = mask(kind, MODES[mode], packed)
    selected = labels != IGNORED
    continues = (packed & CONTINUES != 0) & ~np.isin(packed & ID_MASK, vocabulary.special_ids)
    assert continues.sum() > 10_000
    both = selected[:, 1:] == selected[:, :-1]
    assert both[continues[:, 1:]].all()


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_those_of_the_text(kind: str) -> None:
    tokens = next(Encoder(small.tokenizer(kind), words=True)(["wonderful dictionaries reimported"]))
    starts = np.flatnonzero(tokens & CONTINUES == 0)
    assert len(tokens) > 6
    pieces = np.split(tokens & ID_MASK, starts[1:])
    tokenizer = small.tokenizer(kind)
    assert [tokenizer.decode(p).strip().replace("##", "") for p in pieces] == [
        "wonderful",
        "dictionaries",
        "reimported",
    ]


def test_spans_are_runs_of_words_of_about_the_share() -> None:
    packed = rows("wordpiece", 5000)
    _, labels, vocabulary = mask("wordpiece", MODES["spans"], packed)
    text = ~np.isin(packed & ID_MASK, vocabulary.special_ids) & (packed & PADDING == 0)
    selected = labels != IGNORED
    # Words that would exceed the budget are left out: the share stays at or below it.
    assert 0.09 < selected.sum() / text.sum() <= 0.155
    starts = text & ~((packed & CONTINUES != 0) & np.pad(text[:, :-1], ((0, 0), (1, 0))))
    words = (selected & starts).sum()
    runs = (selected & ~np.pad(selected[:, :-1], ((0, 0), (1, 0)))).sum()
    _, plain, _ = mask("wordpiece", MODES["words"], packed)
    chosen = plain != IGNORED
    plain_runs = (chosen & ~np.pad(chosen[:, :-1], ((0, 0), (1, 0)))).sum()
    assert words / runs > 1.15 * (chosen & starts).sum() / plain_runs


def test_a_span_is_replaced_in_one_way() -> None:
    config = MaskingConfig(span_masking=True, mlm_probability=0.9, max_span_length=3)
    packed = rows("wordpiece", 300)
    ids, labels, vocabulary = mask("wordpiece", config, packed)
    inside = (packed & CONTINUES != 0) & (labels != IGNORED)
    is_mask = ids == vocabulary.mask_id
    assert inside.sum() > 1000
    assert (is_mask[:, 1:] == is_mask[:, :-1])[inside[:, 1:]].all()


@pytest.mark.parametrize("mode", MODES)
def test_masks_belong_to_the_row_not_to_the_batch(mode: str) -> None:
    packed = rows("bpe", 12)
    ids, labels, _ = mask("bpe", MODES[mode], packed)
    for start, stop in ((0, 5), (5, 6), (3, 12)):
        part = mask("bpe", MODES[mode], packed[start:stop, :-2], first=start)
        np.testing.assert_array_equal(part[0], ids[start:stop, :-2])
        np.testing.assert_array_equal(part[1], labels[start:stop, :-2])
    assert len({row.tobytes() for row in labels}) > 10
    other = mask("bpe", MODES[mode], packed, seed=2)
    assert (other[1] != labels).any()


@pytest.mark.parametrize("mode", MODES)
def test_the_same_in_a_data_graph(mode: str) -> None:
    packed = rows("bpe", 8)
    ids, labels, vocabulary = mask("bpe", MODES[mode], packed)
    masker = Masker(MODES[mode], vocabulary, 1, 80)

    def apply(index: tf.Tensor, batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        tokens, targets = masker(batch, index * 2)
        return tokens.ids, targets

    data = tf.data.Dataset.from_tensor_slices(packed).batch(2).enumerate().map(apply)
    batches = [[part.numpy() for part in batch] for batch in data]
    np.testing.assert_array_equal(np.concatenate([b[0] for b in batches]), ids)
    np.testing.assert_array_equal(np.concatenate([b[1] for b in batches]), labels)
