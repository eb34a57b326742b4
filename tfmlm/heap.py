"""Memory that was freed, given back to the system."""

from __future__ import annotations

import contextlib
import ctypes


def trim_heap() -> None:
    """Gives free memory of the C library's heaps back to the system.

    glibc keeps freed memory in a heap for each thread that ever allocated there. Other C libraries
    are left alone.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
