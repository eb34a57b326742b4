"""Strings and relations of ids, on a small vocabulary of each kind."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests.export.checking import toy
from tfmlm.export.graph.vocabulary import Vocabulary


def test_wordpiece_marks_what_continues() -> None:
    tokenizer = toy.tokenizer()
    vocabulary = Vocabulary.of(tokenizer, len(tokenizer) + 2)
    ids = tokenizer.get_vocab()
    assert not vocabulary.marks_word_starts and vocabulary.bare_mark == -1
    assert vocabulary.word[ids["##ing"]] == "ing" and vocabulary.token_str[ids["##ing"]] == "##ing"
    assert vocabulary.continuation[ids["re"]] == ids["##re"]
    assert vocabulary.continuation[ids["##re"]] == ids["##re"]
    assert vocabulary.continuation[ids["paris"]] == -1
    assert vocabulary.continuation[ids["[MASK]"]] == ids["[MASK]"]
    assert vocabulary.continuation[-1] == -1 and len(vocabulary.token_str) == len(tokenizer) + 2
    assert set(vocabulary.special_ids) == set(tokenizer.all_special_ids)


def _byte_level(add_prefix_space: bool) -> PreTrainedTokenizerFast:
    tokens = ["<m>", "Ġ", "Ġthe", "the", "past", *"theĠ"]
    vocab = {token: k for k, token in enumerate(dict.fromkeys(tokens))}
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the")]
    vocab |= {"th": len(vocab)}
    rust = Tokenizer(models.BPE(vocab, merges))
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    rust.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=rust, mask_token="<m>", add_prefix_space=add_prefix_space
    )


def test_byte_level_marks_word_starts() -> None:
    for prefixed, prefix in ((False, " "), (True, "")):
        tokenizer = _byte_level(prefixed)
        vocabulary = Vocabulary.of(tokenizer, len(tokenizer))
        ids = tokenizer.get_vocab()
        assert vocabulary.marks_word_starts and vocabulary.word_start_prefix == prefix
        assert vocabulary.bare_mark == ids["Ġ"]
        assert vocabulary.continuation[ids["Ġthe"]] == ids["the"]
        assert vocabulary.at_word_start[ids["Ġthe"]] and not vocabulary.at_word_start[ids["past"]]
        assert vocabulary.word[ids["Ġthe"]] == "the"
        assert vocabulary.token_str[ids["Ġthe"]] == " the"
