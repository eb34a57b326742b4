"""What it takes to compile large vocabularies: seconds, peak memory, size of the graph.

Each one is compiled in a process of its own, first with an empty cache of probed tables, then with
that cache. Vocabularies are made of real words and of pieces of them, in the components of XLM-R
(Unigram), of BERT (WordPiece) and of RoBERTa (BPE, with as many merges).

    python -m benchmarks.compile_tokenizer [--sizes 50000 250000] [--family unigram]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FAMILIES = ("wordpiece", "bpe", "unigram")


def words(count: int) -> list[str]:
    """Different words: those of real texts, then pairs of them."""
    from tests.real_data import english_texts, multilingual_texts

    found = dict.fromkeys(
        word for text in (*english_texts(), *multilingual_texts()) for word in text.split()
    )
    short = [word for word in found if word.isalpha() and len(word) < 9]
    for distance in range(1, len(short)):
        if len(found) >= count:
            break
        found.update(dict.fromkeys(a + b for a, b in zip(short, short[distance:], strict=False)))
    return list(found)[:count]


def tokenizer_of(family: str, size: int):
    """A tokenizer with about `size` entries."""
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers

    from tests.tokenizer_graph import sentencepiece_like

    if family == "wordpiece":
        vocabulary = ["[UNK]", *sorted({c for word in words(size) for c in word})]
        vocabulary += [f"##{c}" for c in vocabulary[1:]] + words(size)
        ids = {piece: k for k, piece in enumerate(dict.fromkeys(vocabulary))}
        made = tokenizers.Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer(lowercase=False)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return made
    if family == "bpe":
        letters = pre_tokenizers.ByteLevel.alphabet()
        ids = {piece: k for k, piece in enumerate(letters)}
        merges: list[tuple[str, str]] = []
        spell = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)
        for word in words(size):
            spelled = spell.pre_tokenize_str(word)[0][0]
            left = spelled[0]
            for c in spelled[1:]:
                if left + c not in ids:
                    ids[left + c] = len(ids)
                    merges.append((left, c))
                left += c
            if len(ids) >= size:
                break
        made = tokenizers.Tokenizer(models.BPE(ids, merges))
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        return made
    made = sentencepiece_like.xlm_roberta()
    pieces = dict.fromkeys([*sorted({c for word in words(size) for c in word}), "▁"], -12.0)
    for rank, word in enumerate(words(size)):
        pieces.setdefault(f"▁{word}", -3.0 - rank / size * 12)
    vocabulary = [("<unk>", 0.0), *pieces.items()][:size]
    made.model = models.Unigram(vocabulary, 0, False)
    return made


def measure(folder: str) -> dict[str, float]:
    """Compiles and exports the tokenizer of a folder in this process."""
    import tfmlm
    from benchmarks.tokenizer_graph import export

    start = time.perf_counter()
    graph = tfmlm.GraphTokenizer.from_pretrained(folder)
    compiled = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as saved:
        export(graph, saved)
        written = time.perf_counter() - start
        size = (Path(saved) / "saved_model.pb").stat().st_size
    return {
        "vocabulary": graph.vocab_size,
        "load_and_compile_seconds": round(compiled, 1),
        "with_saved_model_seconds": round(written, 1),
        "saved_model_megabytes": round(size / 1e6, 1),
        "peak_megabytes": round(peak_megabytes()),
    }


def peak_megabytes() -> float:
    """Highest resident memory of this process so far, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3


def main() -> None:
    """Prints one line for each family, size and state of the cache."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[50_000, 250_000])
    parser.add_argument("--family", choices=FAMILIES, action="append")
    parser.add_argument("--one", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    from transformers import PreTrainedTokenizerFast

    for family in arguments.family or FAMILIES:
        for size in arguments.sizes:
            with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as folder:
                made = PreTrainedTokenizerFast(tokenizer_object=tokenizer_of(family, size))
                made.save_pretrained(folder)
                for state in ("empty cache", "with cache"):
                    done = subprocess.run(
                        [sys.executable, "-m", "benchmarks.compile_tokenizer", "--one", folder],
                        env={**os.environ, "XDG_CACHE_HOME": cache},
                        stdout=subprocess.PIPE,
                        check=True,
                    )
                    result = json.loads(done.stdout.splitlines()[-1])
                    print(f"{family} {size}, {state}:", *(f"{k} {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
