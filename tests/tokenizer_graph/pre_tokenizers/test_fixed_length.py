"""FixedLength equals Rust's."""

import pytest

from tests.tokenizer_graph.components import check_pre_tokenizer
from tests.tokenizer_graph.texts import mixed


@pytest.mark.parametrize("length", [1, 3, 6])
def test_every_nth_character(length):
    component = {"type": "FixedLength", "length": length}
    check_pre_tokenizer(component, mixed(31, 300))
    sequence = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, component]}
    check_pre_tokenizer(sequence, mixed(32, 300))
