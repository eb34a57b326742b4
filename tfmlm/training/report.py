"""What a run leaves behind: results, the curve's picture, model, tokenizer, model card."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from tfmlm.checkpoint.card.model_card import model_card, with_training_loss
from tfmlm.config import TrainConfig
from tfmlm.files import staged, write_json
from tfmlm.progress import show_figure
from tfmlm.training.curve import plot_curve

RUN_FILE = "training_config.json"


def train_results(state: Any, keeper: Any, samples: int | None, global_rows: int) -> dict[str, Any]:
    """The figures of training, named as run_mlm.py's."""
    seconds = keeper.seconds()
    weights = np.diff([0, *[point["step"] for point in state.curve]])
    losses = [point["loss"] for point in state.curve]
    return {
        "epoch": keeper.epoch,
        "train_loss": float(np.average(losses, weights=weights)) if losses else math.nan,
        "train_runtime": seconds,
        "train_samples": samples,
        "train_samples_per_second": keeper.step * global_rows / max(seconds, 1e-9),
        "train_steps": keeper.step,
        "train_steps_per_second": keeper.step / max(seconds, 1e-9),
    }


def write_results(
    folder: Path, train: dict[str, Any], evaluation: dict[str, Any] | None
) -> dict[str, Any]:
    """Writes `train_results.json`, `eval_results.json` and `all_results.json`; returns all."""
    write_json(folder / "train_results.json", json_ready(train))
    everything = dict(train)
    if evaluation is not None:
        write_json(folder / "eval_results.json", json_ready(evaluation))
        everything |= evaluation
    write_json(folder / "all_results.json", json_ready(everything))
    return everything


def json_ready(values: dict[str, Any]) -> dict[str, Any]:
    """Infinite and undefined numbers as null, which JSON can hold."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def write_run(
    config: TrainConfig,
    folder: Path,
    model: Any,
    tokenizer: Any,
    state: Any,
    train: dict[str, Any],
    figures: dict[str, Any] | None,
) -> dict[str, Any]:
    """Writes all that a finished run leaves; returns what `all_results.json` holds.

    Args:
        state: the run's `RunState`.
        train: figures of training.
        figures: held-out figures, or None.
    """
    base = config.model_name_or_path
    card = model_card(
        name=config.hub_model_id or folder.resolve().name,
        config=config.to_dict(),
        results={**train, **(figures or {})},
        mask_token=tokenizer.mask_token,
        base_model=base if base and not Path(base).exists() else None,
        history=with_training_loss(state.evaluations, state.curve),
        model=model,
        tokenizer=tokenizer,
    )
    save_checkpoint_folder(folder, model, tokenizer, card)
    unigram = figures["unigram_loss"] if figures else None
    initial = figures.get("initial_eval_loss") if figures else None
    picture = folder / "training.png"
    show_figure(plot_curve(state.curve, state.evaluations, unigram, initial, picture))
    return write_results(folder, train, figures)


def save_checkpoint_folder(folder: Path, model: Any, tokenizer: Any, card: str) -> None:
    """Writes model, tokenizer and model card, each file whole or not at all."""
    from tfmlm.checkpoint.save import save_model

    save_model(model, folder)
    with staged(folder) as stage:
        tokenizer.save_pretrained(stage)
        (stage / "README.md").write_text(card, encoding="utf-8")


def masked_example(model_inputs: Any, labels: Any, tokenizer: Any) -> tuple[str, str]:
    """One decoded block: as the model sees it, and the hidden tokens, for the log."""
    ids = model_inputs["input_ids"][0].numpy()
    kept = model_inputs["attention_mask"][0].numpy() == 1
    targets = labels[0].numpy()
    hidden = [tokenizer.decode([int(i)]) for i in targets[targets != -100]]
    return tokenizer.decode(ids[kept]), " | ".join(text.strip() for text in hidden)
