"""What `tfmlm fill` takes its target for, and that the texts are looked at first."""

from __future__ import annotations

import shutil

from tests.cli.test_fill import TEXT, run
from tests.export.exported import bert, bert_checkpoint


def test_texts_are_looked_at_before_a_model_is_loaded(tmp_path, capsys):
    folder = tmp_path / "checkpoint"
    shutil.copytree(bert_checkpoint(), folder)
    (folder / "model.safetensors").write_bytes(b"no weights")
    assert "the text holds no [MASK]" in run(capsys, folder, "nothing to fill")[2]
    export = tmp_path / "export"
    shutil.copytree(bert().path, export / "1")
    (export / "1" / "saved_model.pb").write_bytes(b"no graph")
    assert "text 2 holds no [MASK]" in run(capsys, export, TEXT, "nothing to fill")[2]


def test_names_of_the_hub(monkeypatch, capsys):
    for name in ("bert-base-uncased", "distilroberta-base", "user/model"):
        code, _, err = run(capsys, name, TEXT)
        assert code == 2
        assert "no folder" not in err and name in err
