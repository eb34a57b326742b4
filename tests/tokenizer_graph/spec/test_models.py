"""Models: settings as in Rust, refusals by name."""

import json

import pytest

from tests.tokenizer_graph.components import tokenizer
from tests.tokenizer_graph.spec.tokenizer_json import check_refused, value
from tfmlm.tokenizer_graph.spec import parse

REFUSED = {
    "model.dropout": value(model={"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1}),
    "model.unk_token": value(
        model={
            "type": "WordPiece",
            "vocab": {"a": 0},
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
        }
    ),
    r"model.unk_id.*None": value(model={"type": "Unigram", "vocab": [["a", 0.0]]}),
}
VOCAB = {"[UNK]": 0, "a": 1, "b": 2, "ab": 3}
SETTINGS = [
    {"type": "WordLevel", "vocab": VOCAB, "unk_token": "a"},
    {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "@",
        "max_input_chars_per_word": 7,
        "vocab": VOCAB,
    },
    {"type": "BPE", "vocab": VOCAB, "merges": [["a", "b"]], "fuse_unk": True},
    {"type": "Unigram", "vocab": [["a", -1.0], ["b", -2.5]], "unk_id": 1, "byte_fallback": True},
]


@pytest.mark.parametrize("path", REFUSED)
def test_refused_by_name(path):
    check_refused(path, REFUSED[path])


@pytest.mark.parametrize("component", SETTINGS, ids=str)
def test_settings_stand_as_rust_writes_them(component):
    spec = parse(value(model=component)).model
    assert spec.to_json() == json.loads(tokenizer(model=component).to_str())["model"]
