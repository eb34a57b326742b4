"""How much a model takes: it runs at its limit and not beyond, and everybody asks in one place."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.small_models import ARCHITECTURES, small_config, small_model
from tests.training import small
from tfmlm.checkpoint.limits import (
    DEFAULT_LENGTH,
    block_length,
    id_count,
    position_limit,
    require_ids,
    tokenizer_limit,
    vocabulary_size,
    window_length,
)
from tfmlm.errors import UserError

POSITIONS = 40
#: Architecture, settings, how many of 40 positions are left for tokens (None: no limit).
CASES: list[tuple[str, dict[str, Any], int | None]] = [
    *(
        (name, {}, POSITIONS)
        for name in ARCHITECTURES
        if name
        not in (
            "camembert",
            "esm",
            "eurobert",
            "funnel",
            "longformer",
            "modernbert",
            "mpnet",
            "roberta",
            "roberta-prelayernorm",
            "xlm-roberta",
        )
    ),
    ("funnel", {}, None),
    ("eurobert", {}, None),
    ("modernbert", {}, None),
    ("esm", {"position_embedding_type": "rotary"}, None),
    ("esm", {"position_embedding_type": "absolute"}, 38),
    ("esm", {"position_embedding_type": "absolute", "pad_token_id": 7}, 32),
    ("deberta", {"position_biased_input": False, "relative_attention": True}, None),
    ("deberta-v2", {"position_biased_input": False, "relative_attention": True}, None),
    ("camembert", {}, 38),
    ("mpnet", {}, 38),
    ("mpnet", {"pad_token_id": 0}, 38),
    ("roberta", {}, 38),
    ("roberta", {"pad_token_id": 0}, 39),
    ("roberta-prelayernorm", {}, 38),
    ("xlm-roberta", {"pad_token_id": 5}, 34),
    ("longformer", {}, 38),
    ("longformer", {"pad_token_id": 0}, 39),
    ("longformer", {"pad_token_id": 4}, 35),
]


def runs(model: Any, length: int) -> bool:
    ids = np.random.default_rng(0).integers(8, 99, (1, length))
    try:
        logits = model({"input_ids": ids, "attention_mask": np.ones_like(ids)}).logits
    except tf.errors.InvalidArgumentError:
        return False
    return bool(np.isfinite(logits.numpy()).all()) and logits.shape == (1, length, 99)


@pytest.mark.parametrize(("architecture", "settings", "limit"), CASES)
def test_the_model_runs_at_its_limit_and_not_beyond(
    architecture: str, settings: dict[str, Any], limit: int | None
) -> None:
    if architecture != "funnel":
        settings = {**settings, "max_position_embeddings": POSITIONS}
    model = small_model(architecture, **settings)
    assert position_limit(model.config) == limit
    assert vocabulary_size(model.config) == 99
    assert runs(model, limit or 3 * POSITIONS)
    if limit and architecture != "tapas":  # which counts the positions of each cell of a table
        assert not runs(model, limit + 1)


def tokenizer(limit: float) -> Any:
    return types.SimpleNamespace(model_max_length=limit)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_and_export_agree(architecture: str) -> None:
    config = small_config(architecture)
    limit, unlimited = position_limit(config), tokenizer(1e30)
    for length in (20, *((limit,) if limit else ())):
        assert block_length(config, unlimited, length) == length
        assert window_length(config, unlimited, length, 2) == length
    if limit:
        for name, refused in (
            ("max_seq_length", lambda: block_length(config, unlimited, limit + 1)),
            ("max_length", lambda: window_length(config, unlimited, limit + 1, 2)),
        ):
            with pytest.raises(UserError, match=f"{name} is {limit + 1}.*positions for {limit} "):
                refused()
    for most in (16, 1e30):
        expected = min(most, limit or DEFAULT_LENGTH)
        assert block_length(config, tokenizer(most), None) == expected
        assert window_length(config, tokenizer(most), None, 2) == expected


def test_the_tokenizers_limit() -> None:
    assert tokenizer_limit(tokenizer(512)) == 512
    for no_limit in (1e30, 10**20, 10**9, 0, None):
        assert tokenizer_limit(tokenizer(no_limit)) is None  # type: ignore[arg-type]


def test_a_rotary_model_has_no_table_of_positions() -> None:
    config = small_config("modernbert", max_position_embeddings=8192)
    assert position_limit(config) is None
    assert window_length(config, tokenizer(8192), None, 2) == DEFAULT_LENGTH
    assert window_length(config, tokenizer(8192), 8192, 2) == 8192
    with pytest.raises(UserError, match="made for 8192 tokens"):
        window_length(config, tokenizer(1e30), 8193, 2)
    assert block_length(config, tokenizer(8192), None) == DEFAULT_LENGTH


def test_no_room_beside_special_tokens() -> None:
    with pytest.raises(UserError, match="max_length 2 leaves no room for a mask beside 2 special"):
        window_length(small_config("bert"), tokenizer(1e30), 2, 2)


def test_ids_that_the_model_does_not_have() -> None:
    config = small_config("bert")
    words = types.SimpleNamespace(mask_token="[MASK]", mask_token_id=99, get_vocab=dict)
    with pytest.raises(UserError, match=r"mask token \[MASK\] has the id 99, the model only 99"):
        require_ids(config, words)
    words.mask_token_id, words.get_vocab = 4, lambda: {"a": 100}
    with pytest.raises(UserError, match="the id 100, the model only 99 ids"):
        require_ids(config, words)


def test_ids_of_a_vocabulary_with_holes_are_counted_to_the_largest() -> None:
    tokenizer = small.tokenizer_with_holes()
    largest = max(tokenizer.get_vocab().values())
    assert id_count(tokenizer) == largest + 1 > len(tokenizer)
    plain = small.tokenizer()
    assert id_count(plain) == len(plain)
    require_ids(small_config("bert", vocab_size=largest + 1), tokenizer)
    with pytest.raises(UserError, match=f"has the id {largest}, the model only {largest} ids"):
        require_ids(small_config("bert", vocab_size=largest), tokenizer)
