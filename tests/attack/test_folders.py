"""Two at once, links, clocks that jump, and kills at any moment: folders stay whole."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.attack.test_disk import root, settings  # noqa: F401
from tests.export.exported import refused_checkpoint
from tests.training.processes import finish, start
from tfmlm.errors import UserError
from tfmlm.export.versions import new_version, versions
from tfmlm.files import write_json
from tfmlm.training import run_training
from tfmlm.training.checkpoint import latest_checkpoint, remove_older, save_checkpoint
from tfmlm.training.run_folder import clear_former_run

#: Kills of whole exports, each some ten CPU seconds; TFMLM_EXPORTS_KILLED=20 in a long run.
EXPORTS_KILLED = int(os.environ.get("TFMLM_EXPORTS_KILLED", "1"))


def test_two_trainings_into_one_folder(root: Path, tmp_path: Path) -> None:  # noqa: F811
    """The second one is refused, and the first one does not notice."""
    out = tmp_path / "out"
    config = settings(root, out, max_steps=40, save_steps=3)
    first = start(["-m", "tests.training.run", json.dumps(config.to_dict())])
    while not (out / "training_config.json").exists():
        assert first.poll() is None, finish(first)
        time.sleep(0.05)
    before = first.poll()
    with pytest.raises(UserError, match=f"another run is writing in {out}"):
        run_training(config)
    code, output = finish(first)
    assert before is None and code == 0, output
    assert json.loads((out / "all_results.json").read_text())["train_steps"] == 40
    assert "model.safetensors" in {path.name for path in out.iterdir()}


def export(folder: Path, *more: str) -> subprocess.Popen:
    arguments = ["--model_name_or_path", str(refused_checkpoint()), "--export_dir", str(folder)]
    return start(["-m", "tfmlm", "export", *arguments, *more])


def whole(folder: Path) -> bool:
    return (folder / "saved_model.pb").exists() and (
        folder / "assets.extra" / "tfmlm.json"
    ).exists()


def test_two_exports_into_one_folder_and_exports_killed_at_random_moments(tmp_path: Path) -> None:
    folder, generator = tmp_path / "e", random.Random(0)
    begun = time.monotonic()
    processes = [export(folder, "--model_version", "7") for _ in range(2)]
    ended = sorted((finish(process) for process in processes), key=lambda item: item[0])
    lasts = time.monotonic() - begun
    assert [code for code, _ in ended] == [0, 2], ended
    assert "version 7 exists" in ended[1][1]
    assert versions(folder) == [7] and whole(folder / "7")
    assert [path.name for path in folder.iterdir()] == ["7"]
    for _ in range(EXPORTS_KILLED):
        process = export(folder)
        time.sleep(generator.uniform(0.2, 1.0) * lasts)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert all(whole(folder / str(version)) for version in versions(folder))
    with new_version(folder, None):
        assert len(list(folder.glob(".tmp-*"))) == 1, "only its own is left"


PUBLISH = """
import sys
from tfmlm.export.versions import new_version
print("ready", flush=True)
while True:
    with new_version(sys.argv[1], None) as target:
        for name in ("saved_model.pb", "variables.index"):
            (target.folder / name).write_bytes(bytes(100_000))
        target.publish()
"""


def test_publishing_killed_at_twenty_moments(tmp_path: Path) -> None:
    generator = random.Random(0)
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", PUBLISH, tmp_path], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(generator.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    found = versions(tmp_path)
    assert found == list(range(1, len(found) + 1)) and len(found) > 20
    for version in found:
        sizes = {p.name: p.stat().st_size for p in (tmp_path / str(version)).iterdir()}
        assert sizes == {"saved_model.pb": 100_000, "variables.index": 100_000}
    with new_version(tmp_path, None):
        assert len(list(tmp_path.glob(".tmp-*"))) == 1


def test_links_in_the_place_of_folders(root: Path, tmp_path: Path) -> None:  # noqa: F811
    """They are followed where the user put them, and never deleted through."""
    disk = tmp_path / "disk"
    for name in ("out", "logs", "checkpoints"):
        (disk / name).mkdir(parents=True)
    (disk / "logs" / "mine").write_text("mine")
    out = tmp_path / "out"
    out.symlink_to(disk / "out")
    (out / "checkpoints").symlink_to(disk / "checkpoints")
    run_training(settings(root, out, max_steps=3))
    assert out.is_symlink() and (disk / "out" / "model.safetensors").exists()
    assert (disk / "checkpoints" / "step-00000002").is_dir()
    for entry in (out / "logs").iterdir():
        entry.unlink()
    (out / "logs").rmdir()
    (out / "logs").symlink_to(disk / "logs")
    clear_former_run(out)
    assert (disk / "logs" / "mine").read_text() == "mine"
    assert not (disk / "checkpoints" / "step-00000002").exists()

    (tmp_path / "export").symlink_to(disk / "out")
    with new_version(tmp_path / "export", 5) as target:
        (target.folder / "saved_model.pb").touch()
        target.publish()
    assert (disk / "out" / "5" / "saved_model.pb").exists()
    (tmp_path / "nowhere").symlink_to(tmp_path / "not there")
    with pytest.raises(UserError, match="cannot write"), new_version(tmp_path / "nowhere", None):
        pass
    (disk / "x.json").write_text("mine")
    (out / "x.json").symlink_to(disk / "x.json")
    write_json(out / "x.json", 1)
    assert (disk / "x.json").read_text() == "mine" and not (out / "x.json").is_symlink()


def test_clocks_that_jump(tmp_path: Path) -> None:
    """The newest checkpoint and version are those of the largest number, whatever the dates say."""
    for step in (1, 2, 3):
        save_checkpoint(tmp_path / "c", step, {"a": np.zeros(1)}, {})
        remove_older(tmp_path / "c", 2)
        long_ago_or_to_come = 4e9 * (step % 2)
        os.utime(tmp_path / "c" / f"step-0000000{step}", (long_ago_or_to_come,) * 2)
    checkpoint, _ = latest_checkpoint(tmp_path / "c")
    assert checkpoint is not None and checkpoint.step == 3
    assert len(list((tmp_path / "c").iterdir())) == 2
    for version, date in ((1, 4e9), (2, 0)):
        with new_version(tmp_path / "e", None) as target:
            assert target.publish().name == str(version)
        os.utime(tmp_path / "e" / str(version), (date, date))
    assert versions(tmp_path / "e")[-1] == 2
    half = tmp_path / "e" / ".tmp-abcdefgh"  # made by nobody who lives, in the future
    half.mkdir()
    os.utime(half, (4e9, 4e9))
    with new_version(tmp_path / "e", None):
        assert not half.exists()
