"""Sequence equals Rust's, also where parts become one table."""

import pytest

from tests.tokenizer_graph.components import check_normalizer
from tests.tokenizer_graph.texts import each_codepoint, mixed
from tfmlm.tokenizer_graph.hostile import long_texts

COMPONENTS = [
    {
        "type": "Sequence",
        "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}],
    },
    {
        "type": "Sequence",
        "normalizers": [
            {"type": "NFKD"},
            {"type": "StripAccents"},
            {"type": "Lowercase"},
            {"type": "NFC"},
        ],
    },
    {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "NFD"}]},
    {"type": "Sequence", "normalizers": [{"type": "Nmt"}, {"type": "NFKC"}]},
    {
        "type": "Sequence",
        "normalizers": [{"type": "StripAccents"}, {"type": "NFKD"}, {"type": "StripAccents"}],
    },
    {"type": "Sequence", "normalizers": []},
    {
        "type": "Sequence",
        "normalizers": [
            {"type": "Replace", "pattern": {"String": "``"}, "content": '"'},
            {"type": "NFKD"},
            {"type": "StripAccents"},
            {"type": "Lowercase"},
            {"type": "Strip", "strip_left": True, "strip_right": True},
            {
                "type": "Sequence",
                "normalizers": [
                    {"type": "Prepend", "prepend": "▁"},
                    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
                ],
            },
        ],
    },
]


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_equals_rust(component):
    check_normalizer(component, [*mixed(11), *long_texts()])


def test_every_code_point_equals_rust():
    check_normalizer(COMPONENTS[0], each_codepoint("{}"))


def test_accents_that_stay_are_reordered():
    """Marks outside category Mn are not stripped, so their order counts."""
    stay = "\U0001d165\U0001d166\U0001d16d\U00016ff0\U00016ff1\u302e"
    texts = [a + b + c for a in "ae\u0301" for b in stay + "\u0301\u0323" for c in stay]
    check_normalizer(COMPONENTS[0], texts)
