"""Validation finds exports that are not what their checkpoint is."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.export.exported import bert
from tests.small_models import small_model
from tfmlm.export import validate_export
from tfmlm.export.checking.validate import (
    ExportNamesError,
    ExportShapesError,
    ExportValuesError,
)


def test_report():
    report = validate_export(bert().path.parent, bert().model, bert().tokenizer)
    assert report["top1_agreement"] == report["top_k_agreement"] == 1.0
    assert report["largest_score_difference"] < 1e-6
    assert report["tokenized"] == report["texts"] > 25
    assert report["masks"] > report["texts"]
    assert report["scored_texts"] > 5


def test_texts_of_the_caller():
    texts = ["One [MASK] here.", "[MASK] [MASK]"]
    report = validate_export(bert().path, bert().model, bert().tokenizer, texts)
    assert (report["texts"], report["masks"]) == (2, 3)


def test_another_model_is_noticed():
    other = small_model("bert", 30_522, seed=1, max_position_embeddings=512)
    with pytest.raises(ExportValuesError, match="from the checkpoint's"):
        validate_export(bert().path, other, bert().tokenizer)


def test_another_tokenizer_is_noticed():
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    rust = Tokenizer.from_str(bert().tokenizer.backend_tokenizer.to_str())
    rust.normalizer = None
    cased = PreTrainedTokenizerFast(
        tokenizer_object=rust, mask_token="[MASK]", pad_token="[PAD]", unk_token="[UNK]"
    )
    with pytest.raises(ExportValuesError, match="tokenizer in the graph"):
        validate_export(bert().path, bert().model, cased)


def test_missing_signature_is_noticed(tmp_path):
    shutil.copytree(bert().path, tmp_path / "1")
    record = tmp_path / "1" / "assets.extra" / "tfmlm.json"
    content = json.loads(record.read_text())
    content["tokenizer"]["in_graph"] = False
    record.write_text(json.dumps(content))
    with pytest.raises(ExportNamesError, match="signatures are"):
        validate_export(tmp_path, bert().model, bert().tokenizer)


def test_wrong_shape_is_noticed(tmp_path):
    shutil.copytree(bert().path, tmp_path / "1")
    record = tmp_path / "1" / "assets.extra" / "tfmlm.json"
    content = json.loads(record.read_text())
    content["defaults"]["top_k"] = 4
    record.write_text(json.dumps(content))
    with pytest.raises(ExportShapesError, match="expected"):
        validate_export(tmp_path, bert().model, bert().tokenizer)
