"""Models whose tokenizer has no graph are exported for ids alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

import tfmlm
from tests.architectures import small_model
from tfmlm.cli.main import main
from tfmlm.errors import UserError
from tfmlm.export import validate_export
from tfmlm.export.loader import read_record


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A small BERT whose tokenizer splits by a model that is not compiled."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "dog", "Paris", "is", "the"]
    merges: list[tuple[str, str]] = []
    rust = Tokenizer(
        models.BPE({w: i for i, w in enumerate(words)}, merges, dropout=0.5, unk_token="[UNK]")
    )
    rust.pre_tokenizer = pre_tokenizers.Whitespace()
    rust.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=rust,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    model = small_model("bert", len(words))
    folder = tmp_path_factory.mktemp("refused") / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_only_ids_and_the_command_says_so(checkpoint, tmp_path, capsys):
    arguments = ["--model_name_or_path", str(checkpoint), "--export_dir", str(tmp_path)]
    assert main(["export", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path}/1\n"
    assert "only fill_mask_ids was exported: tokenizer component model" in captured.err
    record = read_record(tmp_path / "1")
    assert record["signatures"] == ["fill_mask_ids"]
    assert record["tokenizer"]["in_graph"] is False
    assert "model" in record["tokenizer"]["refused"]
    assert record["self_test"]["top1_agreement"] == 1.0

    model, tokenizer = tfmlm.load_model(checkpoint), tfmlm.load_tokenizer(checkpoint)
    assert validate_export(tmp_path, model, tokenizer)["masks"] > 10
    fill = tfmlm.load(tmp_path)
    assert fill.signatures == ["fill_mask_ids"]
    with pytest.raises(UserError, match="takes token ids only"):
        fill("the [MASK]")
    ids = np.array([[2, 10, 4, 3]], np.int32)
    found = fill.predict("fill_mask_ids", {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    expected = tf.nn.softmax(model(tf.constant(ids)).logits[0, 2]).numpy()
    assert found["token"][0, 0].tolist() == np.argsort(-expected, kind="stable")[:5].tolist()
    assert main(["inspect", str(tmp_path)]) == 0
    assert "not in the graph" in " ".join(capsys.readouterr().out.split())
