"""The YAML metadata of a model card, as huggingface_hub writes and checks it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TAGS = ("fill-mask", "masked-lm", "tensorflow", "tfmlm")


def hub_name(name: str | None) -> str | None:
    """`name` if it can be that of a repository on the Hub and is no local path, else None."""
    if not name or not isinstance(name, str) or Path(name).exists():
        return None
    if name.startswith((".", "/", "~")) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        return None
    return name


def as_list(value: Any) -> list[str]:
    """None, one value or several → a list of texts."""
    if value is None:
        return []
    if isinstance(value, (list, tuple, set)):
        return [str(item) for item in value]
    return [str(value)]


def card_metadata(
    *,
    name: str,
    mask_token: str,
    sentences: Sequence[str],
    base_model: str | None = None,
    datasets: Sequence[str] = (),
    languages: Sequence[str] = (),
    licence: str | None = None,
    tags: Sequence[str] = (),
    results: Mapping[str, Any] | None = None,
    dataset_config: str | None = None,
) -> str:
    """The YAML between the card's `---` lines.

    Args:
        results: `eval_loss`, `perplexity`, `eval_accuracy`; go into the model index if the model
            was trained on one data set of the Hub (the index wants its name).

    Raises:
        ValueError: from huggingface_hub, if a value has not the form that the Hub wants.
    """
    from huggingface_hub import EvalResult, ModelCardData

    fields: dict[str, Any] = {
        "language": list(languages) or None,
        "license": licence,
        "library_name": "transformers",
        "pipeline_tag": "fill-mask",
        "mask_token": mask_token,
        "base_model": base_model,
        "datasets": list(datasets) or None,
        "tags": list(dict.fromkeys((*TAGS, *tags))),
        "widget": [{"text": sentence} for sentence in sentences],
    }
    metrics = {
        "perplexity": (results or {}).get("perplexity"),
        "accuracy": (results or {}).get("eval_accuracy"),
    }
    measured = {key: value for key, value in metrics.items() if value is not None}
    if measured:
        fields["metrics"] = list(measured)
    if measured and len(datasets) == 1:
        fields["model_name"] = name
        fields["eval_results"] = [
            EvalResult(
                task_type="fill-mask",
                task_name="Masked language modelling",
                dataset_type=datasets[0],
                dataset_name=datasets[0],
                dataset_config=dataset_config,
                metric_type=key,
                metric_name=f"{key} of masked tokens",
                metric_value=value,
            )
            for key, value in measured.items()
        ]
    return ModelCardData(**{k: v for k, v in fields.items() if v is not None}).to_yaml().strip()
