"""Tests mirror the tree: a module's tests are where its name says."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Modules whose tests stand in the files of what uses them. The list stays empty.
ELSEWHERE: set[str] = set()


def modules() -> dict[str, bool]:
    """Every module of tfmlm by its path, and whether it has a test file of its own."""
    found = {}
    for path in sorted((ROOT / "tfmlm").rglob("*.py")):
        if path.name == "__init__.py":
            continue
        module = path.relative_to(ROOT / "tfmlm").with_suffix("")
        folder = ROOT / "tests" / module.parent
        names = (module.name, module.name.lstrip("_"))
        found[module.as_posix()] = any((folder / f"test_{name}.py").exists() for name in names)
    return found


def test_every_module_has_its_test_file() -> None:
    missing = [name for name, has in modules().items() if not has and name not in ELSEWHERE]
    assert not missing, "give them tests/<path>/test_<module>.py"


def test_the_exceptions_are_still_needed() -> None:
    found = modules()
    stale = sorted(name for name in ELSEWHERE if found.get(name, True))
    assert not stale, "they have a test file, or are gone: take them off the list"
