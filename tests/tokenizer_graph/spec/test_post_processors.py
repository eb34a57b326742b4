"""Post-processors: settings as in Rust, refusals by name."""

import json

import pytest

from tests.tokenizer_graph.components import tokenizer
from tests.tokenizer_graph.spec.tokenizer_json import check_refused, sequence, value
from tfmlm.tokenizer_graph.spec import parse

REFUSED = {
    "post_processor.single": value(
        post_processor={
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 2,
            "pair": [],
            "special_tokens": {},
        }
    ),
}
PAIR = {"sep": ["b", 1], "cls": ["a", 0]}
SETTINGS = [
    {"type": "BertProcessing", **PAIR},
    {"type": "RobertaProcessing", **PAIR, "trim_offsets": False, "add_prefix_space": True},
    sequence(
        "processors",
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        {"type": "BertProcessing", **PAIR},
    ),
]


@pytest.mark.parametrize("path", REFUSED)
def test_refused_by_name(path):
    check_refused(path, REFUSED[path])


@pytest.mark.parametrize("component", SETTINGS, ids=str)
def test_settings_stand_as_rust_writes_them(component):
    spec = parse(value(post_processor=component)).post_processor
    assert (
        spec.to_json() == json.loads(tokenizer(post_processor=component).to_str())["post_processor"]
    )
