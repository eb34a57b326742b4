"""NFD equals Rust's."""

import pytest

from tests.tokenizer_graph.components import check_normalizer
from tests.tokenizer_graph.texts import mixed
from tfmlm.tokenizer_graph.hostile import every_codepoint, hostile, long_texts

COMPONENTS = [
    {"type": "NFD"},
]


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_equals_rust(component):
    check_normalizer(component, [*mixed(11), *long_texts()])


def test_every_code_point_equals_rust():
    for context in (
        "{}",
        "ẹ{}́",
    ):
        check_normalizer(COMPONENTS[0], list(every_codepoint(context)))


def test_marks_in_any_order():
    marks = "\u0300\u0301\u0323\u0327\u0338\u0345\u0f71\u3099"
    texts = [f"{base}{a}{b}{c}" for base in "aếω" for a in marks for b in marks for c in marks]
    check_normalizer(COMPONENTS[0], texts)


def test_random_combining_sequences():
    check_normalizer(COMPONENTS[0], hostile(5, 6000, longest=10))
