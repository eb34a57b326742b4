"""The code of docs/serving.md, run against a server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.serve.fixtures import Address

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"


def test_the_python_of_the_page_runs(toy_server: Address, capsys: pytest.CaptureFixture) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    code = code.replace("http://localhost:8501", toy_server.rest)
    code = code.replace("localhost:8500", toy_server.grpc)
    exec(compile(code, str(PAGE), "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_page_names_flags_and_files_that_exist() -> None:
    import argparse

    from tfmlm.cli import serve

    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    known = {option for action in parser._actions for option in action.option_strings}
    root = PAGE.parents[1]
    for page in (PAGE, root / "serving" / "README.md"):
        text = page.read_text("utf-8")
        own = {"--url", "--grpc", "--export_dir", "--port", "--help"}
        for flag in re.findall(r"`(--\w+)", text):
            assert flag in known | own, flag
    for path in re.findall(r"`((?:serving|benchmarks|examples|tfmlm)/[\w./-]+)`", PAGE.read_text()):
        assert (root / path).exists(), path
