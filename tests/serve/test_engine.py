"""The command line of `tensorflow_model_server`."""

from __future__ import annotations

from pathlib import Path

from tfmlm.serve.engine import model_server_command


def test_a_relative_folder_is_made_absolute() -> None:
    command = model_server_command("x", {"model_base_path": "export"})
    assert f"--model_base_path={Path('export').absolute()}" in command
    command = model_server_command("x", {"model_base_path": "s3://bucket/export"})
    assert "--model_base_path=s3://bucket/export" in command


def test_flags_are_written_as_tensorflow_reads_them() -> None:
    flags = {"enable_batching": True, "poll_wait_seconds": 2.0, "share": 0.25, "port": 1}
    assert model_server_command("x", flags) == [
        "x",
        "--rest_api_port=8501",
        "--enable_batching=true",
        "--poll_wait_seconds=2",
        "--share=0.25",
        "--port=1",
    ]
    assert model_server_command("x", {"rest_api_port": 0}) == ["x", "--rest_api_port=0"]
