"""What cannot be compiled is refused with the reason."""

from __future__ import annotations

import pytest

import tfmlm
from tests.small_models import small_model
from tests.training import small
from tfmlm.config import TrainConfig
from tfmlm.errors import UserError
from tfmlm.training import run_training
from tfmlm.training.model_setup import require_xla


def test_xla_is_refused_where_it_cannot_work() -> None:
    model = small_model("bert")
    require_xla(model, 1)
    with pytest.raises(UserError, match="does not work with 2 devices: XLA cannot compile"):
        require_xla(model, 2)
    with pytest.raises(UserError, match="does not work with longformer: its attention has shapes"):
        require_xla(small_model("longformer"), 1)


@pytest.mark.parametrize("new", [True, False])
def test_a_vocabulary_with_holes_gets_rows_to_its_largest_id(new: bool, tmp_path) -> None:
    tokenizer = small.tokenizer_with_holes()
    largest = max(tokenizer.get_vocab().values())
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    start = {"model_type": "bert", "config_overrides": small.OVERRIDES}
    if not new:
        small_model("bert", vocab_size=largest - 3).save_pretrained(tmp_path / "old")
        start = {"model_name_or_path": str(tmp_path / "old")}
    results = run_training(
        TrainConfig(
            **start,
            tokenizer_name=str(tmp_path / "tokenizer"),
            train_file=[str(small.write_corpus(tmp_path / "text.txt"))],
            line_by_line=True,
            max_seq_length=16,
            max_steps=2,
            output_dir=str(tmp_path / "model"),
        )
    )
    assert results["eval_loss"] > 0
    assert tfmlm.load_model(tmp_path / "model").config.vocab_size == largest + 1
