"""The referee shares nothing with what writes the graph."""

from __future__ import annotations

from tests.test_architecture import PACKAGE, imports

#: What decides what an answer is.
WRITES = (
    "tfmlm.export.graph",
    "tfmlm.export.encoder",
    "tfmlm.export.writing",
    "tfmlm.tokenizer_graph",
    "tfmlm.checkpoint.frame",
    "tfmlm.checkpoint.limits",
    "tfmlm.checkpoint.inputs",
    "tfmlm.checkpoint.masked_positions",
)
#: Lazy tables of public names, which import nothing by themselves.
_DOORS = ("tfmlm", "tfmlm.export")


def reached(module: str) -> set[str]:
    """Modules of tfmlm that a module imports, wherever in it and through whatever others."""
    found: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        path = PACKAGE.parent.joinpath(*name.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name in found or name in _DOORS or not file.exists():
            continue
        found.add(name)
        for imported, part in imports(file):
            if imported.startswith("tfmlm."):
                todo += [imported, f"{imported}.{part}"]
    return found


def test_it_imports_nothing_of_what_it_judges() -> None:
    modules = sorted((PACKAGE / "export" / "checking").glob("*.py"))
    assert len(modules) > 5
    for module in modules:
        everything = reached(f"tfmlm.export.checking.{module.stem}")
        shared = sorted(name for name in everything if name.startswith(WRITES))
        assert not shared, f"{module.name} reaches {shared}"


def test_what_it_judges_is_found() -> None:
    """The search itself: an export's writer reaches all of it."""
    everything = reached("tfmlm.export.writing.saved_model")
    for part in ("graph.fill_mask", "encoder.packed", "writing.warmup", "checking.validate"):
        assert f"tfmlm.export.{part}" in everything
