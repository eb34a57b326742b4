"""A checkpoint that answers by itself holds together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkpoint.test_frame import made
from tests.small_models import small_model
from tfmlm.checkpoint.opened import open_checkpoint
from tfmlm.checkpoint.save import save_model
from tfmlm.errors import UserError


def folder(path: Path, vocab_size: int) -> Path:
    save_model(small_model("bert", vocab_size), path)
    made("BPE", "one on each side").save_pretrained(path)
    return path


def test_model_tokenizer_and_length(tmp_path: Path) -> None:
    opened = open_checkpoint(folder(tmp_path, 99))
    assert opened.model.config.vocab_size == 99
    assert opened.tokenizer.mask_token == "[MASK]"
    assert opened.max_length == 32  # the tokenizer's; the model has 64


def test_a_mask_without_an_embedding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mask token \[MASK\] has the id 3, the model only 3 ids"):
        open_checkpoint(folder(tmp_path, 3))
