"""Models, their versions with a state each, and the folders that versions lie in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfmlm.serve.servable import Servable
from tfmlm.serve.status import StatusError

#: Version numbers are signed integers of 64 bits.
LARGEST_VERSION = 2**63 - 1
_VERSION_NAME = re.compile(r"0*([0-9]{1,19})")


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
    """Folders named by a version number below `base_path`, by that number; larger numbers than a
    version can have are none."""
    return {
        number: path
        for path in sorted(base_path.iterdir())
        if (number := version_number(path.name)) is not None and path.is_dir()
    }


def version_number(text: str) -> int | None:
    """The version that digits stand for; None if they stand for none."""
    found = _VERSION_NAME.fullmatch(text)
    number = int(found[1]) if found else None
    return number if number is not None and number <= LARGEST_VERSION else None
