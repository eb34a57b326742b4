"""Regular expressions, taken apart: what they consist of, and which are refused."""

import pytest

from tests.tokenizer_graph import configurations
from tfmlm.tokenizer_graph.spec import patterns


@pytest.mark.parametrize("expression", configurations.REGEXES)
def test_published_expressions_are_parsed(expression):
    assert not patterns.parse(expression).matches_nothing_long


@pytest.mark.parametrize("expression", ["(a|b)+", r"(a)\1", r"\Gx", "[a", "(a"])
def test_other_expressions_are_named(expression):
    with pytest.raises(patterns.UnsupportedPattern):
        patterns.parse(expression)
