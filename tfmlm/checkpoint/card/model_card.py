"""The model card (`README.md`) of a checkpoint folder."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfmlm._version import __version__
from tfmlm.checkpoint.card.examples import Filled, fill, widget_sentences
from tfmlm.checkpoint.card.metadata import as_list, card_metadata, hub_name
from tfmlm.redaction import redact

_HUB = "https://huggingface.co"

_TEMPLATE = """\
---
{metadata}
---

# {title}

{origin}

## Use

With transformers, in PyTorch or TensorFlow. In TensorFlow `import tfmlm` comes first (`pip install
tfmlm`): it lets transformers read the weights, which are in PyTorch's layout.

```python
try:
    import tfmlm  # for TensorFlow
except ImportError:
    pass  # PyTorch does not need it
from transformers import pipeline

fill = pipeline("fill-mask", model="{repo}", dtype=None)
print(fill("{sentence}"))
```

As a service: the export takes raw text and tokenizes in the graph, so stock TensorFlow Serving
needs nothing else.

```bash
tfmlm export --model_name_or_path {repo} --export_dir export/{service}
docker run -p 8501:8501 -v "$PWD/export/{service}:/models/{service}" -e MODEL_NAME={service} \\
    tensorflow/serving
curl -d '{{"instances": [{{"text": "{sentence}"}}]}}' \\
    http://localhost:8501/v1/models/{service}:predict
```
{examples}{results}{data}{training}
## Versions

{versions}

## Limits

The model predicts what its training text makes likely, with whatever is wrong or one-sided in that
text. Its predictions are not statements of fact.
"""

_MEASURES = (
    ("Held-out loss", "eval_loss"),
    ("Perplexity", "perplexity"),
    ("Masked accuracy", "eval_accuracy"),
    ("Masked accuracy, best five", "eval_top5_accuracy"),
    ("Masked tokens evaluated", "eval_masked_tokens"),
    ("Loss of guessing by frequency", "unigram_loss"),
    ("Training loss", "train_loss"),
    ("Steps", "train_steps"),
)
_SETTINGS = (
    "max_seq_length",
    "line_by_line",
    "packing",
    "group_by_length",
    "mlm_probability",
    "mlm_probability_end",
    "mask_replace_prob",
    "random_replace_prob",
    "whole_word_mask",
    "span_masking",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "batch_warmup_steps",
    "num_train_epochs",
    "max_steps",
    "max_hours",
    "optim",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "warmup_ratio",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "max_grad_norm",
    "average_checkpoints",
    "mixed_precision",
    "strategy",
    "early_stopping_patience",
    "seed",
)
_COLUMNS = (
    ("Epoch", ("epoch",)),
    ("Step", ("step",)),
    ("Training loss", ("loss", "train_loss")),
    ("Held-out loss", ("eval_loss", "val_loss")),
    ("Perplexity", ("perplexity",)),
    ("Masked accuracy", ("eval_accuracy",)),
)


def model_card(
    *,
    name: str,
    config: Mapping[str, Any],
    results: Mapping[str, Any],
    mask_token: str,
    base_model: str | None = None,
    history: Sequence[Mapping[str, Any]] | None = None,
    language: str | Sequence[str] | None = None,
    license: str | None = None,
    tags: str | Sequence[str] | None = None,
    datasets: str | Sequence[str] | None = None,
    model: Any = None,
    tokenizer: Any = None,
    hyperparameters: Mapping[str, Any] | None = None,
    curve: str | None = "training.png",
    measured_by: str = "tfmlm",
) -> str:
    """The card's text: YAML metadata, then what it is, its use, results, data and training.

    Args:
        name: the model's name, `user/model` if it is to be on the Hub.
        config: settings of the run (`TrainConfig.to_dict`); empty for a run of Keras' `fit`.
        results: content of `all_results.json`.
        mask_token: the tokenizer's mask token, for the widget.
        base_model: name of the checkpoint it started from, if on the Hub.
        history: figures by epoch (`epoch`, `step`, `loss`, `eval_loss` or `val_loss`, …).
        language: ISO codes.
        license: the Hub's identifier, such as `apache-2.0`.
        tags: further tags.
        datasets: names on the Hub; `config["dataset_name"]` if left out.
        model: the TF model, for its size and for filled examples (with `tokenizer`).
        hyperparameters: what to list instead of `config`.
        curve: file name of the loss curve; None if there is none.
        measured_by: `tfmlm` or `keras`: how the results came about.
    """
    languages = as_list(language if language is not None else config.get("language"))
    names = as_list(datasets) or [n for n in [hub_name(config.get("dataset_name"))] if n]
    base_model = hub_name(base_model)
    sentences = widget_sentences(mask_token, languages)
    figures = {k: v for k, v in results.items() if _is_number(v)}
    examples = fill(model, tokenizer, sentences) if model is not None and tokenizer else []
    text = _TEMPLATE.format(
        metadata=card_metadata(
            name=name.split("/")[-1],
            mask_token=mask_token,
            sentences=sentences,
            base_model=base_model,
            datasets=names,
            languages=languages,
            licence=license,
            tags=as_list(tags),
            results=figures,
            dataset_config=config.get("dataset_config_name"),
        ),
        title=name.split("/")[-1],
        origin=_origin(base_model, names, model, bool(config.get("model_type"))),
        repo=name,
        service=name.split("/")[-1],
        sentence=sentences[0],
        examples=_examples(examples),
        results=_results(figures, config, measured_by),
        data=_data(config, names),
        training=_training(config, hyperparameters, history or (), curve),
        versions=_table(("Package", "Version"), _versions()),
    )
    return redact(text)


def card_from_keras(
    model: Any,
    tokenizer: Any,
    *,
    repo_id: str,
    history: Sequence[Mapping[str, Any]],
    output_dir: Path,
    settings: Mapping[str, Any] | None = None,
    finished: bool = False,
    finetuned_from: str | None = None,
    dataset: Any = None,
    dataset_tags: Any = None,
    dataset_args: Any = None,
    tasks: Any = None,
    model_name: str | None = None,
    **fields: Any,
) -> str:
    """The card of a model that Keras' `fit` trains; takes the stock callback's arguments.

    Args:
        history: Keras' logs by epoch, with `epoch` and `step`.
        settings: of a `tfmlm train` run.
        finished: the run is at its end: add filled examples.
        fields: `language`, `license`, `tags`, as `model_card`'s.
    """
    last = dict(history[-1]) if history else {}
    figures: dict[str, Any] = {"train_loss": last.get("loss"), "train_steps": last.get("step")}
    if "val_loss" in last:
        figures["eval_loss"] = last["val_loss"]
        figures["perplexity"] = math.exp(min(last["val_loss"], 700.0))
    config = dict(settings or {})
    if dataset is not None and not isinstance(dataset, (str, list, tuple)):
        dataset = None  # a data set object, whose name on the Hub is not known
    rows = [_with_perplexity(row) for row in history]
    return model_card(
        name=repo_id,
        config={**config, "dataset_config_name": dataset_args or config.get("dataset_config_name")},
        results={k: int(v) if k == "train_steps" and v else v for k, v in figures.items()},
        mask_token=getattr(tokenizer, "mask_token", None) or "[MASK]",
        base_model=finetuned_from or getattr(model.config, "_name_or_path", None),
        history=rows,
        datasets=[name for name in as_list(dataset_tags or dataset) if hub_name(name)],
        model=model if finished else None,
        tokenizer=tokenizer if finished else None,
        hyperparameters=None if settings else _keras_hyperparameters(model),
        curve="training.png" if (output_dir / "training.png").exists() else None,
        measured_by="tfmlm" if settings else "keras",
        **fields,
    )


def with_training_loss(
    evaluations: Sequence[Mapping[str, Any]], curve: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """A row for each evaluation, with the mean training loss since the one before.

    Args:
        evaluations: dicts with `step`, `epoch`, `eval_loss`, …; may be empty: a row an epoch then.
        curve: dicts with `step`, `epoch` and `loss`, the mean of the steps since the point before.
    """
    rows = [dict(row) for row in evaluations]
    if not rows:
        ends = {math.ceil(point["epoch"] - 1e-9): point for point in curve}
        rows = [{"epoch": point["epoch"], "step": point["step"]} for point in ends.values()]
    begun = 0
    for row in rows:
        before, total, steps = 0, 0.0, 0
        for point in curve:
            shared = min(point["step"], row["step"]) - max(before, begun)
            if shared > 0:
                total, steps = total + point["loss"] * shared, steps + shared
            before = point["step"]
        begun = row["step"]
        if steps:
            row["loss"] = total / steps
    return rows


def _origin(base_model: str | None, datasets: Sequence[str], model: Any, from_scratch: bool) -> str:
    size = ""
    if model is not None:
        size = f" ({model.config.model_type}, {model.num_parameters():,} parameters)"
    began = "trained from scratch" if from_scratch else "trained"
    if base_model:
        began = f"fine-tuned from [{base_model}]({_HUB}/{base_model})"
    links = " and ".join(f"[{name}]({_HUB}/datasets/{name})" for name in datasets)
    on = f" on {links}" if links else ""
    return f"A masked language model{size}, {began}{on} with tfmlm."


def _examples(examples: Sequence[Filled]) -> str:
    if not examples:
        return ""
    rows = [
        (e.sentence, ", ".join(f"{word} ({score:.2f})" for word, score in e.words))
        for e in examples
    ]
    return "\n## Examples\n\n" + _table(("Text", "Best words (score)"), rows) + "\n"


def _results(figures: Mapping[str, Any], config: Mapping[str, Any], measured_by: str) -> str:
    rows = [(label, _number(figures[key])) for label, key in _MEASURES if key in figures]
    if not rows:
        return ""
    text = "\n## Results\n\n" + _table(("Measure", "Value"), rows) + "\n"
    if "eval_loss" not in figures:
        return text
    if measured_by == "keras":
        return text + (
            "\nThe held-out loss is Keras' `val_loss` of the last epoch; perplexity is its "
            "exponential.\n"
        )
    share = config.get("eval_mlm_probability") or config.get("mlm_probability")
    masks = f"{share:.0%} of the tokens of the held-out text" if share else "held-out text"
    seed = f" (seed {config['seed']})" if config.get("seed") is not None else ""
    return text + (
        f"\nMeasured on {masks}, under masks that are drawn once{seed} and stay the same over the "
        "run. The loss is the mean over all masked tokens, in nats; perplexity is its exponential "
        "(of masked tokens: not comparable with that of a causal model). Accuracy is the share of "
        "masked tokens for which the best prediction is the right token.\n"
    )


def _data(config: Mapping[str, Any], datasets: Sequence[str]) -> str:
    lines = []
    for name in datasets:
        part = config.get("dataset_config_name")
        lines.append(f"- [{name}]({_HUB}/datasets/{name})" + (f", `{part}`" if part else ""))
    for key, label in (("train_file", "training"), ("validation_file", "held out")):
        # Names only: paths may say more than the author wants to publish.
        lines += [f"- `{Path(path).name}` ({label})" for path in as_list(config.get(key))]
    share = config.get("validation_split_percentage")
    if lines and share and not config.get("validation_file"):
        lines.append(f"- held out of it: {share:g} %")
    return "\n## Data\n\n" + "\n".join(lines) + "\n" if lines else ""


def _training(
    config: Mapping[str, Any],
    hyperparameters: Mapping[str, Any] | None,
    history: Sequence[Mapping[str, Any]],
    curve: str | None,
) -> str:
    used = hyperparameters
    if used is None:
        used = {key: config[key] for key in _SETTINGS if config.get(key) not in (None, False)}
        if used.get("max_steps", 0) <= 0:
            used.pop("max_steps", None)
    parts = []
    if used:
        parts.append(_table(("Setting", "Value"), [(k, _setting(v)) for k, v in used.items()]))
    columns = [
        (label, keys) for label, keys in _COLUMNS if any(k in row for row in history for k in keys)
    ]
    if history and len(columns) > 1:
        rows = [
            [
                next((_number(row[k]) for k in keys if _is_number(row.get(k))), "")
                for _, keys in columns
            ]
            for row in history
        ]
        parts.append(_table([label for label, _ in columns], rows))
    if curve:
        parts.append(f"![Loss and learning rate over the steps]({curve})")
    return "\n## Training\n\n" + "\n\n".join(parts) + "\n" if parts else ""


def _keras_hyperparameters(model: Any) -> dict[str, Any]:
    from transformers.modelcard import extract_hyperparameters_from_keras

    try:
        found = extract_hyperparameters_from_keras(model)
    except Exception:
        return {}
    flat: dict[str, Any] = {}
    for key, value in found.items():
        if isinstance(value, Mapping):
            flat.update({f"{key} {k}": v for k, v in value.items() if not isinstance(v, Mapping)})
        else:
            flat[key] = value
    return {key: value for key, value in flat.items() if value is not None}


def _with_perplexity(row: Mapping[str, Any]) -> dict[str, Any]:
    values = {**row, "step": int(row["step"])} if "step" in row else dict(row)
    if _is_number(row.get("val_loss")):
        values["perplexity"] = math.exp(min(row["val_loss"], 700.0))
    return values


def _versions() -> list[tuple[str, str]]:
    rows = [("tfmlm", __version__)]
    for package in ("tensorflow", "transformers", "tokenizers", "datasets"):
        try:
            rows.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return rows


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(head), "|" + "---|" * len(head), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    safe = (" ".join(str(cell).split()).replace("|", "\\|") for cell in cells)
    return "| " + " | ".join(safe) + " |"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _setting(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
