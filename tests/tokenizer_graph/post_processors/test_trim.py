"""Offsets of trimmed tokens equal Rust's, in characters and in bytes."""

import random

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

from tests.tokenizer_graph.parity import assert_offsets_equal
from tfmlm import GraphTokenizer
from tfmlm.errors import UnsupportedTokenizerError

PAIR = (("<s>", 0), ("</s>", 1))
PROCESSORS = {
    "none": None,
    "untrimmed": processors.ByteLevel(trim_offsets=False),
    "byte_level": processors.ByteLevel(trim_offsets=True),
    "roberta": processors.RobertaProcessing(*PAIR, trim_offsets=True, add_prefix_space=True),
    "roberta_plain": processors.RobertaProcessing(*PAIR, trim_offsets=True, add_prefix_space=False),
    "twice": processors.Sequence(
        [processors.ByteLevel(trim_offsets=True), processors.RobertaProcessing(*PAIR)]
    ),
}


def _tokenizer(processor) -> Tokenizer:
    tokens = ["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "ĠĠ", "Ġa", "aĠ", "ĠĠĠ"]
    merges = [("Ġ", "Ġ"), ("Ġ", "a"), ("a", "Ġ"), ("ĠĠ", "Ġ")]
    rust = Tokenizer(models.BPE({token: k for k, token in enumerate(tokens)}, merges))
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)
    if processor is not None:
        rust.post_processor = processor
    rust.add_special_tokens(["<s>", "</s>"])
    rust.add_tokens([AddedToken("<m>", lstrip=True, rstrip=True), AddedToken("x ")])
    return rust


@pytest.mark.parametrize("name", PROCESSORS)
def test_offsets(name: str) -> None:
    rng = random.Random(0)
    pieces = ["a", "a", " ", " ", "  ", "é", "\n", "<m>", "x ", "</s>"]
    texts = ["".join(rng.choices(pieces, k=rng.randint(0, 8))) for _ in range(300)]
    rust = _tokenizer(PROCESSORS[name])
    assert_offsets_equal(GraphTokenizer.from_tokenizer(rust), rust, ["", " a", "  ", *texts])


def test_unknown_tokens_without_a_text_are_refused() -> None:
    rust = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    rust.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    for trims in (False, True):
        rust.post_processor = processors.ByteLevel(trim_offsets=trims)
        graph = GraphTokenizer.from_tokenizer(rust)
        if not trims:
            assert_offsets_equal(graph, rust, ["a  b", " c"])
            continue
        with pytest.raises(UnsupportedTokenizerError, match=r"post_processor\.trim_offsets"):
            graph.encode(["a"], offsets=True)
