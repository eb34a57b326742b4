from __future__ import annotations

import pytest

from tfmlm.serve.hosts import HostRule, is_cross_site


@pytest.mark.parametrize(
    ("listens", "allowed", "host", "answer"),
    [
        ("127.0.0.1", "", "localhost", True),
        ("127.0.0.1", "", "LOCALHOST.:8501", True),
        ("127.0.0.1", "", "mlm.localhost:8501", True),
        ("127.0.0.1", "", "127.0.0.1:8501", True),
        ("127.0.0.1", "", "127.9.9.9", True),
        ("::1", "", "[::1]:8501", True),
        ("localhost", "", "localhost:1", True),
        ("127.0.0.1", "", "evil.example", False),
        ("127.0.0.1", "", "localhost.evil.example", False),
        ("127.0.0.1", "", "127.0.0.1.evil.example:8501", False),
        ("127.0.0.1", "", "10.0.0.1", False),
        ("127.0.0.1", "", "", False),
        ("127.0.0.1", "", "[::1", True),
        ("127.0.0.1", "mlm.example, Other", "other:80", True),
        ("127.0.0.1", "mlm.example", "mlm.example", True),
        ("127.0.0.1", "mlm.example", "x.mlm.example", False),
        ("127.0.0.1", "mlm.example", "localhost", True),
        ("127.0.0.1", "*", "evil.example", True),
        ("0.0.0.0", "", "any.example", True),
        ("10.0.0.1", "", "any.example", True),
        ("0.0.0.0", "mlm.example", "any.example", False),
        ("10.0.0.1", "mlm.example", "10.0.0.1:8501", True),
    ],
)
def test_names(listens: str, allowed: str, host: str, answer: bool) -> None:
    assert HostRule(listens, allowed).allows(host) is answer


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({}, False),
        ({"Origin": "http://localhost:8501"}, False),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "http://localhost:9999"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://["}, True),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
    ],
)
def test_cross_site(headers: dict[str, str], answer: bool) -> None:
    assert is_cross_site(headers, "localhost:8501") is answer
