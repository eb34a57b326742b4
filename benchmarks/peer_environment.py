"""Environments of other tools, kept in the user's cache folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def python_with(name: str, requirements: Sequence[str]) -> str:
    """The interpreter of an environment, which is made when it is first asked for.

    Args:
        name: of its folder; another one wherever the requirements are others.
        requirements: what pip installs there.

    Raises:
        subprocess.CalledProcessError: pip cannot install them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfmlm-peers"
    home = cache / name
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *requirements], check=True)
        (home / "complete").touch()
    return str(python)
