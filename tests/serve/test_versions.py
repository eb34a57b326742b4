from __future__ import annotations

from pathlib import Path

from tfmlm.serve.versions import version_folders


def test_version_folders(tmp_path: Path) -> None:
    for name in ("1", "0002", "x", ".tmp-3", "-4", "5.0", "９"):
        (tmp_path / name).mkdir()
    (tmp_path / "7").write_text("a file")
    assert version_folders(tmp_path) == {1: tmp_path / "1", 2: tmp_path / "0002"}
