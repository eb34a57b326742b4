"""Replace equals Rust's, literals and regular expressions."""

import pytest

from tests.tokenizer_graph.components import check_normalizer
from tests.tokenizer_graph.texts import each_codepoint, mixed
from tfmlm.tokenizer_graph.hostile import long_texts

COMPONENTS = [
    {"type": "Replace", "pattern": {"String": "``"}, "content": '"'},
    {"type": "Replace", "pattern": {"String": "''"}, "content": '"'},
    {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    {"type": "Replace", "pattern": {"String": "a"}, "content": ""},
    {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"},
    {"type": "Replace", "pattern": {"String": "aa"}, "content": ""},
    {"type": "Replace", "pattern": {"String": "  "}, "content": " "},
    {"type": "Replace", "pattern": {"String": "é"}, "content": "é"},
    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
    {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
    {"type": "Replace", "pattern": {"Regex": "[^a-z ]"}, "content": "\\1"},
    {"type": "Replace", "pattern": {"Regex": "\\p{L}\\p{N}"}, "content": "$1"},
]


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_equals_rust(component):
    check_normalizer(component, [*mixed(11), *long_texts()])


def test_every_code_point_equals_rust():
    check_normalizer(COMPONENTS[0], each_codepoint("{}"))
