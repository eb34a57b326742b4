"""English prose from the documentation that comes with every Python: topics and docstrings."""

from __future__ import annotations

import ast
import inspect
import re
import sysconfig
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from tfmlm.errors import UserError

MINIMUM_BYTES = 1_000_000
# Folders of the standard library whose docstrings are tests, data, or may be absent.
_SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "encodings"}
_ROLE = re.compile(r":[a-z][a-z:+-]*:`([^`]*)`")
_MARKUP = re.compile(r"[`*]+|^\s*(?:[-*•]|\d+\.|\.\.)\s+", re.MULTILINE)
_CODE = re.compile(r"^\s*(>>>|\.\.\. |\$ |\|)|[=_-]{4,}|::=", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?:]['\")]?$")


def python_documentation() -> list[str]:
    """Paragraphs of prose, one string each, without markup, code and repeats.

    Returns:
        At least 1 MB of text in UTF-8 in a fixed order for a given Python version.

    Raises:
        UserError: this Python has been stripped of its documentation.
    """
    seen: dict[str, None] = {}
    for text in (*_topics(), *_docstrings()):
        for paragraph in _paragraphs(text):
            seen.setdefault(paragraph)
    paragraphs = list(seen)
    size = sum(len(paragraph.encode()) + 1 for paragraph in paragraphs)
    if size < MINIMUM_BYTES:
        raise UserError(
            f"this Python installation holds only {size:,} bytes of documentation (its standard "
            "library may come without sources); train on a text of your own: "
            "tfmlm train --train_file FILE"
        )
    return paragraphs


def _topics() -> Iterator[str]:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return
    for name in sorted(topics):
        yield topics[name]


def _docstrings() -> Iterator[str]:
    """Docstrings of the standard library, read from its sources without importing them."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        if _SKIPPED & set(path.relative_to(root).parts):
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, OSError):
            continue
        for node in _statements(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                docstring = ast.get_docstring(node)
                if docstring:
                    yield docstring


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """`ast.walk` without expressions, which are most of a tree and hold no docstring."""
    found: deque[ast.AST] = deque([tree])
    while found:
        node = found.popleft()
        found.extend(
            child
            for child in ast.iter_child_nodes(node)
            if isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case))
        )
        yield node


def _paragraphs(text: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if _CODE.search(block):
            continue
        plain = _MARKUP.sub("", _ROLE.sub(r"\1", block))
        prose = " ".join(plain.split())
        words = prose.split()
        letters = sum(character.isalpha() or character == " " for character in prose)
        if (
            len(words) >= 4
            and letters >= 0.85 * len(prose)
            and prose.isascii()
            and _SENTENCE_END.search(prose)
        ):
            yield prose
