"""Asking the installed Rust library what it does with every code point.

Unicode rules are never derived here: ICU, Python and Rust disagree with each other. Pages of 256
code points that a component leaves alone are recognised with one call; the others are asked code
point by code point. The answers are kept on disk, keyed by the component's JSON and the version
of `tokenizers`.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from tfmlm.files import atomic_write, cache_folder

FORMAT = "1"
MAX_CODEPOINT = 0x10FFFF
Changes = dict[int, tuple[int, ...]]


def codepoints() -> Iterator[int]:
    """All 1,112,064 code points that a string can hold."""
    yield from range(0xD800)
    yield from range(0xE000, MAX_CODEPOINT + 1)


def normalizer(components: Sequence[Mapping[str, Any]]) -> Callable[[str], str]:
    """The Rust normalizer for these JSON components, as a function."""
    return rust_tokenizer(normalizers=components).normalizer.normalize_str


def pre_tokenizer(component: Mapping[str, Any]) -> Callable[[str], list[tuple[str, Any]]]:
    """The Rust pre-tokenizer for this JSON component, as a function."""
    return rust_tokenizer(pre_tokenizer=component).pre_tokenizer.pre_tokenize_str


def rust_tokenizer(
    normalizers: Sequence[Mapping[str, Any]] | None = None,
    pre_tokenizer: Mapping[str, Any] | None = None,
    decoder: Mapping[str, Any] | None = None,
) -> tokenizers.Tokenizer:
    """A Rust tokenizer with the given stages and a vocabulary of one word."""
    return tokenizers.Tokenizer.from_str(
        json.dumps(
            {
                "version": "1.0",
                "added_tokens": [],
                "normalizer": None
                if normalizers is None
                else {"type": "Sequence", "normalizers": list(normalizers)},
                "pre_tokenizer": pre_tokenizer,
                "post_processor": None,
                "decoder": decoder,
                "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
            }
        )
    )


def changes(components: Sequence[Mapping[str, Any]]) -> Changes:
    """What each code point becomes by itself; those that stay the same are left out.

    Only meaningful for normalizers that look at one code point at a time; the caller vouches.
    """
    key = json.dumps(["changes", list(components)], sort_keys=True)
    stored = load_arrays(key)
    if stored is None:
        stored = _encode_changes(_probe_changes(normalizer(components)))
        store_arrays(key, stored)
    return _decode_changes(stored)


def vanishing(components: Sequence[Mapping[str, Any]], tail: str = "") -> np.ndarray:
    """The code points that leave nothing in front of `tail` when normalized (int32 [n])."""
    key = json.dumps(["vanishing", list(components), tail], sort_keys=True)
    stored = load_arrays(key)
    if stored is None:
        normalize = normalizer(components)
        rest = normalize(tail)
        found = [c for c in codepoints() if normalize(chr(c) + tail) == rest]
        stored = {"vanishing": np.array(found, np.int32)}
        store_arrays(key, stored)
    return stored["vanishing"]


def classes(
    component: Mapping[str, Any], classify: Callable[[list[str], str], int], version: str
) -> np.ndarray:
    """A class for each code point c, from how `a` + c + `a` is split.

    Args:
        component: JSON of a pre-tokenizer.
        classify: (words of "aca", c) -> class, at most 255. For a page that is one single word the
            class of its first code point is taken for all.
        version: name of `classify`, part of the cache key.

    Returns:
        uint8 [0x110000]; surrogates are 0.
    """
    key = json.dumps(["classes", component, version], sort_keys=True)
    stored = load_arrays(key)
    if stored is None:
        split = pre_tokenizer(component)
        result = np.zeros(MAX_CODEPOINT + 1, np.uint8)
        for page in pages():
            text = "".join("a" + chr(c) for c in page) + "a"
            words = split(text)
            if len(words) == 1 and words[0][0] == text:
                result[page.start : page.stop] = classify([f"a{chr(page[0])}a"], chr(page[0]))
                continue
            for c in page:
                result[c] = classify([w for w, _ in split(f"a{chr(c)}a")], chr(c))
        stored = {"classes": result}
        store_arrays(key, stored)
    return stored["classes"]


def pages() -> Iterator[range]:
    """All code points but surrogates, 256 at a time."""
    for start in range(0, MAX_CODEPOINT + 1, 256):
        if not 0xD800 <= start < 0xE000:
            yield range(start, start + 256)


def _probe_changes(normalize: Callable[[str], str]) -> Changes:
    found: Changes = {}
    for page in pages():
        # "a" + c for all: if the whole comes back unchanged, no code point of the page changes
        text = "".join("a" + chr(c) for c in page)
        if normalize(text) == text:
            continue
        for c in page:
            text = chr(c)
            target = normalize(text)
            if target != text:
                found[c] = tuple(map(ord, target))
    return found


def _encode_changes(found: Changes) -> dict[str, np.ndarray]:
    return {
        "sources": np.array(list(found), np.int32),
        "lengths": np.array([len(t) for t in found.values()], np.int32),
        "targets": np.array([c for t in found.values() for c in t], np.int32),
    }


def _decode_changes(stored: Mapping[str, np.ndarray]) -> Changes:
    ends = np.cumsum(stored["lengths"]).tolist()
    targets = stored["targets"].tolist()
    result: Changes = {}
    start = 0
    for source, end in zip(stored["sources"].tolist(), ends, strict=True):
        result[source] = tuple(targets[start:end])
        start = end
    return result


def _path(key: str) -> Path:
    name = hashlib.sha256(f"{FORMAT}\n{tokenizers.__version__}\n{key}".encode()).hexdigest()
    return cache_folder() / "probes" / f"{name}.npz"


def load_arrays(key: str) -> dict[str, np.ndarray] | None:
    """What was stored under `key` with this version of `tokenizers`, if it is whole."""
    try:
        with np.load(_path(key)) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None  # not there, or not whole: probe again


def store_arrays(key: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Keeps `arrays` under `key`, atomically; does nothing in a folder that cannot be written."""
    try:
        with atomic_write(_path(key)) as temporary:
            np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    except OSError:
        return  # a cache folder that cannot be written only costs time
