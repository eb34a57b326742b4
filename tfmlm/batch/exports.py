"""Exports that are in a bucket: copied to this machine once a process."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile

from tfmlm.errors import UserError


def here(export: str) -> str:
    """The folder of an export that is named by a folder or a URL.

    Raises:
        UserError: what the URL names cannot be read.
    """
    return _fetch(export) if "://" in export else export


@functools.cache
def _fetch(url: str) -> str:
    import pyarrow as pa
    from pyarrow import fs

    try:
        filesystem, path = fs.FileSystem.from_uri(url)
        if filesystem.get_file_info(path).type != fs.FileType.Directory:
            raise UserError(f"no export folder {url}; make one with tfmlm export and copy it there")
        folder = tempfile.mkdtemp(prefix="tfmlm-export-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        fs.copy_files(path, folder, source_filesystem=filesystem)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"cannot read the export {url}: {' '.join(str(error).split())}") from None
    return folder
