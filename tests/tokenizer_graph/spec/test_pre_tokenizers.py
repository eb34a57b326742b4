"""Pre-tokenizers: settings as in Rust, refusals by name."""

import json

import pytest

from tests.tokenizer_graph.components import tokenizer
from tests.tokenizer_graph.spec.tokenizer_json import check_refused, sequence, value
from tfmlm.tokenizer_graph.spec import BEHAVIORS, MetaspacePreTokenizer, parse

REFUSED = {
    "pre_tokenizer": value(pre_tokenizer={"type": "UnicodeScripts"}),
    r"pre_tokenizer.pretokenizers\[0\]": value(
        pre_tokenizer=sequence("pretokenizers", {"type": "FixedLength", "length": 0})
    ),
    "pre_tokenizer.pattern.*look": value(
        pre_tokenizer={
            "type": "Split",
            "pattern": {"Regex": "(?<=a|bc)d"},
            "behavior": "Isolated",
            "invert": False,
        }
    ),
}
SETTINGS = [
    {"type": "Digits", "individual_digits": True},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
    {"type": "CharDelimiterSplit", "delimiter": "-"},
    {"type": "FixedLength", "length": 3},
    sequence("pretokenizers", *({"type": t} for t in ("BertPreTokenizer", "WhitespaceSplit"))),
    *({"type": "Punctuation", "behavior": behavior} for behavior in BEHAVIORS),
    {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Removed", "invert": True},
]


@pytest.mark.parametrize("path", REFUSED)
def test_refused_by_name(path):
    check_refused(path, REFUSED[path])


@pytest.mark.parametrize("component", SETTINGS, ids=str)
def test_settings_stand_as_rust_writes_them(component):
    spec = parse(value(pre_tokenizer=component)).pre_tokenizer
    assert (
        spec.to_json() == json.loads(tokenizer(pre_tokenizer=component).to_str())["pre_tokenizer"]
    )


def test_older_spellings_come_out_in_the_present_form():
    old = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    spec = parse(value(pre_tokenizer=old))
    assert spec.pre_tokenizer == MetaspacePreTokenizer("▁", "always", True)
