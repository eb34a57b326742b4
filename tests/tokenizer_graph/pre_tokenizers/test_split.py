"""Split equals Rust's: literals, the published regular expressions, every behaviour."""

import itertools

import pytest

from tests.tokenizer_graph import configurations
from tests.tokenizer_graph.components import check_pre_tokenizer
from tests.tokenizer_graph.texts import each_codepoint, mixed
from tfmlm.tokenizer_graph.hostile import hostile, long_texts

LITERALS = (" ", "aa", "'s")
SIMPLE = (r"\s+", r"\p{L}+", configurations.CLIP)


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


@pytest.mark.parametrize("literal", LITERALS)
def test_literals(literal):
    for behavior, invert in itertools.product(configurations.BEHAVIORS, (False, True)):
        check_pre_tokenizer(split({"String": literal}, behavior, invert), mixed(21, 600))


@pytest.mark.parametrize("expression", SIMPLE)
def test_behaviors(expression):
    for behavior, invert in itertools.product(configurations.BEHAVIORS, (False, True)):
        check_pre_tokenizer(split({"Regex": expression}, behavior, invert), mixed(22, 600))


@pytest.mark.parametrize("expression", configurations.REGEXES)
def test_published_expressions(expression):
    texts = [*mixed(23), *hostile(24, 3000, longest=10), *long_texts()]
    check_pre_tokenizer(split({"Regex": expression}, "Isolated"), texts)


def test_every_code_point_in_llama3s_expression():
    component = split({"Regex": configurations.LLAMA3}, "Isolated")
    check_pre_tokenizer(component, each_codepoint(" a{}s'{}", 3))


#: What character models have: words of one character, cut in any of these ways.
POSITIONS = ("", "(?<=.)", "(?=.)", "(?!^)", "(?<!^)", r"\b", r"\B", "$", r"(?!\A)")
POSITIONS += ("(?<=[a-z])(?=[A-Z])",)


@pytest.mark.parametrize("expression", POSITIONS)
def test_expressions_that_match_between_characters(expression):
    texts = [*mixed(27, 150), "aB\n\nCd e", "\n", "a\n"]
    check_pre_tokenizer(split({"Regex": expression}, "Isolated"), texts)


def test_no_behavior_matters_between_characters():
    for behavior, invert in itertools.product(configurations.BEHAVIORS, (False, True)):
        check_pre_tokenizer(split({"Regex": "(?<=.)"}, behavior, invert), mixed(27, 50))


def test_an_empty_literal_cuts_every_character():
    check_pre_tokenizer(split({"String": ""}, "Isolated"), mixed(28, 150))


CONSTRUCTS = (
    *(".", ".{3}", "..", r"[a-z]+?", r"a+?b", r"\s??x", r"[^ ]{2,4}?", r"[a-z]+?(?=[A-Z ])"),
    *(r"\b\w+\b", r"\w+\B", r"^\w", r"\w+$", r"\A.", r".\z", r"(?<=a)b", r"(?<! )[a-z]"),
    *(r"(?<=\p{L}\p{M})\p{L}", r"(?<!ab)c|(?<=ab).", r"\w(?!\w\w)", r"a(?=b|c d)", r"[ab](?<=b)"),
    *(r"(?i:h)(?=ello)", r"x(?<=x)$|a", r"(?=ab)a|b", r"(?<![\s])\s+$"),
)


@pytest.mark.parametrize("expression", CONSTRUCTS)
def test_constructs(expression):
    made = hostile(
        29, 400, pieces=["ab", "abc d", "aab", "xx", "x", "Hello", "12345", "\n", "é\u0301b"]
    )
    for behavior in ("Isolated", "MergedWithNext"):
        check_pre_tokenizer(split({"Regex": expression}, behavior), [*mixed(30, 100), *made])
