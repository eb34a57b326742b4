"""Random whole tokenizers: each one is exact, ids and offsets, or refused by name.

    python -m tests.tokenizer_graph.random_tokenizers --count 500

prints how many of the tokenizers were refused, by reason.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from random import Random
from typing import Any

import tensorflow as tf
from tokenizers import Tokenizer

from tests.tokenizer_graph import configurations
from tests.tokenizer_graph.parity import assert_ids_equal, assert_offsets_equal
from tests.tokenizer_graph.texts import mixed
from tfmlm.errors import UnsupportedTokenizerError, UserError
from tfmlm.tokenizer_graph import GraphTokenizer, hostile


def make_irregular(rng: Random, value: dict[str, Any]) -> None:
    """Breaks a rule that files usually keep."""
    model = value["model"]
    if not isinstance(model["vocab"], dict):
        return
    vocab: dict[str, int] = model["vocab"]
    tokens = list(vocab)
    kind = rng.randrange(5)
    if kind == 0:  # two tokens of one id
        vocab[rng.choice(tokens[1:])] = vocab[rng.choice(tokens[1:])]
    elif kind == 1:  # holes
        for token in rng.sample(tokens[1:], 5):
            del vocab[token]
    elif kind == 2:  # an id far behind the others
        vocab[rng.choice(tokens[1:])] = len(vocab) + 1000
    elif kind == 3 and "merges" in model:  # a merge that names no piece
        model["merges"].append([tokens[1], "no such piece"])
    else:  # an added token that is a piece too, with the piece's id or another
        content = rng.choice(tokens[1:])
        taken = {token["content"] for token in value["added_tokens"]}
        if content.strip() and content not in taken:
            flags = {"single_word": False, "lstrip": False, "rstrip": False}
            flags |= {"normalized": rng.random() < 0.5, "special": rng.random() < 0.5}
            number = rng.choice((vocab[content], len(vocab) + 50))
            value["added_tokens"].append({"id": number, "content": content, **flags})


def texts_for(value: dict[str, Any], rng: Random) -> list[str]:
    """Texts full of the tokenizer's own added tokens, of spaces, and of company."""
    added = [token["content"] for token in value["added_tokens"]]
    parts = [*configurations.CONTENTS, " ", "  ", "b", "hello", "é", ".", "\n", "9", *added * 3]
    made = ["".join(rng.choice(parts) for _ in range(rng.randint(1, 9))) for _ in range(150)]
    # few things in a row but single spaces: rows that take the short way
    plain = ["a", "Hello", "isn't", ".", "9", "é", *added]
    made += [
        "".join(rng.choice(plain) + rng.choice(["", " "]) for _ in range(rng.randint(0, 7)))
        for _ in range(100)
    ]
    return [*made, *mixed(rng.randrange(1000), 80), *hostile.long_texts()[:4]]


def check(seed: int) -> str | None:
    """Compares one tokenizer with the Rust library; the reason if it is refused."""
    rng = Random(seed)
    value = configurations.tokenizer(rng)
    if rng.random() < 0.3:
        make_irregular(rng, value)
    try:
        rust = Tokenizer.from_str(json.dumps(value))
    except Exception:
        return "the Rust library does not read the file"
    try:
        graph = GraphTokenizer.from_tokenizer(rust)
    except UnsupportedTokenizerError as error:
        assert error.path
        return _reason(error)
    except UserError as error:
        return str(error)
    texts = texts_for(value, rng)
    assert_ids_equal(graph, rust, texts)
    try:
        graph.encode(tf.constant(["a"]), offsets=True)
    except UnsupportedTokenizerError as error:
        return f"offsets only: {_reason(error)}"
    assert_offsets_equal(graph, rust, texts[:200])
    return None


def _reason(error: UnsupportedTokenizerError) -> str:
    """The message without what differs from file to file."""
    component = error.component[1] if error.component else error.path
    return f"{component}: {re.sub(r'[^ ]*[^ -~][^ ]*|.(?<=[^a-zA-Z])[0-9]+', '…', error.received)}"


def main() -> None:
    """Prints the log of refusals; exit 1 if a tokenizer differs, with its seed and first texts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="seed of the first tokenizer")
    arguments = parser.parse_args()
    reasons: Counter[str] = Counter()
    for seed in range(arguments.first, arguments.first + arguments.count):
        try:
            reasons[check(seed) or "exact"] += 1
        except Exception as error:  # whatever it is, the tokenizers behind it are tried too
            reasons["DIFFERS"] += 1
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:1000]}", flush=True)
    for reason, count in reasons.most_common():
        print(f"{count:5}  {reason}")
    raise SystemExit(1 if reasons["DIFFERS"] else 0)


if __name__ == "__main__":
    main()
