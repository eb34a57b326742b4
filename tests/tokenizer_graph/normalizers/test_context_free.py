"""Runs of normalizers as one table, beside the same steps in Python."""

import unicodedata

import pytest
import tensorflow as tf

from tests.tokenizer_graph.components import tokenizer
from tfmlm.tokenizer_graph.normalizers.context_free import ContextFree, is_context_free
from tfmlm.tokenizer_graph.ops.text import decode_rows
from tfmlm.tokenizer_graph.spec import parse

LOWERCASE, STRIP = {"type": "Lowercase"}, {"type": "StripAccents"}
TEXTS = ["", "ÀB\u0301c", "e\u0323\u0301 Ω", "İx", "ﬁ½", "漢字", "\u0301", "Ç\u0327ñ"]
#: marks that a decomposition puts into another order
STAYING = ["a\u302e\U0001d165", "É\u302e\u0301\U0001d165b"]


def _in_steps(text: str, form: str | None, strip: bool) -> str:
    text = "".join(c.lower() for c in text)
    text = unicodedata.normalize(form, text) if form else text
    return "".join(c for c in text if not (strip and unicodedata.category(c)[0] == "M"))


@pytest.mark.parametrize("form", [None, "NFD", "NFKD"])
@pytest.mark.parametrize("strip", [False, True])
def test_as_in_steps(form: str | None, strip: bool) -> None:
    run = ContextFree([LOWERCASE], form, [STRIP] if strip else [])
    # at once, so that all take the exact way, and without those that need it
    for texts in (TEXTS, [*TEXTS, *STAYING]):
        stream = decode_rows(tf.constant(texts))
        end = int(stream[-1])
        want = [v for text in texts for v in (*map(ord, _in_steps(text, form, strip)), end)]
        assert run(stream).numpy().tolist() == want
        values, sources = run.with_sources(stream)
        assert values.numpy().tolist() == want
        for value, source in zip(want, tf.gather(stream, sources).numpy().tolist(), strict=True):
            alone = (end,) if source == end else (*map(ord, _in_steps(chr(source), form, strip)),)
            assert value in alone or chr(source) in "\u302e\U0001d165\u0301\u0323"


@pytest.mark.parametrize(
    ("normalizer", "expected"),
    [
        (LOWERCASE, True),
        ({"type": "Nmt"}, True),
        ({"type": "NFC"}, False),
        ({"type": "Replace", "pattern": {"String": "a"}, "content": "xy"}, True),
        ({"type": "Replace", "pattern": {"String": "aa"}, "content": "x"}, False),
        ({"type": "Replace", "pattern": {"Regex": "a"}, "content": "x"}, False),
        ({"type": "BertNormalizer", "lowercase": False, "strip_accents": None}, True),
        ({"type": "BertNormalizer", "lowercase": True, "strip_accents": None}, False),
        ({"type": "Strip", "strip_left": True, "strip_right": True}, False),
    ],
    ids=str,
)
def test_what_looks_at_one_code_point(normalizer: dict, expected: bool) -> None:
    if normalizer["type"] == "BertNormalizer":
        normalizer = {"clean_text": True, "handle_chinese_chars": True, **normalizer}
    rust = tokenizer(normalizer=normalizer)
    assert is_context_free(parse(rust.to_str()).normalizer) is expected
    if expected:  # so what it makes of a text is what it makes of its characters
        for text in ["aa", "aÀ 漢b", "\u0301a\x00"]:
            parts = [rust.normalizer.normalize_str(c) for c in text]
            assert rust.normalizer.normalize_str(text) == "".join(parts)
