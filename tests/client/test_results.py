from __future__ import annotations

import copy
import json
import pickle

import pytest

from tfmlm.client.errors import ServingError
from tfmlm.client.results import Fill, answers_from_outputs

OUTPUTS = {
    "score": [[[0.9, 0.1], [0.0, 0.0]], [[0.5, 0.0], [0.6, 0.3]]],
    "token": [[[4, 5], [-1, -1]], [[6, -1], [7, 8]]],
    "token_str": [[["a", "b"], ["", ""]], [["c", ""], ["d", "e"]]],
    "sequence": [[["A", "B"], ["", ""]], [["C", ""], ["D", "E"]]],
    "mask_count": [1, 3],
    "status": ["ok", "truncated"],
}


def test_a_fill_is_the_pipelines_dict_with_attributes() -> None:
    fill = Fill(0.5, 7, "city", "the city")
    assert fill == {"score": 0.5, "token": 7, "token_str": "city", "sequence": "the city"}
    assert (fill.score, fill.token, fill.token_str, fill.sequence) == tuple(fill.values())
    assert json.loads(json.dumps(fill)) == fill
    assert pickle.loads(pickle.dumps(fill)) == fill
    assert isinstance(copy.deepcopy(fill), Fill)


def test_padding_is_dropped_and_masks_outside_the_window_are_empty() -> None:
    one, several = answers_from_outputs(OUTPUTS, 2, "here")
    assert [f.token for f in one.fills] == [4, 5]
    assert [[f.token for f in mask] for mask in several.fills] == [[6], [7, 8], []]
    assert (several.status, several.mask_count) == ("truncated", 3)


def test_a_reply_of_something_else_is_refused() -> None:
    with pytest.raises(ServingError, match="no output 'sequence'.*Received: .*score"):
        answers_from_outputs({k: v for k, v in OUTPUTS.items() if k != "sequence"}, 2, "here")
    with pytest.raises(ServingError, match="3 texts sent, 2 rows"):
        answers_from_outputs(OUTPUTS, 3, "here")
