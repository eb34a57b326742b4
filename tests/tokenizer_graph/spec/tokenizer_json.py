"""Small `tokenizer.json` texts, and what their refusal looks like."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.spec import parse

MODEL = {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"}


def value(**stages: Any) -> str:
    """A tokenizer of two words with the given stages."""
    base = {"version": "1.0", "added_tokens": [], "model": MODEL}
    return json.dumps({**base, **stages})


def sequence(name: str, *children: dict[str, Any]) -> dict[str, Any]:
    """A Sequence, whose children are called `name`."""
    return {"type": "Sequence", name: list(children)}


def check_refused(path: str, text: str) -> None:
    """Fails unless one line names the component at `path`, a regular expression."""
    with pytest.raises(UnsupportedTokenizerError, match=path) as caught:
        parse(text)
    assert "\n" not in str(caught.value) and caught.value.path
    where, kind = caught.value.component
    assert caught.value.path.startswith(where) and f"component {where} ({kind})" in str(
        caught.value
    )
