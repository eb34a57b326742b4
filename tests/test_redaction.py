"""Tokens are hidden; other text stays."""

from __future__ import annotations

import pytest

from tfmlm.redaction import HIDDEN, one_line, redact


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("token hf_abcdefgh12345678 refused", f"token {HIDDEN} refused"),
        ("hf_oauth_eyJhbGciOi.J9-x_1", HIDDEN),
        ("api_org_abcdefgh12345", HIDDEN),
        ("fatal: https://user:secret-word@huggingface.co/a/b", "fatal: https://huggingface.co/a/b"),
        ("Authorization: Bearer abcdef123456", f"Authorization: Bearer {HIDDEN}"),
        ("authorization: basic dXNlcjpzZWNyZXQ=", f"authorization: basic {HIDDEN}"),
        ("the hf_hub is fine, basic training too", "the hf_hub is fine, basic training too"),
        ("https://huggingface.co/a/b?c=d@e", "https://huggingface.co/a/b?c=d@e"),
    ],
)
def test_redact(text, hidden):
    assert redact(text) == hidden


def test_given_secrets_of_any_form_are_hidden():
    assert redact("a-plain-word here", "a-plain-word", None, "") == f"{HIDDEN} here"


def test_one_line():
    assert one_line("a\n  b\tc") == "a b c"
    assert one_line("abcdef", 4) == "abc…"
