"""Loaded exports that tests share: one session for each export in a worker, not for each load.

To load an export and to optimize its graph for the first run takes two to four CPU seconds, and a
command or `BatchFiller` does both whenever it is called. Tests that ask for answers, and not how an
export is loaded, take `one_session_an_export` (`conftest.py`): while it is in force a second
`LoadedFillMask` of files with the same content is given the session of the first. Path and record
are read anew each time, and so are all errors of folders that cannot be loaded.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

#: Sessions that are held, those used last.
MOST = 4
_kept: OrderedDict[tuple[Any, ...], dict[str, Any]] = OrderedDict()


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Shares sessions inside the block."""
    from tfmlm.export.loader import LoadedFillMask, read_record

    load = LoadedFillMask.__init__

    def load_once(
        self: LoadedFillMask,
        version_folder: Path,
        threads: int | None = None,
        optimized: bool = True,
    ) -> None:
        record = read_record(version_folder)
        key = (_content(version_folder), threads, optimized)
        if key not in _kept:
            load(self, version_folder, threads, optimized)
            _kept[key] = dict(vars(self))
            if len(_kept) > MOST:
                _kept.popitem(last=False)  # closed when nobody holds it
        _kept.move_to_end(key)
        vars(self).update({**_kept[key], "path": version_folder, "record": record})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LoadedFillMask, "__init__", load_once)
        patch.setattr(LoadedFillMask, "close", lambda self: None)  # it may be another's too
        yield


def _content(version_folder: Path) -> str:
    """A digest of all files that a session is made from."""
    digest = hashlib.blake2b()
    for path in sorted(version_folder.rglob("*")):
        if path.is_file() and "assets.extra" not in path.parts:
            digest.update(f"{path.relative_to(version_folder)} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
