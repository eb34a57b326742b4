from __future__ import annotations

from pathlib import Path

from tfmlm.serve.versions import version_folders, version_number


def test_version_folders(tmp_path: Path) -> None:
    largest = 2**63 - 1
    names = (
        "1",
        "0002",
        "x",
        ".tmp-3",
        "-4",
        "5.0",
        "９",
        str(largest),
        str(largest + 1),
        "9" * 30,
    )
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "7").write_text("a file")
    assert version_folders(tmp_path) == {
        1: tmp_path / "1",
        2: tmp_path / "0002",
        largest: tmp_path / str(largest),
    }


def test_numbers() -> None:
    assert [version_number(text) for text in ("0", "12", "007", "x", "", "-1")] == [
        0,
        12,
        7,
        None,
        None,
        None,
    ]
    assert version_number("9" * 4301) is None and version_number("0" * 4301 + "3") == 3
