"""Every command and snippet of README.md and docs/ runs, page by page, in a folder of its own."""

from __future__ import annotations

import functools
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.snippets import PREPARED, Block, Reader, blocks, free_ports, start_server
from tests.small_run import (
    bert,
    bert_export,
    modernbert,
    paragraphs,
    protein,
    roberta,
    roberta_export,
    scratch,
)

pytestmark = pytest.mark.usefixtures("one_session_an_export", "one_export_a_checkpoint")

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "guides").glob("*.md")),
]
#: Blocks that cannot run here, by page: what they need is beside each of them.
MOST_NOT_RUN = 30
NEEDS = re.compile(r"needs .+")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@functools.cache
def material(kind: str) -> Path:
    """The files and folders that the pages name; `my_model` and `my_export` are of a kind."""
    folder = scratch() / f"reader-{kind}"
    folder.mkdir()
    lines = paragraphs(60, start=1500)
    (folder / "my.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "corpus.txt").write_text("\n".join(lines[:50]) + "\n", encoding="utf-8")
    (folder / "held_out.txt").write_text("\n".join(lines[50:]) + "\n", encoding="utf-8")
    (folder / "my_sentences.txt").write_text("\n".join(lines[:3]) + "\n", encoding="utf-8")
    masked = [line.replace(" the ", " <mask> ", 1) for line in lines if " the " in line]
    (folder / "my_masked.txt").write_text("\n".join(masked[:4]) + "\n", encoding="utf-8")
    with (folder / "eli5.json").open("w", encoding="utf-8") as file:
        for start in range(0, 60, 3):
            answers = {"a_id": ["a", "b", "c"], "text": lines[start : start + 3]}
            file.write(json.dumps({"title": f"Question {start}", "answers": answers}) + "\n")
    checkpoints = {
        "my_model": bert() if kind == "bert" else roberta(),
        "distilroberta-base": roberta(),
        "bert-base-uncased": bert(),
        "answerdotai/ModernBERT-base": modernbert(),
        "antiberty": protein(),
    }
    for name, checkpoint in checkpoints.items():
        shutil.copytree(checkpoint, folder / name, ignore=shutil.ignore_patterns("logs"))
        (folder / name / PREPARED).touch()
    export = bert_export() if kind == "bert" else roberta_export()
    shutil.copytree(export, folder / "my_export")
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


@functools.cache
def shared_server(kind: str) -> dict[str, int]:
    """A server of `my_export` under the name mlm, for pages that call one without starting it."""
    ports = free_ports()
    flags = f"--port={ports['8500']} --rest_api_port={ports['8501']}"
    server = start_server(
        f'tfmlm serve --model_name mlm --model_base_path "$PWD/my_export" {flags}', material(kind)
    )
    _servers.append(server)
    return ports


_servers: list = []


@pytest.fixture(scope="module", autouse=True)
def stop_servers() -> Iterator[None]:
    yield
    for server in _servers:
        server.terminate()
        server.wait(60)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_run = [block for block in blocks(page) if block.not_run is None]
    if not to_run:
        return
    # Texts with [MASK] are for a BERT, others for a RoBERTa.
    kind = "bert" if any("[MASK]" in block.text for block in to_run) else "roberta"
    folder = tmp_path / "reader"
    shutil.copytree(material(kind), folder, symlinks=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(scratch() / "reader-cache"))
    reader = Reader(folder, lambda: shared_server(kind))
    try:
        for block in to_run:
            try:
                reader.run(block)
            except BaseException as error:
                error.args = (f"{name_of(page)}:{block.line}: {error}",)
                raise
    finally:
        reader.close()
    tested = "".join(
        p.read_text(encoding="utf-8") for p in (ROOT / "tests" / "examples").glob("test_*.py")
    )
    for command in reader.examples:
        script = command.split()[1].removeprefix("examples/")
        assert (ROOT / "examples" / script).exists(), f"{name_of(page)}: {command}"
        assert f'"{script}"' in tested, f"{name_of(page)}: no test runs {script}"


def marked() -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.not_run is not None]


def test_what_does_not_run_is_little_and_says_why() -> None:
    found = marked()
    for block in found:
        print(f"{name_of(block.page)}:{block.line}: {block.not_run}")
        assert NEEDS.fullmatch(block.not_run or ""), f"{name_of(block.page)}:{block.line}"
    assert len(found) <= MOST_NOT_RUN
    every = sum(len(blocks(page)) for page in PAGES)
    assert len(found) <= every / 3


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"https?://|#|mailto:", target):
                path = (page.parent / target.split("#")[0]).resolve()
                assert path.exists(), f"{name_of(page)}: {target}"
