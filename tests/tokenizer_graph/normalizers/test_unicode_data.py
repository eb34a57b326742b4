"""The probed Unicode tables agree with the library on what they were not probed with."""

import random

from tfmlm.tokenizer_graph import probe
from tfmlm.tokenizer_graph.normalizers.unicode_data import decomposition, unicode_data


def test_ranks_order_any_two_marks_as_rust_does():
    nfd = probe.normalizer([{"type": "NFD"}])
    ranks = unicode_data().ranks
    rng = random.Random(1)
    marks = list(ranks)
    for _ in range(20000):
        first, second = rng.choice(marks), rng.choice(marks)
        swapped = ranks[second] < ranks[first]
        want = nfd("a" + chr(first) + chr(second))
        assert (want == "a" + chr(second) + chr(first)) == (swapped or first == second)


def test_compositions_undo_decompositions():
    nfc = probe.normalizer([{"type": "NFC"}])
    for (first, second), composite in unicode_data().compositions.items():
        assert nfc(chr(first) + chr(second)) == chr(composite)


def test_decomposed_code_points_stay():
    nfd = decomposition("NFD")
    assert not {c for target in nfd.values() for c in target} & nfd.keys()
