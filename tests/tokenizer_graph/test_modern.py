"""The tokenizers of ModernBERT, mmBERT and EuroBERT: where spaces, masks and marks meet."""

from __future__ import annotations

import functools
import itertools
import random
import unicodedata

import pytest
import tensorflow as tf
from tokenizers import Tokenizer

from tests.real_data import english_texts, multilingual_texts
from tests.tokenizer_graph.modern import FAMILIES, MASKS
from tests.tokenizer_graph.parity import assert_ids_equal, untruncated
from tfmlm.tokenizer_graph import GraphTokenizer, hostile


@functools.lru_cache
def _both(family: str) -> tuple[GraphTokenizer, Tokenizer]:
    rust = FAMILIES[family]()
    return GraphTokenizer.from_tokenizer(rust), rust


def test_ids_of_the_published_tokenizer() -> None:
    """Ids that ModernBERT's published tokenizer_config.json lists."""
    rust = FAMILIES["published_modernbert"]()
    published = {
        "|||IP_ADDRESS|||": 0,
        "<|padding|>": 1,
        " " * 24: 50254,
        "  ": 50276,
        "<|endoftext|>": 50279,
        "[UNK]": 50280,
        "[CLS]": 50281,
        "[SEP]": 50282,
        "[PAD]": 50283,
        "[MASK]": 50284,
        "[unused0]": 50285,
        "[unused82]": 50367,
    }
    assert {content: rust.token_to_id(content) for content in published} == published


@pytest.mark.parametrize("family", FAMILIES)
def test_real_and_hostile_texts(family: str) -> None:
    graph, rust = _both(family)
    pieces = [token.content for token in rust.get_added_tokens_decoder().values()]
    texts = [*english_texts(300), *multilingual_texts(1000), *hostile.edge_texts()]
    texts += hostile.hostile(1, 2000, pieces=pieces) + hostile.random_codepoints(2, 500)
    assert_ids_equal(graph, rust, texts)
    assert_ids_equal(graph, rust, hostile.invalid_utf8(3, 500, multilingual_texts(200)))


@pytest.mark.parametrize("family", FAMILIES)
def test_white_space_around_masks(family: str) -> None:
    """Runs of spaces of every length, tabs and line breaks, before, behind and between masks."""
    graph, rust = _both(family)
    mask = MASKS[family]
    runs = [" " * count for count in (*range(30), 47, 48, 49, 50, 73, 200)]
    runs += [
        "\t",
        "\t\t",
        "\n",
        "\n\n\n",
        "\r\n",
        " \t ",
        "\n  ",
        "  \n",
        " \n \n ",
        "\u00a0",
        "　 ",
    ]
    runs += ["▁", "▁▁", " ▁", "▁ "]
    texts = list(runs)
    for run in runs:
        texts += [
            f"a{run}b",
            f"{run}a",
            f"a{run}",
            f"a{run}{mask}",
            f"{mask}{run}b",
            f"{run}{mask}",
        ]
        texts += [f"{mask}{run}", f"{mask}{run}{mask}", f"a {mask}{run}.", f"1{run}2{run}{mask}"]
    for first, second in itertools.product(runs[:6] + runs[-12:], repeat=2):
        texts.append(f"x{first}{mask}{second}y")
    assert_ids_equal(graph, rust, texts)


@pytest.mark.parametrize("family", FAMILIES)
def test_added_tokens_in_pieces_and_beside_marks(family: str) -> None:
    """Added tokens cut, doubled, glued, in other normal forms, and before combining marks."""
    graph, rust = _both(family)
    contents = [token.content for token in rust.get_added_tokens_decoder().values()]
    contents = contents[:6] + contents[-12:] + [MASKS[family], "  ", "   "]
    random_ = random.Random(0)
    texts = []
    for content in contents:
        cut = random_.randint(0, len(content))
        texts += [content[:cut], content[cut:], content * 3, f"é{content}é", content.upper()]
        texts += [content.lower(), f"{content[:cut]} {content[cut:]}", f"{content}\u0301"]
        texts += [f"e\u0301{content}", f"{content[:-1]}\u0327{content[-1:]}", f"가{content}\u11a8"]
        texts += [unicodedata.normalize("NFD", f"Ünï{content}côdé"), f"don't{content}'S 12345"]
    for _ in range(1500):
        parts = random_.choices([*contents, " ", "  ", "\u0301", "x", "\n", "\t", "9", "'re"], k=5)
        texts.append("".join(parts))
    assert_ids_equal(graph, rust, texts)


@pytest.mark.parametrize("family", FAMILIES)
def test_decoded_as_the_library_does(family: str) -> None:
    graph, rust = _both(family)
    rust = untruncated(rust)
    texts = [*english_texts(50), *multilingual_texts(200), *hostile.hostile(4, 200)]
    rows = [encoding.ids for encoding in rust.encode_batch(texts)]
    for skip in (True, False):
        received = graph.decode(tf.ragged.constant(rows, dtype=tf.int32), skip_special_tokens=skip)
        expected = [rust.decode(row, skip_special_tokens=skip).encode() for row in rows]
        assert received.numpy().tolist() == expected
