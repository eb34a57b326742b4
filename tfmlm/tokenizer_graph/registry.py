"""Which function compiles which part of `tokenizer.json`.

A component registers itself where it is written; the contracts are in `component.py`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

_PACKAGE = "tfmlm.tokenizer_graph"
STAGE_FOLDERS = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pre_tokenizers",
    "model": "models",
    "post_processor": "post_processors",
    "decoder": "decoders",
}
Build = TypeVar("Build", bound=Callable[..., Any])
_BUILDERS: dict[type, Callable[..., Any]] = {}


def builds(*spec_classes: type) -> Callable[[Build], Build]:
    """Makes a function `build(spec, context)` the one that compiles the given specs.

    Raises:
        ValueError: a spec has such a function already.
    """

    def register(build: Build) -> Build:
        for spec_class in spec_classes:
            if spec_class in _BUILDERS:
                other = _BUILDERS[spec_class].__module__
                raise ValueError(f"{spec_class.__name__} is registered already, by {other}")
            _BUILDERS[spec_class] = build
        return build

    return register


@cache
def builders() -> dict[type, Callable[..., Any]]:
    """Spec class -> the function that compiles it, for all components."""
    for folder in STAGE_FOLDERS.values():
        package = importlib.import_module(f"{_PACKAGE}.{folder}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    return _BUILDERS


def builder(spec: object) -> Callable[..., Any]:
    """The function that compiles a component."""
    return builders()[type(spec)]
