"""Arrays to the pipeline's lists."""

import numpy as np
import pytest

from tfmlm.errors import UserError
from tfmlm.export.answers import pipeline_items, refuse_unfilled

OUTPUTS = {
    "mask_count": np.array([1, 2, 0]),
    "token": np.array([[[4, 5], [-1, -1]], [[6, -1], [-1, -1]], [[-1, -1], [-1, -1]]]),
    "score": np.array([[[0.5, 0.25], [0, 0]], [[0.75, 0], [0, 0]], [[0, 0], [0, 0]]]),
    "token_str": np.full([3, 2, 2], b"\xc3\xa9", object),
    "sequence": np.full([3, 2, 2], b"a \xff", object),
}


def test_one_list_a_text_or_one_a_mask() -> None:
    one, two, none = pipeline_items(OUTPUTS)
    assert [(item["token"], item["score"]) for item in one] == [(4, 0.5), (5, 0.25)]
    assert one[0] == {"score": 0.5, "token": 4, "token_str": "é", "sequence": "a \ufffd"}
    assert [[item["token"] for item in mask] for mask in two] == [[6], []]
    assert none == []
    assert [len(mask) for mask in pipeline_items(OUTPUTS, limit=1)[1]] == [1, 0]
    assert len(pipeline_items(OUTPUTS, limit=1)[0]) == 1


@pytest.mark.parametrize(
    ("number", "single", "status", "message"),
    [
        (1, True, "no_mask", "the text holds no <m>: 'abc'; put one"),
        (3, False, "no_mask", "text 3 holds no <m>"),
        (2, False, "too_long", r"text 2 is over the byte limit of the export \(3 bytes\)"),
    ],
)
def test_refused_by_number(number: int, single: bool, status: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        refuse_unfilled(number, single, b"abc", status, "<m>")
    refuse_unfilled(number, single, b"abc", "ok", "<m>")
    refuse_unfilled(number, single, b"abc", "truncated", "<m>")
