"""Sequence equals Rust's: each part works within the words of the one before."""

import pytest

from tests.tokenizer_graph.components import check_pre_tokenizer
from tests.tokenizer_graph.texts import each_codepoint, mixed
from tfmlm.tokenizer_graph.hostile import long_texts

COMPONENTS = [
    {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "WhitespaceSplit"},
            {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True},
        ],
    },
    {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "WhitespaceSplit"},
            {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        ],
    },
    {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Punctuation", "behavior": "Contiguous"},
            {
                "type": "ByteLevel",
                "add_prefix_space": False,
                "trim_offsets": True,
                "use_regex": True,
            },
            {"type": "Digits", "individual_digits": False},
            {
                "type": "Split",
                "pattern": {"Regex": "[0-9][0-9][0-9]"},
                "behavior": "Isolated",
                "invert": False,
            },
        ],
    },
    {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {
                "type": "ByteLevel",
                "add_prefix_space": True,
                "trim_offsets": True,
                "use_regex": True,
            },
        ],
    },
    {"type": "Sequence", "pretokenizers": []},
]


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_equals_rust(component):
    check_pre_tokenizer(component, [*mixed(12), *long_texts()])


def test_every_code_point_equals_rust():
    whole, *more = ["{}", "a{}b"]
    check_pre_tokenizer(COMPONENTS[0], each_codepoint(whole))
    for context in more:
        check_pre_tokenizer(COMPONENTS[0], each_codepoint(context, 5))
