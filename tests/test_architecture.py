"""Which part imports which: the source files against the table in docs/architecture.md."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tfmlm"
#: What of transformers `tokenizer_graph` may use: tokenizers, no models and no configs of models.
TOKENIZERS = re.compile(r"AutoTokenizer|PreTrainedTokenizer\w*|\w+TokenizerFast")
HEAVY = {"tensorflow", "tf_keras", "tensorflow_text", "transformers", "datasets", "matplotlib"}


def rules() -> dict[str, set[str]]:
    """Part -> the parts it may import, as the table says."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", page, re.MULTILINE)
    table = {part: set(re.findall(r"`(\w+)`", allowed)) for part, allowed in rows}
    table["cli"] = set(table)
    return table


@functools.cache
def parts() -> list[str]:
    """Packages and modules of tfmlm that are not its set-up."""
    names = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists()}
    return sorted(names | {p.stem for p in PACKAGE.glob("[!_]*.py")})


def sources(part: str) -> list[Path]:
    module = PACKAGE / f"{part}.py"
    return [module] if module.exists() else sorted((PACKAGE / part).rglob("*.py"))


def imports(path: Path, at_import_only: bool = False) -> Iterator[tuple[str, str]]:
    """(module, name) of everything that a file imports, wherever in it.

    Names that a package's `_LAZY` table imports by string count too.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _run_at_import(tree) if at_import_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named = re.fullmatch(r"tfmlm\.([a-z_]+)(\.[a-z_]+)*", node.value)
            if named and named[1] in parts():
                yield node.value, ""


def _run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not checking and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            yield from _run_at_import(node)


def part_of(module: str, name: str) -> str | None:
    """The part of tfmlm that an import reaches; None for other libraries."""
    root, *rest = module.split(".")
    if root != "tfmlm":
        return None
    return rest[0] if rest else name


def test_the_table_names_every_part() -> None:
    assert sorted(rules()) == parts()


@pytest.mark.parametrize("part", parts())
def test_imports_run_as_the_table_says(part: str) -> None:
    allowed = rules()[part] | {part}
    for path in sources(part):
        for module, name in imports(path):
            reached = part_of(module, name)
            if reached in parts():
                assert reached in allowed, f"{path.relative_to(ROOT)} imports tfmlm.{reached}"


def test_there_is_no_way_round() -> None:
    """No part reaches itself through others."""
    table = {part: allowed - {part} for part, allowed in rules().items()}
    table["cli"] -= {"demo"}  # the command `demo` starts the demo, which prints with cli's tables
    while table:
        free = [part for part, allowed in table.items() if not allowed & table.keys()]
        assert free, f"a circle among {sorted(table)}"
        for part in free:
            del table[part]


def test_training_and_export_never_meet() -> None:
    table = rules()

    def reach(part: str) -> set[str]:
        return {part}.union(*(reach(p) for p in table[part] - {"cli"}))

    assert "training" not in reach("export")
    assert "export" not in reach("training")


def test_the_tokenizer_graph_knows_no_model() -> None:
    for path in sources("tokenizer_graph"):
        for module, name in imports(path):
            assert not module.startswith(("tf_keras", "keras")), path
            if module.split(".")[0] == "transformers" and name != "":
                assert TOKENIZERS.fullmatch(name) or "token" in module, f"{path}: {module} {name}"


def test_the_clients_need_no_tensorflow() -> None:
    for path in sources("client"):
        assert not HEAVY & {module.split(".")[0] for module, _ in imports(path)}, path
    code = (
        "import sys, tfmlm.client as c; c.RestClient, c.GrpcClient, c.connect\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_commands_import_nothing_heavy_before_they_run() -> None:
    for path in sources("cli"):
        loaded = {module.split(".")[0] for module, _ in imports(path, at_import_only=True)}
        assert not HEAVY & loaded, path


def test_every_tensor_of_the_tokenizer_graph_has_a_shape() -> None:
    """A function that takes or gives a tensor says its shape, or the protocol that does."""
    said = re.compile(r"\[[^\]]*\]|scalar|See `")
    missing = []
    for path in sources("tokenizer_graph"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bodies = [
            node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef)
        ]
        for function in (item for body in bodies for item in body):
            if not isinstance(function, ast.FunctionDef) or function.name == "__init__":
                continue
            tensors = [ast.unparse(function.args), ast.unparse(function.returns or ast.Constant(0))]
            if any("tf.Tensor" in text for text in tensors):
                documented = said.search(ast.get_docstring(function) or "")
                if not documented:
                    missing.append(f"{path.relative_to(ROOT)}:{function.lineno} {function.name}")
    assert not missing
