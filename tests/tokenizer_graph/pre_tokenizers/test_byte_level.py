"""ByteLevel equals Rust's."""

import pytest

from tests.tokenizer_graph.components import check_pre_tokenizer
from tests.tokenizer_graph.texts import each_codepoint, mixed
from tfmlm.tokenizer_graph.hostile import hostile, long_texts

COMPONENTS = [
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
]


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_equals_rust(component):
    check_pre_tokenizer(component, [*mixed(12), *long_texts()])


def test_every_code_point_equals_rust():
    whole, *more = ["{}", " {}'s", "a{} {}"]
    check_pre_tokenizer(COMPONENTS[0], each_codepoint(whole))
    for context in more:
        check_pre_tokenizer(COMPONENTS[0], each_codepoint(context, 5))


def test_contractions():
    parts = ["'", "s", "t", "re", "r", "v", "e", "ll", "m", "d", " ", "  ", "1", "!", "S"]
    texts = [a + "'" + b + c for a in parts for b in parts for c in parts]
    check_pre_tokenizer(COMPONENTS[2], texts)


def test_random_quotes_and_spaces():
    check_pre_tokenizer(COMPONENTS[0], hostile(8, 8000, longest=12))
