from __future__ import annotations

import logging

import pytest

from tfmlm.serve.minute_log import MinuteLog


def test_one_line_of_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    log = MinuteLog(logging.getLogger("test"), seconds=1000)
    for number in range(50):
        log.add("one kind", f"number {number}\n\x1b[2J" + "x" * 1000)
        log.add("another", "")
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "one kind",
        "another",
    ]
    assert all(len(r.getMessage()) < 300 and "\n" not in r.getMessage() for r in caplog.records)


def test_what_was_not_said_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    log = MinuteLog(logging.getLogger("test"), seconds=1000)
    for _ in range(5):
        log.add("a kind", "x")
    log._lines["a kind"] -= 1000
    log.add("a kind", "y")
    assert [record.getMessage() for record in caplog.records] == [
        "a kind: x",
        "a kind (5 since the last such line): y",
    ]
