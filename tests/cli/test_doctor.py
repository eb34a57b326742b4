"""`tfmlm doctor` as a table and as JSON."""

from __future__ import annotations

import json

import tensorflow as tf

from tfmlm.cli.main import main


def test_json(capsys):
    assert main(["doctor", "--json"]) == 0
    facts = {fact["name"]: fact for fact in json.loads(capsys.readouterr().out)}
    assert facts["tensorflow"]["value"] == tf.__version__
    assert {fact["status"] for fact in facts.values()} <= {"ok", "note"}


def test_table_says_what_to_do(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "processor" in out and "→ training and serving run on the CPU" in out
