"""An evaluation from its settings to its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tfmlm.checkpoint.documents import require_documents
from tfmlm.checkpoint.limits import block_length, require_ids
from tfmlm.checkpoint.load import load_config, load_model, load_tokenizer
from tfmlm.config import EvaluateConfig
from tfmlm.data.blocks import build_blocks
from tfmlm.files import require_writable_folder, write_json
from tfmlm.progress import say
from tfmlm.training.corpora import open_evaluation_corpus
from tfmlm.training.data import pad_to
from tfmlm.training.metrics import evaluate_model
from tfmlm.training.policy import precision
from tfmlm.training.report import json_ready
from tfmlm.training.strategy import get_strategy, is_chief


def run_evaluation(config: EvaluateConfig) -> dict[str, Any]:
    """Evaluates a checkpoint; writes `eval_results.json` if `output_dir` is given.

    Returns:
        eval_loss (nats per masked token, in float32, weighted by token), perplexity,
        eval_accuracy, eval_top5_accuracy, eval_masked_tokens, eval_samples.

    Raises:
        UserError: a setting or a file is wrong.
    """
    corpus = open_evaluation_corpus(config)
    folder = None
    if config.output_dir:
        folder = require_writable_folder(Path(config.output_dir).expanduser())
    strategy = get_strategy(
        config.strategy, tpu_name=config.tpu_name, worker_timeout=config.worker_timeout
    )
    with precision(config.mixed_precision):
        model_config = load_config(config.model_name_or_path, config.revision)
        tokenizer = load_tokenizer(config.model_name_or_path, config.revision)
        if config.packing:
            require_documents(model_config)
        require_ids(model_config, tokenizer)
        length = block_length(model_config, tokenizer, config.max_seq_length)
        blocks = build_blocks(
            corpus,
            tokenizer,
            length,
            line_by_line=config.line_by_line,
            words=config.whole_word_mask or config.span_masking,
            packing=config.packing,
            cache_dir=config.cache_dir,
            overwrite=config.overwrite_cache,
            progress=is_chief(strategy),
        )
        with strategy.scope():
            model = load_model(
                config.model_name_or_path,
                config.revision,
                allow_untrained_head=config.allow_untrained_head,
            )
        if is_chief(strategy):
            say(f"Read {blocks.reading.sentence(corpus.name)}")
        figures = evaluate_model(
            model,
            tokenizer,
            blocks,
            rows=np.arange(len(blocks))[: config.max_eval_samples],
            batch_size=config.per_device_eval_batch_size,
            masking=config,
            seed=config.seed,
            strategy=strategy,
            pad_to=pad_to(config, length),
            progress=is_chief(strategy),
        )
    if folder is not None and is_chief(strategy):
        write_json(folder / "eval_results.json", json_ready(figures))
    return figures
