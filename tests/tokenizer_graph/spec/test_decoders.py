"""Decoders: settings as in Rust, refusals by name."""

import json

import pytest

from tests.tokenizer_graph.components import tokenizer
from tests.tokenizer_graph.spec.tokenizer_json import check_refused, sequence, value
from tfmlm.tokenizer_graph.spec import parse

CTC = {"type": "CTC", "pad_token": "p", "word_delimiter_token": "|", "cleanup": True}
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
REFUSED = {
    "decoder": value(decoder=CTC),
    r"decoder.decoders\[1\]": value(
        decoder=sequence(
            "decoders", {"type": "Fuse"}, {"type": "WordPiece", "prefix": "##", "cleanup": True}
        )
    ),
    r"decoder.decoders\[1\].*Fuse": value(
        decoder=sequence("decoders", {"type": "ByteFallback"}, STRIP)
    ),
}
SETTINGS = [
    {"type": "WordPiece", "prefix": "@", "cleanup": False},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "never", "split": False},
    {"type": "BPEDecoder", "suffix": "</w>"},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    sequence(
        "decoders",
        {"type": "Replace", "pattern": {"String": "_"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        STRIP,
    ),
]


@pytest.mark.parametrize("path", REFUSED)
def test_refused_by_name(path):
    check_refused(path, REFUSED[path])


@pytest.mark.parametrize("component", SETTINGS, ids=str)
def test_settings_stand_as_rust_writes_them(component):
    spec = parse(value(decoder=component)).decoder
    assert spec.to_json() == json.loads(tokenizer(decoder=component).to_str())["decoder"]


def test_edits_may_follow_the_text_that_is_fused():
    """The same edit is refused between the joins (see above) and taken behind them."""
    parts = [{"type": "ByteFallback"}, {"type": "Fuse"}, STRIP, STRIP]
    assert len(parse(value(decoder=sequence("decoders", *parts))).decoder.decoders) == 4
    check_refused(
        r"decoder.decoders\[3\].*edit",
        value(decoder=sequence("decoders", *parts[:3], {"type": "Fuse"})),
    )
