"""Python's garbage collector, while many objects are made that stay."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

#: Objects between two collections of the youngest, and how many of these make one of the next.
_THRESHOLDS = (50_000, 20, 20)


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Collections are rarer within.

    Python looks for garbage whenever 700 objects more are alive. Importing TensorFlow and tracing
    functions makes hundreds of thousands, hardly any of them garbage: a tenth of the time of an
    export went into looking. What is garbage goes later, some ten megabytes at most.
    """
    before = gc.get_threshold()
    gc.set_threshold(*(max(pair) for pair in zip(before, _THRESHOLDS, strict=True)))
    try:
        yield
    finally:
        gc.set_threshold(*before)
