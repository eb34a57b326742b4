"""`--dtype auto` keeps the export that answers soonest, and says what it compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tfmlm
from tests.export.checking import toy
from tests.export.exported import refused_checkpoint
from tfmlm.cli.main import main
from tfmlm.errors import UserError
from tfmlm.export.loader import read_record
from tfmlm.export.writing import fastest

TIMES = {"float32": 3.0, "bfloat16": 2.0, "int8": 1.0}


@pytest.fixture
def known_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times as if the smaller number types were always the faster."""
    real = fastest.milliseconds

    def milliseconds(places: dict[str, Path], texts: list[str]) -> Any:
        measured = real(places, texts)
        assert measured.keys() == places.keys()
        for times in measured.values():
            assert list(times) == ["1", "8", "32"]
            assert all(0 < time < 10_000 for time in times.values())
        return {dtype: dict.fromkeys(times, TIMES[dtype]) for dtype, times in measured.items()}

    monkeypatch.setattr(fastest, "milliseconds", milliseconds)
    monkeypatch.setattr(fastest, "_SECONDS", 0.01)


def test_the_fastest_is_kept(known_times: None, tmp_path: Path) -> None:
    path = tfmlm.export_saved_model(
        toy.right_model(), toy.tokenizer(), tmp_path, dtype="auto", min_agreement=0.0, version=7
    )
    assert path == str(tmp_path / "7")
    assert [entry.name for entry in tmp_path.iterdir()] == ["7"]
    record = read_record(tmp_path / "7")
    assert record["model"]["dtype"] == "int8"
    expected = {
        d: {"milliseconds_per_text": dict.fromkeys(["1", "8", "32"], t)} for d, t in TIMES.items()
    }
    assert record["chosen_of"] == expected
    assert tfmlm.load(path)("a [MASK] b", top_k=2)


def test_what_changes_too_many_words_is_left_out(
    known_times: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tfmlm.export.writing import saved_model

    real = saved_model.validate_export

    def validate(path: Path, *given: Any) -> dict[str, Any]:
        dtype = json.loads((path / "assets.extra" / "tfmlm.json").read_text())["model"]["dtype"]
        shares = {"float32": 1.0, "bfloat16": 0.97, "int8": 0.94}
        return {**real(path, *given), "top1_agreement": shares[dtype]}

    monkeypatch.setattr(saved_model, "validate_export", validate)
    checkpoint = tmp_path / "checkpoint"
    toy.right_model().save_pretrained(checkpoint)
    toy.tokenizer().save_pretrained(checkpoint)
    folder = ["--model_name_or_path", str(checkpoint), "--export_dir", str(tmp_path / "export")]
    assert main(["export", *folder, "--dtype", "auto"]) == 0
    said = capsys.readouterr().err
    assert "bfloat16: a text takes 2.00 ms in batches of 1, 2.00 ms in batches of 8" in said
    assert "int8: left out, the best word is the checkpoint's at 94.00% of the masks" in said
    assert read_record(tmp_path / "export" / "1")["model"]["dtype"] == "bfloat16"


def test_a_tokenizer_that_is_not_in_the_graph(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dtype auto takes the times of texts, .* choose float32"):
        tfmlm.export_saved_model(refused_checkpoint(), None, tmp_path / "export", dtype="auto")
    assert not (tmp_path / "export").exists()
