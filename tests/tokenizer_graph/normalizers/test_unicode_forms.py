"""NFC, NFD, NFKC and NFKD equal Rust's."""

import pytest

from tests.tokenizer_graph.components import check_normalizer
from tests.tokenizer_graph.texts import each_codepoint, mixed
from tfmlm.tokenizer_graph.hostile import hostile, long_texts

MARKS = "\u0300\u0301\u0323\u0327\u0338\u0345\u0f71\u3099"

pytestmark = pytest.mark.parametrize(
    "component", [{"type": form} for form in ("NFC", "NFD", "NFKC", "NFKD")], ids=str
)


def test_equals_rust(component):
    check_normalizer(component, [*mixed(11), *long_texts()])


@pytest.mark.parametrize("context", ["{}", "ẹ{}\u0301"])
def test_every_code_point_equals_rust(component, context):
    check_normalizer(component, each_codepoint(context))


def test_marks_in_any_order(component):
    texts = [f"{base}{a}{b}{c}" for base in "aếω" for a in MARKS for b in MARKS for c in MARKS]
    check_normalizer(component, texts)


def test_random_combining_sequences(component):
    check_normalizer(component, hostile(5, 6000, longest=10))
