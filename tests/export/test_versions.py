"""Version folders: whole or absent, each number once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from tfmlm.errors import RunFailedError, UserError
from tfmlm.export.versions import latest_version, new_version, versions


def make(export_dir, wanted=None, content="x"):
    with new_version(export_dir, wanted) as target:
        (target.folder / "saved_model.pb").write_text(content)
        return target.publish()


def test_next_free_version(tmp_path):
    assert make(tmp_path / "e").name == "1"
    assert make(tmp_path / "e").name == "2"
    assert make(tmp_path / "e", 10).name == "10"
    assert make(tmp_path / "e").name == "11"
    (tmp_path / "e" / "20").mkdir()
    (tmp_path / "e" / "notes").mkdir()
    assert make(tmp_path / "e").name == "21"
    assert versions(tmp_path / "e") == [1, 2, 10, 11, 20, 21]
    assert latest_version(tmp_path / "none") is None


def test_readable_by_a_server_of_another_user(tmp_path):
    assert make(tmp_path).stat().st_mode & 0o055 == 0o055


def test_many_exports_at_once_get_versions_of_their_own(tmp_path):
    barrier = threading.Barrier(8)
    found = []

    def export(content):
        with new_version(tmp_path, None) as target:
            (target.folder / "saved_model.pb").write_text(content)
            barrier.wait()
            found.append((target.publish(), content))

    threads = [threading.Thread(target=export, args=(str(i),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert versions(tmp_path) == list(range(1, 9))
    assert all((path / "saved_model.pb").read_text() == content for path, content in found)
    assert len(list(tmp_path.iterdir())) == 8


def test_wanted_version_taken_before_or_meanwhile(tmp_path):
    make(tmp_path, 3)
    with pytest.raises(UserError, match="version 3 exists"), new_version(tmp_path, 3):
        pass
    with (
        pytest.raises(UserError, match="version 4 exists"),
        new_version(tmp_path, 4) as target,
    ):
        (target.folder / "a").touch()
        make(tmp_path, 4)
        target.publish()
    assert versions(tmp_path) == [3, 4]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("wanted", [0, -1, 2**63])
def test_not_a_version(tmp_path, wanted):
    with pytest.raises(UserError, match="not a positive number"), new_version(tmp_path, wanted):
        pass


def test_export_folder_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"), new_version(tmp_path / "file", None):
        pass


def test_failure_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), new_version(tmp_path, None) as target:
        (target.folder / "half").touch()
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_killed_leaves_no_version(tmp_path):
    script = (
        "import sys, time; from tfmlm.export.versions import new_version\n"
        "with new_version(sys.argv[1], None) as target:\n"
        "    (target.folder / 'saved_model.pb').touch(); print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert versions(tmp_path) == []
    assert make(tmp_path).name == "1"


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), RuntimeError("x.data; No space left on device")],
)
def test_full_disk_is_one_clear_error(tmp_path, error):
    with (
        pytest.raises(RunFailedError, match="no space left on the disk"),
        new_version(tmp_path, None) as target,
    ):
        (target.folder / "half").write_bytes(bytes(2_000_000))
        raise error
    assert list(tmp_path.iterdir()) == []


def test_the_system_refuses_to_write_on(tmp_path):
    """A limit on file sizes stands for a full disk: it needs no rights and no disk of its own."""
    script = (
        "import resource, sys; from tfmlm.errors import RunFailedError\n"
        "from tfmlm.export.versions import new_version\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try:\n"
        "    with new_version(sys.argv[1], None) as target:\n"
        "        (target.folder / 'half').write_bytes(bytes(100_000))\n"
        "except RunFailedError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True
    )
    assert done.stdout.startswith(f"no space left on the disk of {tmp_path}"), done.stderr
    assert list(tmp_path.iterdir()) == []
