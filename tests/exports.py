"""Exports that tests share: one for each checkpoint and settings in a run, not for each command.

An export takes about ten CPU seconds, whatever the size of its model. Pages and examples that show
the way from a checkpoint to a server export the same small model with the same settings. While
`one_export_a_checkpoint` (`conftest.py`) is in force, the second such export is a copy of the
first; all that follows it (version numbers, loading, serving) is as it always is.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.shared import made_once


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Shares exports of checkpoint folders inside the block; others are made as always."""
    import tfmlm.export
    from tfmlm.export.versions import new_version
    from tfmlm.export.writing import saved_model

    export = saved_model.export_saved_model
    signature = inspect.signature(export)

    def export_once(*given: Any, **named: Any) -> str:
        call = signature.bind(*given, **named)
        call.apply_defaults()
        settings = dict(call.arguments)
        model, tokenizer = settings.pop("model"), settings.pop("tokenizer")
        folder, version = settings.pop("export_dir"), settings.pop("version")
        settings.pop("progress")
        if not isinstance(model, str | os.PathLike) or tokenizer is not None:
            return export(*given, **named)
        if not Path(model).is_dir():
            return export(*given, **named)
        name = f"export-{_digest(Path(model), settings)}"
        made = made_once(name, lambda to: export(str(model), None, to, **settings))
        with new_version(folder, version) as target:
            shutil.copytree(made / "1", target.folder, dirs_exist_ok=True)
            return str(target.publish())

    with pytest.MonkeyPatch.context() as patch:
        for module in (tfmlm, tfmlm.export, saved_model):
            patch.setattr(module, "export_saved_model", export_once)
        yield


def _digest(checkpoint: Path, settings: dict[str, Any]) -> str:
    """Of the files of a checkpoint but its logs, and of the settings."""
    digest = hashlib.blake2b(repr(sorted(settings.items())).encode(), digest_size=16)
    for path in sorted(checkpoint.rglob("*")):
        place = path.relative_to(checkpoint)
        if path.is_file() and place.parts[0] != "logs" and not path.name.startswith("."):
            digest.update(f"{place} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
