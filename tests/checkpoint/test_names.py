"""Names of weights without the wrappers of a model."""

from __future__ import annotations

import pytest

from tfmlm.checkpoint.names import without_wrappers


@pytest.mark.parametrize(
    ("name", "base", "clean", "wrappers"),
    [
        ("bert.a.weight", "bert", "bert.a.weight", []),
        ("_orig_mod.bert.a", "bert", "bert.a", ["_orig_mod"]),
        ("bert._orig_mod.layer.0", "bert", "bert.layer.0", ["_orig_mod"]),
        ("module.module.bert.a", "bert", "bert.a", ["module"]),
        ("module.model._orig_mod.bert.a", "bert", "bert.a", ["_orig_mod", "model", "module"]),
        ("model.layers.0", "model", "model.layers.0", []),
        ("model.model.layers.0", "model", "model.layers.0", ["model"]),
        ("model.module.bert.a", "bert", "bert.a", ["model", "module"]),
        ("model.model.bert.a", "bert", "bert.a", ["model"]),
        ("model.module.model.layers.0", "model", "model.layers.0", ["model", "module"]),
        ("bert.module.a", "bert", "bert.module.a", []),
    ],
)
def test_wrappers(name: str, base: str, clean: str, wrappers: list[str]) -> None:
    assert without_wrappers([name], base) == ({clean: name}, wrappers)


def test_a_name_that_is_there_already_wins() -> None:
    assert without_wrappers(["module.a", "a"], "bert")[0] == {"a": "a"}
