"""The model card (`README.md`) of a checkpoint folder."""

from __future__ import annotations

from typing import Any


def model_card(
    *,
    name: str,
    config: dict[str, Any],
    results: dict[str, Any],
    mask_token: str,
    base_model: str | None = None,
    history: list[dict[str, Any]] | None = None,
) -> str:
    """The card's text: YAML metadata, then what was trained, on what, and how well.

    Args:
        name: the model's name.
        config: settings of the run (`TrainConfig.to_dict`).
        results: content of `all_results.json`.
        mask_token: the tokenizer's mask token, for the widget.
        base_model: name of the checkpoint it started from, if on the Hub.
        history: points of the loss curve.
    """
    import yaml

    metadata: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "fill-mask",
        "mask_token": mask_token,
        "tags": ["tf", "fill-mask", "masked-lm", "tfmlm"],
        "widget": [{"text": f"This is a {mask_token} sentence."}],
    }
    if base_model:
        metadata["base_model"] = base_model
    if config.get("dataset_name"):
        metadata["datasets"] = [config["dataset_name"]]
    lines = ["---", yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True).strip(), "---"]
    lines += ["", f"# {name}", ""]
    origin = f"from `{base_model}`" if base_model else "from scratch"
    lines += [f"A masked language model, trained {origin} with tfmlm.", "", "## Results", ""]
    rows = [
        ("Held-out loss", "eval_loss"),
        ("Perplexity", "perplexity"),
        ("Masked accuracy", "eval_accuracy"),
        ("Top-5 accuracy", "eval_top5_accuracy"),
        ("Masked tokens evaluated", "eval_masked_tokens"),
        ("Training loss", "train_loss"),
        ("Steps", "train_steps"),
    ]
    lines += ["| Measure | Value |", "|---|---|"]
    lines += [f"| {label} | {_number(results[key])} |" for label, key in rows if key in results]
    lines += ["", "## Settings", "", "| Setting | Value |", "|---|---|"]
    shown = ("max_seq_length", "mlm_probability", "learning_rate", "weight_decay", "seed")
    lines += [f"| {key} | {config[key]} |" for key in shown if config.get(key) is not None]
    return "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def card_from_keras(
    model: Any,
    tokenizer: Any,
    *,
    repo_id: str,
    history: list[dict[str, Any]],
    output_dir: Any,
    **model_card_args: Any,
) -> str:
    """The card of a model trained with Keras' `fit`."""
    results: dict[str, Any] = {}
    if history and "val_loss" in history[-1]:
        results["eval_loss"] = history[-1]["val_loss"]
    return model_card(
        name=repo_id.split("/")[-1],
        config={},
        results=results,
        mask_token=getattr(tokenizer, "mask_token", "[MASK]"),
        history=history,
    )
