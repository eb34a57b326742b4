"""Which release of TF Serving can load an export: its operations against each release's.

`servable_ops.json` lists, by the release of TensorFlow that brought them, the core operations and
the attributes they gained, and by the release of TF Serving that links them, TF Text's. They were
read from each release's own registry (`TF_GetAllOpList` of TensorFlow 2.12 to 2.20; TF Text 2.12.1,
which TF Serving 2.12 to 2.19 link, and 2.20.0). Operations for TPUs and XLA are left out.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from tfmlm.errors import UserError


@functools.cache
def _registry() -> dict[str, Any]:
    text = resources.files("tfmlm.export.writing").joinpath("servable_ops.json").read_text("utf-8")
    return json.loads(text)


def releases() -> list[str]:
    """The releases of TF Serving that are known, oldest first."""
    return list(_registry()["releases"])


def servable_ops(release: str) -> frozenset[str]:
    """Operations of a release of TF Serving: TensorFlow's and TF Text's."""
    known = releases()
    until = known[: known.index(release) + 1]
    table = _registry()
    return frozenset(
        op for kind in ("core", "text") for r in until for op in table[kind].get(r, ())
    )


def operations(version_folder: str | os.PathLike[str]) -> dict[str, set[str]]:
    """Operations of a SavedModel and the attributes that their nodes carry.

    Raises:
        UserError: no SavedModel is there, or it cannot be read.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    path = Path(version_folder) / "saved_model.pb"
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"folder {version_folder} holds no saved_model.pb") from None
    except DecodeError as error:
        raise UserError(f"{path} is broken ({error}); export again") from None
    found: dict[str, set[str]] = {}
    for meta in model.meta_graphs:
        functions = {f.signature.name for f in meta.graph_def.library.function}
        nodes = [meta.graph_def.node, *(f.node_def for f in meta.graph_def.library.function)]
        for node in (node for group in nodes for node in group):
            if node.op not in functions:
                attributes = (name for name in node.attr if not name.startswith("_"))
                found.setdefault(node.op, set()).update(attributes)
    return found


def text_ops(needed: Iterable[str]) -> list[str]:
    """Which of the operations are TF Text's: programs need `import tensorflow_text` for them."""
    known = {op for ops in _registry()["text"].values() for op in ops}
    core = {op for ops in _registry()["core"].values() for op in ops}
    return sorted(op for op in needed if op in known and op not in core)


def missing(needed: Mapping[str, Iterable[str]], release: str) -> list[str]:
    """What a release of TF Serving lacks of the operations and attributes needed, by name."""
    known = releases()
    have = servable_ops(release)
    lacks = [op for op in needed if op not in have]
    for later in known[known.index(release) + 1 :]:
        for op, attributes in _registry()["attributes"].get(later, {}).items():
            lacks += [f"{op}.{a}" for a in attributes if op in have and a in needed.get(op, ())]
    return sorted(lacks)


def oldest_release(needed: Mapping[str, Iterable[str]]) -> str | None:
    """The oldest release of TF Serving that has everything needed, None if none has."""
    return next((release for release in releases() if not missing(needed, release)), None)
