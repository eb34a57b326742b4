"""Parsing: canonical forms, and refusals that name the component."""

import json
import subprocess
import sys

import pytest

from tests.tokenizer_graph import configurations
from tfmlm.errors import UnsupportedTokenizerError, UserError
from tfmlm.tokenizer_graph.spec import BertNormalizer, MetaspacePreTokenizer, parse, patterns

MODEL = {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"}


def value(**stages):
    base = {"version": "1.0", "added_tokens": [], "model": MODEL}
    return json.dumps({**base, **stages})


def sequence(name, *children):
    return {"type": "Sequence", name: list(children)}


CTC = {"type": "CTC", "pad_token": "p", "word_delimiter_token": "|", "cleanup": True}
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
REFUSED = {
    r"normalizer.normalizers\[1\]": value(
        normalizer=sequence("normalizers", {"type": "NFC"}, {"type": "Moses"})
    ),
    "pre_tokenizer": value(pre_tokenizer={"type": "UnicodeScripts"}),
    r"pre_tokenizer.pretokenizers\[0\]": value(
        pre_tokenizer=sequence("pretokenizers", {"type": "FixedLength", "length": 0})
    ),
    "decoder": value(decoder=CTC),
    r"decoder.decoders\[1\]": value(
        decoder=sequence(
            "decoders", {"type": "Fuse"}, {"type": "WordPiece", "prefix": "##", "cleanup": True}
        )
    ),
    r"decoder.decoders\[1\].*Fuse": value(
        decoder=sequence("decoders", {"type": "ByteFallback"}, STRIP)
    ),
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
    "normalizer.pattern.*repeated group": value(
        normalizer={"type": "Replace", "pattern": {"Regex": "(ab)+"}, "content": ""}
    ),
    "normalizer.pattern.*empty string": value(
        normalizer={"type": "Replace", "pattern": {"Regex": "a*"}, "content": ""}
    ),
    "pre_tokenizer.pattern.*look": value(
        pre_tokenizer={
            "type": "Split",
            "pattern": {"Regex": "(?<=a|bc)d"},
            "behavior": "Isolated",
            "invert": False,
        }
    ),
    "post_processor.single": value(
        post_processor={
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 2,
            "pair": [],
            "special_tokens": {},
        }
    ),
}


@pytest.mark.parametrize("path", REFUSED)
def test_refused_by_name(path):
    with pytest.raises(UnsupportedTokenizerError, match=path) as caught:
        parse(REFUSED[path])
    assert "\n" not in str(caught.value) and caught.value.path
    where, kind = caught.value.component
    assert caught.value.path.startswith(where) and f"component {where} ({kind})" in str(
        caught.value
    )


FIRST = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}
SPLIT_FIRST = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, FIRST]}


@pytest.mark.parametrize(
    ("path", "normalizer", "pre_tokenizer"),
    [
        ("normalizer", {"type": "NFKC"}, FIRST),
        (r"normalizer.normalizers\[1\]", ["Nmt", "NFD"], FIRST),
        ("pre_tokenizer", {"type": "Nmt"}, SPLIT_FIRST),
    ],
)
def test_a_first_word_that_offsets_decide_is_refused(path, normalizer, pre_tokenizer):
    if isinstance(normalizer, list):
        parts = [{"type": name} for name in normalizer]
        normalizer = {"type": "Sequence", "normalizers": parts}
    with pytest.raises(UnsupportedTokenizerError, match=path) as caught:
        parse(value(normalizer=normalizer, pre_tokenizer=pre_tokenizer))
    assert caught.value.path == path.replace("\\", "")
    assert parse(value(pre_tokenizer=SPLIT_FIRST)) and parse(value(pre_tokenizer=FIRST))


def test_not_a_tokenizer():
    for text, message in (
        ("{", "not JSON"),
        ("[]", "no 'model'"),
        ("{}", "no 'model'"),
        (value(model={"type": "WordLevel"}), "cannot read"),
        (value(model={"type": "WordLevel", "vocab": {}, "unk_token": "a"}), "empty vocabulary"),
    ):
        with pytest.raises(UserError, match=message):
            parse(text)


def test_older_spellings_come_out_in_the_present_form():
    old = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    spec = parse(value(pre_tokenizer=old))
    assert spec.pre_tokenizer == MetaspacePreTokenizer("▁", "always", True)


def test_truncation_and_padding_do_not_change_the_fingerprint():
    padded = {
        "strategy": "BatchLongest",
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "a",
    }
    plain = parse(value())
    assert parse(value(padding=padded)).fingerprint == plain.fingerprint
    assert parse(value(normalizer={"type": "NFC"})).fingerprint != plain.fingerprint


def test_components_are_frozen_and_give_their_json_back():
    bert = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
    spec = parse(value(normalizer={"type": "BertNormalizer", **bert, "lowercase": False}))
    assert spec.normalizer == BertNormalizer(True, True, None, False)
    assert not spec.normalizer.strips_accents
    with pytest.raises(AttributeError):
        spec.normalizer.lowercase = True
    assert json.loads(spec.json_text)["normalizer"] == spec.normalizer.to_json()


def test_parsing_needs_no_tensorflow():
    code = f"""
import sys
from tfmlm.tokenizer_graph.spec import parse
parse({value(normalizer={"type": "NFC"})!r})
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("expression", configurations.REGEXES)
def test_published_expressions_are_parsed(expression):
    assert not patterns.parse(expression).matches_nothing_long


@pytest.mark.parametrize("expression", ["(a|b)+", r"(a)\1", r"\Gx", "[a", "(a"])
def test_other_expressions_are_named(expression):
    with pytest.raises(patterns.UnsupportedPattern):
        patterns.parse(expression)
