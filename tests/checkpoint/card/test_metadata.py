"""Names and the YAML of a card are what the Hub takes."""

from __future__ import annotations

import pytest
import yaml
from huggingface_hub.utils import HFValidationError, validate_repo_id

from tfmlm.checkpoint.card.metadata import TAGS, as_list, card_metadata, hub_name


def test_names_that_can_be_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert hub_name("roberta-base") and hub_name("ada/model.v1")
    for name in ("here", "/abs/path", "a/b/c", "", None, "with space"):
        assert hub_name(name) is None
    with pytest.raises(HFValidationError):
        validate_repo_id("with space")


def test_one_value_and_several_are_lists():
    found = [as_list(value) for value in (None, "en", ["en", "de"], ("x", 1), 7)]
    assert found == [[], ["en"], ["en", "de"], ["x", "1"], ["7"]]


@pytest.mark.parametrize(
    ("datasets", "indexed"), [((), False), (("a/b",), True), (("c", "d"), False)]
)
def test_figures_are_indexed_where_there_is_one_data_set(datasets, indexed):
    text = card_metadata(
        name="m",
        mask_token="[MASK]",
        sentences=["a [MASK]: b"],
        datasets=datasets,
        tags=["mine", TAGS[0]],
        results={"perplexity": 4.5, "eval_accuracy": 0.5, "eval_loss": 1.5},
    )
    found = yaml.safe_load(text)
    assert found["tags"] == [*TAGS, "mine"]
    assert found["widget"] == [{"text": "a [MASK]: b"}]
    assert found["metrics"] == ["perplexity", "accuracy"]
    assert "license" not in found and "base_model" not in found
    assert ("model-index" in found) == indexed
    if indexed:
        (result,) = found["model-index"][0]["results"]
        assert result["dataset"]["name"] == "a/b"
        assert [(m["type"], m["value"]) for m in result["metrics"]] == [
            ("perplexity", 4.5),
            ("accuracy", 0.5),
        ]
