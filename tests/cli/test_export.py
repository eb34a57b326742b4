"""`tfmlm export` as a user calls it."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys

import pytest

from tests.export.exported import bert_checkpoint, refused_checkpoint
from tests.processes import start
from tfmlm.cli.main import main


def run(capsys, *arguments):
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_export_prints_the_version_folder(tmp_path, capsys):
    folder = tmp_path / "exports"
    arguments = ["export", "--model_name_or_path", bert_checkpoint(), "--export_dir", folder]
    texts = tmp_path / "warm.txt"
    texts.write_text("A [MASK] text.\n\nAnother [MASK].\n")
    code, out, err = run(
        capsys, *arguments, "--warmup_file", texts, "--top_k", 3, "--max_length", 64
    )
    assert code == 0, err
    assert out == f"{folder}/1\n"
    assert "texts: the ids are the fast tokenizer's in every one" in err
    assert "the best word is the checkpoint's in 100.0%" in err
    assert (folder / "1" / "saved_model.pb").exists()
    assert [p.name for p in folder.iterdir()] == ["1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--export_dir", "FILE"], "is a file"),
        (["--model_version", "0"], "not a positive number"),
        (["--top_k", "0"], "top_k is 0"),
        (["--max_length", "9999"], "positions for 512 tokens"),
        (["--warmup_file", "missing.txt"], "cannot read missing.txt"),
        (["--model_name_or_path", "/no/such/folder"], "no folder /no/such/folder"),
        (["--tokenizer_name", "/no/such/folder"], "no folder /no/such/folder"),
    ],
)
def test_wrong_calls(tmp_path, capsys, arguments, message):
    (tmp_path / "FILE").touch()
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    call = {
        "--model_name_or_path": str(bert_checkpoint()),
        "--export_dir": str(tmp_path / "exports"),
        **{k: str(tmp_path / v) if v == "FILE" else v for k, v in given.items()},
    }
    code, out, err = run(capsys, "export", *(item for pair in call.items() for item in pair))
    assert code == 2
    assert out == ""
    assert message in err.splitlines()[-1]
    folder = tmp_path / "exports"
    assert not folder.exists() or not list(folder.iterdir())


def test_two_exports_at_once_and_a_killed_one(tmp_path):
    command = [sys.executable, "-m", "tfmlm", "export", "--json", "--verbose"]
    command += ["--model_name_or_path", str(refused_checkpoint()), "--export_dir", str(tmp_path)]
    killed = start(command, stderr=subprocess.PIPE, text=True)
    for line in killed.stderr:
        if line.startswith("comparing"):  # everything is written, nothing is published
            killed.send_signal(signal.SIGKILL)
            break
    killed.wait()
    assert [p for p in tmp_path.iterdir() if p.name.isdigit()] == []
    pair = [start(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    paths = [json.loads(process.communicate()[0])["path"] for process in pair]
    assert sorted(paths) == [str(tmp_path / "1"), str(tmp_path / "2")]


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path):
    """A limit on file sizes, smaller than the weights: the system refuses to write on."""
    limit = 50_000
    done = subprocess.run(
        [sys.executable, "-m", "tfmlm", "export", "--export_dir", str(tmp_path / "exports")]
        + ["--model_name_or_path", str(refused_checkpoint())],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "no space left on the disk of" in line
    assert not (tmp_path / "exports").exists()  # the folder that the export made is gone too


def test_help_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tfmlm", "export", "--help"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "tfmlm export --model_name_or_path my_model" in done.stdout
    assert "tensorflow" not in done.stderr
