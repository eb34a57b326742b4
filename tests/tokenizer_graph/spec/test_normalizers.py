"""Normalizers: settings as in Rust, refusals by name."""

import json

import pytest

from tests.tokenizer_graph.components import tokenizer
from tests.tokenizer_graph.spec.tokenizer_json import check_refused, sequence, value
from tfmlm.tokenizer_graph.spec import BertNormalizer, parse

REFUSED = {
    r"normalizer.normalizers\[1\]": value(
        normalizer=sequence("normalizers", {"type": "NFC"}, {"type": "Moses"})
    ),
    "normalizer.pattern.*repeated group": value(
        normalizer={"type": "Replace", "pattern": {"Regex": "(ab)+"}, "content": ""}
    ),
    "normalizer.pattern.*empty string": value(
        normalizer={"type": "Replace", "pattern": {"Regex": "a*"}, "content": ""}
    ),
}
SETTINGS = [
    {"type": "Strip", "strip_left": False, "strip_right": True},
    {"type": "Replace", "pattern": {"String": "a"}, "content": "b"},
    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
    sequence("normalizers", {"type": "NFKD"}, {"type": "Prepend", "prepend": "x"}),
    sequence("normalizers", *({"type": t} for t in ("NFC", "NFD", "NFKC", "Nmt", "Lowercase"))),
    sequence("normalizers", {"type": "StripAccents"}, {"type": "ByteLevel"}),
]


@pytest.mark.parametrize("path", REFUSED)
def test_refused_by_name(path):
    check_refused(path, REFUSED[path])


@pytest.mark.parametrize("component", SETTINGS, ids=str)
def test_settings_stand_as_rust_writes_them(component):
    spec = parse(value(normalizer=component)).normalizer
    assert spec.to_json() == json.loads(tokenizer(normalizer=component).to_str())["normalizer"]


@pytest.mark.parametrize(("accents", "strips"), [(None, True), (True, True), (False, False)])
def test_accents_go_with_lowercasing_unless_set(accents, strips):
    bert = BertNormalizer(strip_accents=accents)
    assert bert.strips_accents is strips
    rust = tokenizer(normalizer=bert.to_json()).normalizer
    assert rust.normalize_str("\u00c9") == ("e" if strips else "\u00e9")
