"""Strip equals Rust's."""

import pytest

from tests.tokenizer_graph.components import check_normalizer
from tests.tokenizer_graph.texts import each_codepoint, mixed
from tfmlm.tokenizer_graph.hostile import long_texts

COMPONENTS = [
    {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "Strip", "strip_left": True, "strip_right": False},
    {"type": "Strip", "strip_left": False, "strip_right": True},
    {"type": "Strip", "strip_left": False, "strip_right": False},
]


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_equals_rust(component):
    check_normalizer(component, [*mixed(11), *long_texts()])


def test_every_code_point_equals_rust():
    for context in (
        "{}",
        " {}a{} ",
    ):
        check_normalizer(COMPONENTS[0], each_codepoint(context))
