"""StripAccents equals Rust's."""

import pytest

from tests.tokenizer_graph.components import check_normalizer
from tests.tokenizer_graph.texts import each_codepoint, mixed
from tfmlm.tokenizer_graph.hostile import long_texts

COMPONENTS = [
    {"type": "StripAccents"},
]


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_equals_rust(component):
    check_normalizer(component, [*mixed(11), *long_texts()])


def test_every_code_point_equals_rust():
    check_normalizer(COMPONENTS[0], each_codepoint("{}"))
