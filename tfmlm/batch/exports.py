"""Exports that are in a bucket: copied to this machine once a process."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile

import pyarrow as pa
from pyarrow import fs

from tfmlm.errors import UserError


@functools.cache
def fetch(url: str) -> str:
    """The folder on this machine of an export at `s3://…`, `gs://…` or `file://…`.

    Raises:
        UserError: there is no such folder, or it cannot be read.
    """
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
