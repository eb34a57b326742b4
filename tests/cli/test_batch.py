"""`tfmlm batch` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.export.exported import bert, loaded_bert
from tfmlm.cli.main import main


def test_summary_json_and_resuming(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard = tmp_path / "in" / "a.parquet"
    shard.parent.mkdir()
    pyarrow.parquet.write_table(pa.table({"body": ["a [MASK]", None, "none"]}), shard)
    command = ["batch", str(bert().path), "--input", f"{tmp_path}/in/*.parquet"]
    command += ["--text_column", "body", "--output", str(tmp_path / "out"), "--top_k", "1"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "1 files written" in out
    assert "3 rows in" in out
    assert [line.split() for line in out.splitlines()[-3:]] == [
        ["1", "no_mask"],
        ["1", "null"],
        ["1", "ok"],
    ]
    table = pyarrow.parquet.read_table(tmp_path / "out" / "a.parquet")
    assert (
        table.column("fills").to_pylist()[0][0][0]["token"]
        == (loaded_bert()("a [MASK]", top_k=1)[0]["token"])
    )
    assert main([*command, "--resume", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["skipped"], report["written"], report["rows"]) == (["a.parquet"], [], 0)
    assert report["statuses"] == {"no_mask": 1, "null": 1, "ok": 1}


def test_exit_codes(tmp_path: Path) -> None:
    """In a process of its own: the one line is everything on stderr."""
    pyarrow.parquet.write_table(pa.table({"text": ["a [MASK]"]}), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    command = [sys.executable, "-m", "tfmlm", "batch", str(bert().path)]
    command += ["--input", f"{tmp_path}/*.parquet", "--output", str(tmp_path / "out")]
    done = subprocess.run([*command, "--num_workers", "2"], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert f"1 of 2 files failed: cannot read {tmp_path}/b.parquet" in done.stderr
    assert (tmp_path / "out" / "a.parquet").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--targets", " , "], "--targets is empty"),
        (["--text_column", "body"], "has no column body; its columns: text"),
        (["--signature", "score_text", "--top_k", "3"], "takes no top_k"),
        (["--signature", "other"], "invalid choice"),
        (["--max_tokens", "0"], "max_tokens must be"),
    ],
)
def test_wrong_calls(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pyarrow.parquet.write_table(pa.table({"text": ["a [MASK]"]}), tmp_path / "a.parquet")
    command = ["batch", str(bert().path), "--input", f"{tmp_path}/a.parquet"]
    try:
        code = main([*command, "--output", str(tmp_path / "out"), *flags])
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
    assert not (tmp_path / "out").exists()
