"""Precompiled: SentencePiece's maps and made-up ones, equal to Rust's."""

import random

import pytest

from tests.real_data import multilingual_texts
from tests.tokenizer_graph.charsmaps import charsmap
from tests.tokenizer_graph.components import check_normalizer
from tests.tokenizer_graph.texts import each_codepoint, mixed
from tfmlm.errors import UnsupportedTokenizerError
from tfmlm.tokenizer_graph.normalizers import _charsmap

RULES = ["nmt_nfkc", "nmt_nfkc_cf", "nfkc"]
# Letters, marks, joiners, prepended signs, controls, pictographs, conjuncts, flags, Hangul.
CLUSTERS = (
    "xaA\u0301\u0302\u0323\u0307\u0338\u030a\u0327\u0903\ufe0f\u200d\u200d\u0600\u06dd\U000110bd"
    "\r\n\x00\u00ad\u200b\u00a9\u00ae\u2122\u203c\u2139\U0001f468\U0001f3fb\U0001f1fa\U0001f1f3"
    "\u0958\u0915\u094d\u0924\u09bc\u09cd\u0995\u09dc\u1100\u1161\u11a8\uac00\uff07\uff21\u1f71é한"
)


def _component(charsmap: str) -> dict:
    return {"type": "Precompiled", "precompiled_charsmap": charsmap}


def _random_clusters(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices(CLUSTERS, k=rng.randint(1, 9))) for _ in range(count)]


@pytest.mark.parametrize("rule", RULES)
def test_texts_and_clusters(rule):
    texts = [*mixed(1, 2000), *multilingual_texts(3000), *_random_clusters(2, 20000)]
    check_normalizer(_component(charsmap(rule)), texts)


@pytest.mark.parametrize("context", ["{}", "a{}\u0301", "{}\u0301"])
def test_every_codepoint(context):
    check_normalizer(_component(charsmap()), each_codepoint(context))


@pytest.mark.parametrize(
    "context",
    [
        "\u0915\u094d{}\u0301",
        "{}\u094d\u0958\u0301",
        "\u00a9\u200d{}\u0301",
        "\u2122{}\u200d\u2122\u0301",
        "\u0600{}",
        "\r{}",
        "\ufb01{}x",
    ],
)
def test_every_seventh_codepoint_in_rare_contexts(context):
    check_normalizer(_component(charsmap()), each_codepoint(context, step=7))


@pytest.mark.parametrize("seed", range(5))
def test_made_up_maps(seed):
    """Keys of one to three characters, some of them beginnings of others, on every kind of text."""
    rng = random.Random(seed)
    letters = [c for c in CLUSTERS if c != "\x00"]
    left_out = "\u0600\u06dd\U000110bd\u1100\u1161\u11a8\uac00한"
    keys = {}
    for _ in range(60):
        key = "".join(rng.choices(letters, k=rng.choice((1, 2, 2, 3))))
        if key[0] not in left_out:
            keys[key] = "".join(rng.choices("pqr", k=rng.randint(0, 3)))
    check_normalizer(_component(_charsmap.write(keys)), _random_clusters(seed, 10000))


@pytest.mark.parametrize(
    ("charsmap", "message"),
    [
        (_charsmap.write({"\u1100": "x"}), "Hangul or a prepended sign"),
        (
            _charsmap.write({chr(0x4E00 + k) + "\u0301": str(k) for k in range(2100)}),
            "2100 replace",
        ),
    ],
)
def test_refused(charsmap, message):
    with pytest.raises(UnsupportedTokenizerError, match=message):
        check_normalizer(_component(charsmap), ["a"])
