"""Special tokens, pairs, type ids, truncation: every post-processor against Rust."""

import itertools

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

import tfmlm
from tfmlm.errors import UnsupportedTokenizerError

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "x", "\u0120"]
VOCAB = {token: k for k, token in enumerate(TOKENS)}
SPECIAL = [("[CLS]", 2), ("[SEP]", 3)]
PROCESSORS = {
    "none": None,
    "bert": processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
    "roberta": processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2)),
    "byte_level": processors.ByteLevel(),
    "template": processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", SPECIAL
    ),
    "long_template": processors.TemplateProcessing(
        "[CLS]:2 [SEP]:1 $A:3 [SEP]:2 [SEP]:2", "$A:1 [SEP]:0 [CLS]:2 $B:0", SPECIAL
    ),
    "sequence": processors.Sequence(
        [processors.ByteLevel(), processors.TemplateProcessing("$A [SEP]", "$A $B", SPECIAL)]
    ),
}


# Each has a way of its own from texts to ids with special tokens.
FAMILIES = {
    "words": (models.WordLevel(VOCAB, unk_token="[UNK]"), pre_tokenizers.WhitespaceSplit()),
    "rows": (models.WordPiece(VOCAB, unk_token="[UNK]"), pre_tokenizers.WhitespaceSplit()),
    "bytes": (models.BPE(VOCAB, []), pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "pieces": (
        models.Unigram([(token.replace("\u0120", "\u2581"), -1.0) for token in TOKENS], unk_id=1),
        pre_tokenizers.Metaspace(),
    ),
}


def wrapped(processor, family="words", **settings):
    model, pre_tokenizer = FAMILIES[family]
    rust = Tokenizer(model)
    rust.pre_tokenizer = pre_tokenizer
    if processor is not None:
        rust.post_processor = processor
    names = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=rust, pad_token="[PAD]", model_input_names=names, **settings
    )


TEXTS = ["", "a", "a b", "a b x", "x " * 4, "b " * 7, "a " * 8, "b " * 15]


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("family", FAMILIES)
def test_single_texts_equal_transformers(family, name):
    fast = wrapped(PROCESSORS[name], family)
    graph = tfmlm.GraphTokenizer.from_tokenizer(fast)
    for texts in (TEXTS, [*TEXTS, "a\u0301 b"], ["a  b", ""]):
        want = fast(texts, padding=True, return_tensors="np")
        got = graph(texts)
        for key in want:
            np.testing.assert_array_equal(got[key].numpy(), want[key], err_msg=key)
        assert graph.tokenize(texts).to_list() == fast(texts)["input_ids"]


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("side", ["right", "left"])
def test_equals_transformers(name, side):
    fast = wrapped(PROCESSORS[name], padding_side=side, truncation_side=side)
    graph = tfmlm.GraphTokenizer.from_tokenizer(fast)
    pairs = list(itertools.product(TEXTS, TEXTS))
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    for max_length in (None, 5, 6, 9, 12, 40):
        cut = {} if max_length is None else {"truncation": True, "max_length": max_length}
        for other in (None, second):
            want = fast(first, other, padding=True, return_tensors="np", **cut)
            got = graph(first, other, max_length=max_length)
            for key in want:
                np.testing.assert_array_equal(
                    got[key].numpy(), want[key], err_msg=f"{key} {max_length}"
                )
    single = [fast(text)["input_ids"] for text in TEXTS]
    assert graph.tokenize(TEXTS).to_list() == single
    whole = fast("a b")["input_ids"]
    assert [*graph.prefix_ids, 4, 5, *graph.suffix_ids] == whole


def test_pad_to_multiple_and_type_of_padding():
    fast = wrapped(PROCESSORS["template"], pad_token_type_id=3)
    graph = tfmlm.GraphTokenizer.from_tokenizer(fast)
    want = fast(TEXTS, padding=True, pad_to_multiple_of=8, return_tensors="np")
    got = graph(TEXTS, padding=8)
    for key in want:
        np.testing.assert_array_equal(got[key].numpy(), want[key], err_msg=key)


def test_texts_out_of_order_are_refused():
    swapped = processors.TemplateProcessing("$A", "$B $A", [])
    with pytest.raises(UnsupportedTokenizerError, match="post_processor.pair"):
        tfmlm.GraphTokenizer.from_tokenizer(wrapped(swapped))
