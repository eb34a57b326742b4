"""Models, post-processors and decoders: eagerly, in `tf.data`, one by one, traced, reloaded."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.tokenizer_graph.components import check_decoder, check_ids, tokenizer

VOCABULARY = {
    token: number
    for number, token in enumerate(
        ["<unk>", "<s>", "</s>", "a", "b", "ab", "##a", "##b", "▁", "▁a", "Ġ", "é", "Ã", "©", "ba"]
        + ["<0xC3>", "<0xA9>", "a</w>", "b</w>", ".", "c", "▁ab"]
    )
}
MODELS: dict[str, dict[str, Any]] = {
    "WordLevel": {"type": "WordLevel", "vocab": VOCABULARY, "unk_token": "<unk>"},
    "WordPiece": {
        "type": "WordPiece",
        "vocab": VOCABULARY,
        "unk_token": "<unk>",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
    },
    "BPE": {
        "type": "BPE",
        "vocab": VOCABULARY,
        "merges": [["a", "b"], ["b", "a"], ["▁", "a"]],
        "unk_token": "<unk>",
        "fuse_unk": True,
    },
    "Unigram": {
        "type": "Unigram",
        "unk_id": 0,
        "vocab": [[token, -1.0 - number / 8] for token, number in VOCABULARY.items()],
    },
}
POST_PROCESSORS: list[dict[str, Any]] = [
    {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]},
    {
        "type": "RobertaProcessing",
        "sep": ["</s>", 2],
        "cls": ["<s>", 1],
        "trim_offsets": True,
        "add_prefix_space": False,
    },
    {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [
            {"Sequence": {"id": "A", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 1}},
        ],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
    },
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
]
DECODERS: list[dict[str, Any]] = [
    {"type": "WordPiece", "prefix": "##", "cleanup": True},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    {"type": "BPEDecoder", "suffix": "</w>"},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    },
]


@pytest.mark.parametrize(("model", "post_processor"), zip(MODELS, POST_PROCESSORS, strict=True))
def test_ids_in_every_way(model: str, post_processor: dict[str, Any]) -> None:
    rust = tokenizer(
        model=MODELS[model],
        pre_tokenizer={"type": "WhitespaceSplit"},
        post_processor=post_processor,
    )
    random_ = random.Random(0)
    texts = ["", " ", "ab", "aab ba", "é", "▁ab c."]
    texts += ["".join(random_.choices("ab▁éc. 漢", k=random_.randint(0, 12))) for _ in range(200)]
    check_ids(rust, texts)


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder["type"])
def test_decoded_in_every_way(decoder: dict[str, Any]) -> None:
    rust = tokenizer(model=MODELS["WordLevel"], decoder=decoder)
    random_ = random.Random(1)
    numbers = range(len(VOCABULARY))
    rows = [random_.choices(numbers, k=random_.randint(0, 9)) for _ in range(200)]
    check_decoder(rust, [[], *rows])
