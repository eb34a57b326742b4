"""WhitespaceSplit equals Rust's."""

import pytest

from tests.tokenizer_graph.components import check_pre_tokenizer
from tests.tokenizer_graph.texts import each_codepoint, mixed
from tfmlm.tokenizer_graph.hostile import long_texts

COMPONENTS = [
    {"type": "WhitespaceSplit"},
]


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_equals_rust(component):
    check_pre_tokenizer(component, [*mixed(12), *long_texts()])


def test_every_code_point_equals_rust():
    whole, *more = ["{}", "a{}b"]
    check_pre_tokenizer(COMPONENTS[0], each_codepoint(whole))
    for context in more:
        check_pre_tokenizer(COMPONENTS[0], each_codepoint(context, 5))
