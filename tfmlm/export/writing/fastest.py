"""`--dtype auto`: an export in every number type, of which the fastest on this machine is kept."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tfmlm.errors import RunFailedError, UserError
from tfmlm.export.loader import load, read_record
from tfmlm.export.versions import RECORD, new_version
from tfmlm.files import write_json

DTYPES = ("float32", "bfloat16", "int8")
#: Texts in a request, which all count alike.
BATCHES = (1, 8, 32)
#: Least seconds for each size of batch, and least requests.
_SECONDS, _REQUESTS = 1.0, 5


def fastest_export(
    export: Callable[[Path, str], str],
    export_dir: str | os.PathLike[str],
    version: int | None,
    texts: Sequence[str],
    tell: Callable[[str], None],
) -> str:
    """Makes an export in every number type and publishes the one that answers soonest.

    What is compared is the geometric mean of the times of batches of 1, 8 and 32 texts. A number
    type that cannot be exported, or changes too many best words, is left out; the record says why.

    Args:
        export: makes version 1 in a folder in a number type, and returns the version's folder.
        export_dir: the folder that holds the versions.
        version: number of the version, the next free one by default.
        texts: with masks; what is asked when times are taken.
        tell: called with what is done next.

    Returns:
        Path of the version folder.

    Raises:
        UserError: not even float32 can be exported, or its tokenizer is not in the graph.
    """
    with new_version(export_dir, version) as target:
        found: dict[str, Any] = {}
        places: dict[str, Path] = {}
        for dtype in DTYPES:
            tell(f"exporting in {dtype}")
            try:
                places[dtype] = Path(export(target.folder.parent / dtype, dtype))
            except (UserError, RunFailedError) as error:
                if dtype == DTYPES[0]:
                    raise
                found[dtype] = {"refused": str(error)}
                continue
            if not read_record(places[dtype])["tokenizer"]["in_graph"]:
                raise UserError(
                    "dtype auto takes the times of texts, and this tokenizer is not in the graph; "
                    f"choose {', '.join(DTYPES)}"
                )
        tell("timing the exports")
        for dtype, times in milliseconds(places, texts).items():
            found[dtype] = {"milliseconds_per_text": times}
        chosen = min(places, key=lambda dtype: _mean(found[dtype]["milliseconds_per_text"]))
        record = {**read_record(places[chosen]), "chosen_of": found}
        write_json(places[chosen] / "assets.extra" / RECORD, record)
        target.folder.rmdir()
        places[chosen].rename(target.folder)
        return str(target.publish())


def milliseconds(places: dict[str, Path], texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Milliseconds a text by number type and size of batch: medians of requests in turns."""
    import numpy as np

    loaded = {dtype: load(place) for dtype, place in places.items()}
    found: dict[str, dict[str, float]] = {dtype: {} for dtype in loaded}
    for batch in BATCHES:
        rows = [texts[i % len(texts)] for i in range(max(batch, len(texts)))]
        batches = [rows[i : i + batch] for i in range(0, len(rows) - batch + 1, batch)]
        taken: dict[str, list[float]] = {dtype: [] for dtype in loaded}
        for export in loaded.values():
            export.fill_arrays(batches[0])
        start, number = time.perf_counter(), 0
        enough = _SECONDS * len(loaded)
        while number < _REQUESTS or time.perf_counter() - start < enough:
            for dtype, export in loaded.items():
                begun = time.perf_counter()
                export.fill_arrays(batches[number % len(batches)])
                taken[dtype].append(time.perf_counter() - begun)
            number += 1
        for dtype, seconds in taken.items():
            found[dtype][str(batch)] = round(1000 * float(np.median(seconds)) / batch, 3)
    return found


def _mean(times: dict[str, float]) -> float:
    return math.exp(sum(math.log(max(t, 1e-6)) for t in times.values()) / len(times))
