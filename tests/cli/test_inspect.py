"""`tfmlm inspect` on an export."""

from __future__ import annotations

import json

from tests.export.exported import bert
from tfmlm.cli.main import main
from tfmlm.export.contract import SIGNATURES


def test_json(capsys):
    assert main(["inspect", str(bert().path.parent), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["path"] == str(bert().path)
    assert report["oldest_tf_serving"] == "2.12"
    assert report["tf_serving"]["2.20"] == []
    assert set(report["signatures"]) == set(SIGNATURES)
    assert report["signatures"]["serving_default"]["inputs"] == {"text": "string [?]"}
    assert report["signatures"]["serving_default"]["outputs"]["token"] == "int32 [?, ?, 5]"
    assert report["sizes"]["variables"] > 1_000_000
    assert report["record"]["tokenizer"]["mask_token"] == "[MASK]"


def test_table(capsys):
    assert main(["inspect", str(bert().path)]) == 0
    out = capsys.readouterr().out
    assert "oldest release of TF Serving that can serve it: 2.12" in out
    assert "mask token [MASK]" in " ".join(out.split())
    for name in SIGNATURES:
        assert name in out


def test_nothing_there(tmp_path, capsys):
    assert main(["inspect", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
