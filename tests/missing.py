"""What to do in a test whose program is not installed."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skips the test with the reason; fails it where everything must be there."""
    if os.environ.get("TFMLM_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def need(*programs: str, install: str = "") -> None:
    """Goes on if all programs are on the PATH; `install` says where they come from."""
    absent = [name for name in programs if shutil.which(name) is None]
    if absent:
        hint = f" ({install})" if install else ""
        missing(f"not on the PATH: {', '.join(absent)}{hint}")
