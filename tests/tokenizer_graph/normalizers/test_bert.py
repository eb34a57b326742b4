"""BertNormalizer equals Rust's with every combination of settings."""

import pytest

from tests.tokenizer_graph.components import check_normalizer
from tests.tokenizer_graph.texts import each_codepoint, mixed
from tfmlm.tokenizer_graph.hostile import long_texts

COMPONENTS = [
    {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    {
        "type": "BertNormalizer",
        "clean_text": False,
        "handle_chinese_chars": False,
        "strip_accents": True,
        "lowercase": False,
    },
    {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": False,
        "strip_accents": False,
        "lowercase": True,
    },
    {
        "type": "BertNormalizer",
        "clean_text": False,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": False,
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
