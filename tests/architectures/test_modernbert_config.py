"""Both forms of ModernBERT's config, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import ModernBertConfig

from tfmlm.architectures.modernbert_config import normalized
from tfmlm.errors import UserError

FULL, SLIDING = "full_attention", "sliding_attention"


def _config(**options: Any) -> ModernBertConfig:
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 4}
    return ModernBertConfig(**{**sizes, **options})


@pytest.mark.parametrize(
    ("kinds", "every"),
    [
        ([FULL] * 4, 1),
        ([FULL, SLIDING] * 2, 2),
        ([FULL, SLIDING, SLIDING, FULL], 3),
        ([FULL, SLIDING, SLIDING, SLIDING], 4),
    ],
)
def test_regular_lists_become_a_number(kinds: list[str], every: int) -> None:
    config = normalized(_config(layer_types=kinds))
    assert config.global_attn_every_n_layers == every
    assert "layer_types" not in config.to_dict()


def test_other_lists_stay() -> None:
    kinds = [SLIDING, FULL, FULL, SLIDING]
    assert normalized(_config(layer_types=kinds)).to_dict()["layer_types"] == kinds


def test_thetas_of_version_5_become_those_of_version_4() -> None:
    parameters = {
        FULL: {"rope_type": "default", "rope_theta": 7},
        SLIDING: {"rope_type": "default", "rope_theta": 160000.0},
    }
    given = _config(rope_parameters=parameters)
    config = normalized(given)
    assert (config.global_rope_theta, config.local_rope_theta) == (7.0, 160000.0)
    assert "rope_parameters" not in config.to_dict()
    assert given.rope_parameters == parameters
    assert normalized(config).to_dict() == config.to_dict()


def test_a_theta_that_version_5_leaves_out_is_the_fields() -> None:
    config = normalized(_config(rope_parameters={FULL: {"rope_type": "default"}}))
    assert (config.global_rope_theta, config.local_rope_theta) == (160000.0, 10000.0)


def test_no_local_theta_is_written_as_the_global_one() -> None:
    assert normalized(_config(local_rope_theta=None)).local_rope_theta == 160000.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, "rope_scaling: rope_type 'lin"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_type 'dynamic'"),
        ({"rope_parameters": {FULL: {"rope_type": "yarn"}}}, "full_attention: rope_type 'yarn'"),
        ({"rope_parameters": {SLIDING: {"rope_type": "llama3"}}}, "sliding_attention: rope_type"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}, "rope_parameters must"),
        ({"rope_parameters": {FULL: {"partial_rotary_factor": 0.5}}}, "partial_rotary_factor"),
        ({"layer_types": [FULL]}, "1 entries for 4 layers"),
        ({"layer_types": [FULL, "chunked_attention"] * 2}, "chunked_attention"),
        ({"global_attn_every_n_layers": 0}, "at least 1"),
        ({"num_attention_heads": 5}, "not a multiple"),
        ({"num_attention_heads": 32}, "even"),
    ],
)
def test_what_cannot_be_exact_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        normalized(_config(**options))
