"""The reader of documentation itself: what it finds, and that failures are failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.snippets import Block, Reader, blocks, commands

PAGE = """
Text.

<!-- not run: needs a moon -->
```sh
docker run moon
```

```python
value = 1
```
   ```sh
   tfmlm --version
   # a comment
   tfmlm \\
       --version
   ```

```json
{}
```

```
tfmlm --help
```

```
What it prints.
```
<!-- not run: needs nothing -->
Between.
```bash
false
```
"""


def block(language: str, text: str) -> Block:
    return Block(Path("page.md"), 1, language, text, None)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path, lambda: {"8500": 1, "8501": 2})


def test_blocks_and_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    found = blocks(page)
    assert [b.language for b in found] == ["sh", "python", "sh", "sh", "bash"]
    assert [b.not_run for b in found] == ["needs a moon", None, None, None, None]
    assert commands(found[2].text) == ["tfmlm --version", "tfmlm --version"]


def test_failures_are_failures(reader: Reader) -> None:
    for language, text in (
        ("sh", "tfmlm fill nowhere '<mask>'"),
        ("sh", "tfmlm fill nowhere '<mask>' | cat"),
        ("sh", "echo fine\nfalse\necho fine"),
        ("sh", "curl -s localhost:8501/v1/models/mlm"),
        ("python", "assert 1 == 2, 'unequal'"),
        ("sh", "docker run something"),
        ("sh", "pip install something"),
    ):
        with pytest.raises(AssertionError):
            reader.run(block(language, text))


def test_what_runs(reader: Reader) -> None:
    reader.run(block("python", "from pathlib import Path\nvalue = 'written'"))
    reader.run(block("python", "Path('file.txt').write_text(value)"))
    reader.run(block("sh", "test $(cat file.txt) = written"))
    reader.run(block("sh", "tfmlm --version\ntfmlm fill --help"))
    reader.run(block("sh", "python examples/some.py --flag"))
    assert reader.examples == ["python examples/some.py --flag"]
