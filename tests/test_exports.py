"""Shared exports: a copy for the same checkpoint and settings, a new one for any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import tfmlm
from tests import exports
from tests.export.exported import refused_checkpoint
from tfmlm.cli.main import main
from tfmlm.errors import UserError


def graph(version_folder: str | Path) -> bytes:
    return (Path(version_folder) / "saved_model.pb").read_bytes()


def test_the_same_is_copied_and_anything_else_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shutil.copytree(refused_checkpoint(), tmp_path / "model")
    before = tfmlm.export_saved_model
    with exports.shared():
        first = tfmlm.export_saved_model(str(model), None, tmp_path / "a", top_k=2)
        command = ["export", "--model_name_or_path", str(model), "--top_k", "2"]
        assert main([*command, "--export_dir", str(tmp_path / "b"), "--model_version", "7"]) == 0
        second = capsys.readouterr().out.strip()
        assert second == str(tmp_path / "b" / "7")
        assert graph(second) == graph(first)
        files = [sorted(str(p.relative_to(f)) for p in Path(f).rglob("*")) for f in (first, second)]
        assert files[0] == files[1]
        with pytest.raises(UserError, match="version 7 exists"):
            tfmlm.export_saved_model(str(model), None, tmp_path / "b", top_k=2, version=7)

        other = tfmlm.export_saved_model(str(model), None, tmp_path / "b", top_k=3)
        assert other == str(tmp_path / "b" / "8")
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        config["layer_norm_eps"] = 1e-3
        (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
        changed = tfmlm.export_saved_model(str(model), None, tmp_path / "c", top_k=2)
        assert len({graph(path) for path in (first, other, changed)}) == 3
        with pytest.raises(UserError, match="top_k is 0"):
            tfmlm.export_saved_model(str(model), None, tmp_path / "d", top_k=0)
    assert tfmlm.export_saved_model is before
