"""What a component may ask of the whole tokenizer."""

import json

import pytest

from tests.tokenizer_graph.components import tokenizer
from tfmlm.tokenizer_graph.component import ADDED, GAP, ROW, BuildContext
from tfmlm.tokenizer_graph.spec import parse
from tfmlm.tokenizer_graph.spec.tokenizer import TokenizerConfig

BPE = {"type": "BPE", "vocab": {"a": 0}, "merges": []}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPACES = {"type": "WhitespaceSplit"}


def _context(mask: str | None = None, **stages) -> BuildContext:
    rust = tokenizer(**stages)
    rust.add_special_tokens(["<s>", "<mask>"])
    return BuildContext(parse(rust.to_str(), TokenizerConfig(mask_token=mask)), rust)


def test_barriers_are_no_code_points() -> None:
    assert 0x10FFFF < GAP < ROW < ADDED


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ({"model": BPE, "pre_tokenizer": BYTES}, True),
        ({"pre_tokenizer": BYTES}, False),
        ({"model": BPE, "pre_tokenizer": SPACES}, False),
        ({"model": BPE}, False),
        (
            {"model": BPE, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPACES, BYTES]}},
            True,
        ),
        (
            {"model": BPE, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [BYTES, SPACES]}},
            False,
        ),
    ],
    ids=json.dumps,
)
def test_words_stay_text_where_byte_level_is_last_before_bpe(stages, expected) -> None:
    assert _context(**stages).model_takes_text is expected


def test_the_mask_token_by_its_number() -> None:
    number, token = _context("<mask>").mask
    assert (number, token.content, token.special) == (1, "<mask>", True)
    assert _context("[MASK]").mask is None and _context().mask is None
