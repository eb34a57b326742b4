"""Precompiled maps: what is written is read back, and Rust reads the same."""

import base64

import pytest
from tokenizers import normalizers

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.normalizers._charsmap import read_keys, write

KEYS = {"x": "y", "é": "e\u0301", "ﬁ": "fi", "\u00ad": "", "ab": "c"}


def test_written_and_read() -> None:
    written = write(KEYS)
    assert read_keys(written, "normalizer") == KEYS
    rust = normalizers.Precompiled(base64.b64decode(written))
    for key in ("x", "é", "ﬁ"):
        assert rust.normalize_str(f"q{key}q") == f"q{KEYS[key]}q"


@pytest.mark.parametrize("text", ["!!", base64.b64encode(b"\xff\xff\xff\x7f12").decode()])
def test_what_is_no_map_is_refused_by_name(text: str) -> None:
    with pytest.raises(UnsupportedTokenizerError, match="normalizer.precompiled_charsmap"):
        read_keys(text, "normalizer")
