"""Models, their versions with a state each, and the folders that versions lie in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfmlm.serve.servable import Servable
from tfmlm.serve.status import StatusError

#: `get_model_status.proto`, ModelVersionStatus.State
STATES = {"UNKNOWN": 0, "START": 10, "LOADING": 20, "AVAILABLE": 30, "UNLOADING": 40, "END": 50}
_VERSION_NAME = re.compile(r"[0-9]{1,18}")


@dataclass
class Version:
    """State of one version; ends in `END`, with an error if it could not be loaded.

    `lane` says which of the manager's two groups of threads loads it.
    """

    number: int
    path: Path
    lane: int = 0
    state: str = "START"
    error: StatusError | None = None
    servable: Servable | None = None
    aspired: bool = True


@dataclass
class Model:
    """One entry of a ModelConfigList and what became of its versions."""

    name: str
    base_path: Path
    policy: Any
    versions: dict[int, Version] = field(default_factory=dict)
    removed: bool = False
    complaint: str = ""

    def free_lane(self) -> int:
        """The lane that the version which serves now was not loaded in."""
        available = [v for v in self.versions.values() if v.state == "AVAILABLE"]
        return 1 - max(available, key=lambda v: v.number).lane if available else 0


def version_folders(base_path: Path) -> dict[int, Path]:
    """Folders named by a number below `base_path`, by that number."""
    return {
        int(path.name): path
        for path in sorted(base_path.iterdir())
        if _VERSION_NAME.fullmatch(path.name) and path.is_dir()
    }
