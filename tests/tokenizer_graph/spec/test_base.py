"""Component specs: frozen, registered once by type, and back to the JSON they came from."""

import json
import re

import pytest

from tests.tokenizer_graph.spec.tokenizer_json import value
from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.spec import SPECS, BertNormalizer, Pattern, component, parse


def test_components_are_frozen_and_give_their_json_back():
    bert = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
    spec = parse(value(normalizer={"type": "BertNormalizer", **bert, "lowercase": False}))
    assert spec.normalizer == BertNormalizer(True, True, None, False)
    assert not spec.normalizer.strips_accents
    with pytest.raises(AttributeError):
        spec.normalizer.lowercase = True
    assert json.loads(spec.json_text)["normalizer"] == spec.normalizer.to_json()


def test_a_type_is_registered_once_for_each_stage():
    for stage, types in SPECS.items():
        for name, cls in types.items():
            assert (cls.stage, cls.type_name) == (stage, name)
            with pytest.raises(ValueError, match=f"{stage} {name}"):
                component(stage, name)(cls)


@pytest.mark.parametrize("text", ["", "a", "a+", "(?=a)", r"\b"])
@pytest.mark.parametrize("regex", [False, True])
def test_patterns_that_match_nothing_are_only_for_positions(text, regex):
    """As Python's `re` finds them in a text that holds each of the others."""
    matched = re.findall(text if regex else re.escape(text), "a+ (?=a) \\b")
    pattern = Pattern(text, regex)
    pattern.check("p", positions=True)
    if any(matched):
        pattern.check("p")
    else:
        with pytest.raises(UnsupportedTokenizerError) as caught:
            pattern.check("p")
        assert caught.value.path == "p"
