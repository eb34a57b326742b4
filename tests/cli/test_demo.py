"""The demo's command: numbers of epochs that cannot be are refused before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfmlm.cli.main import main


@pytest.mark.parametrize("epochs", ["0", "-1", "nan"])
def test_no_epochs(epochs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    assert main(["demo", "--output_dir", str(folder), "--num_train_epochs", epochs]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert f"--num_train_epochs is {epochs}; it must be over 0" in err
    assert not folder.exists()
