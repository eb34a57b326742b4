"""The demo's corpus: clean, large enough, and the same every time."""

from __future__ import annotations

import pytest

from tfmlm.demo import corpus
from tfmlm.demo.corpus import python_documentation
from tfmlm.errors import UserError


def test_the_corpus_is_clean_and_the_same_every_time() -> None:
    paragraphs = python_documentation()
    assert paragraphs == python_documentation()
    assert sum(len(p) + 1 for p in paragraphs) >= corpus.MINIMUM_BYTES
    assert len(set(paragraphs)) == len(paragraphs)
    assert not any(">>>" in p or "\n" in p or "`" in p for p in paragraphs)


def test_a_python_without_documentation_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "_docstrings", lambda: iter(()))
    with pytest.raises(UserError, match="--train_file"):
        python_documentation()
