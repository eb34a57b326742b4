"""Keeps tokens out of everything that is written or said."""

from __future__ import annotations

import re

HIDDEN = "<token>"
# User tokens, organisation tokens and OAuth tokens of the Hub, and secrets inside a URL.
_TOKENS = re.compile(r"\b(?:hf_(?:oauth_|jwt_)?|api_org_)[A-Za-z0-9_.\-]{8,}")
_URL_SECRETS = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+@")
_HEADERS = re.compile(r"(?i)\b(bearer|basic)\s+(?=\S*[0-9=])[A-Za-z0-9+/=_.\-]{8,}")


def redact(text: str, *secrets: str | None) -> str:
    """`text` without `secrets`, without anything that looks like a Hub token, on one line or many.

    Args:
        secrets: values to be hidden wherever they stand; `None` and empty ones are ignored.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    text = _URL_SECRETS.sub("", text)
    text = _HEADERS.sub(rf"\1 {HIDDEN}", text)
    return _TOKENS.sub(HIDDEN, text)


def one_line(text: str, limit: int = 300) -> str:
    """`text` with its whitespace collapsed, cut at `limit` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
