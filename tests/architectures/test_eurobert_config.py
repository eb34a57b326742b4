"""EuroBERT's config: both forms are read, one is written, and what does not fit is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from tests.small_models import small_model
from tfmlm.architectures.eurobert_config import EuroBertConfig, head_width
from tfmlm.errors import UserError


def test_the_config_of_the_hub_is_read_and_written(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "eurobert", "rope_theta": 250000, "vocab_size": 7})
    )
    config = AutoConfig.from_pretrained(tmp_path)
    assert type(config) is EuroBertConfig
    config.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["rope_theta"] == 250000.0
    assert written["tie_word_embeddings"] is False
    assert "rope_parameters" not in written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling: rope_type 'linear'"),
        ({"rope_parameters": {"rope_type": "llama3"}}, "rope_parameters: rope_type 'llama3'"),
        ({"num_key_value_heads": 3}, "not a multiple of num_key_value_heads 3"),
        ({"num_attention_heads": 5}, "not a multiple of num_attention_heads 5"),
        ({"head_dim": 7}, "even"),
        ({"hidden_act": "xielu"}, "hidden_act is 'xielu'"),
    ],
)
def test_what_cannot_be_exact_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        small_model("eurobert", **{"num_key_value_heads": 4, **options})


def test_the_base_of_either_form_and_the_size_of_a_head() -> None:
    old = EuroBertConfig(rope_theta=250000)
    new = EuroBertConfig(rope_parameters={"rope_type": "default", "rope_theta": 250000.0})
    assert old.rope_theta == new.rope_theta == 250000.0
    assert old.num_key_value_heads == old.num_attention_heads == 12
    assert head_width(old) == 768 // 12
    assert head_width(EuroBertConfig(head_dim=12)) == 12
