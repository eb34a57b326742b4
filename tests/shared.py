"""What several test modules need and takes long: made once a run, by the worker that comes first.

Every worker of a run is started with the same folder in its environment (`conftest.py`); a lock on
a file keeps the others waiting while one of them makes something.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

#: Names the folder of the run.
FOLDER = "TFMLM_TESTS_FOLDER"


@functools.cache
def run_folder() -> Path:
    """The folder of this run; one of its own where no pytest has made one."""
    given = os.environ.get(FOLDER)
    if given:
        return Path(given)
    folder = Path(tempfile.mkdtemp(prefix="tfmlm-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` of the run, which `make` fills if no worker has done so.

    Args:
        name: of the folder.
        make: called with the empty folder; if it raises, the next worker tries.
    """
    folder = run_folder() / name
    done = run_folder() / f"{name}.done"
    with FileLock(str(run_folder() / f"{name}.lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            make(folder)
            done.touch()
    return folder
