"""A very small BERT with a WordPiece tokenizer, its data, and a finished folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TOKEN = "hf_AdasSecretTokenForTests0123456789"
WORDS = ["the", "a", "cat", "dog", "sat", "on", "mat", "and", "ran", "to", "old", "new", "town"]
SENTENCES = [f"the {a} {b} on the {c}" for a in WORDS[:4] for b in WORDS[4:6] for c in WORDS[6:8]]


def make_tokenizer() -> Any:
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: number for number, word in enumerate([*specials, *WORDS])}
    raw = BertWordPieceTokenizer(vocabulary, lowercase=True)
    return BertTokenizerFast(tokenizer_object=raw, do_lower_case=True, model_max_length=16)


def make_model(compiled: bool = True) -> Any:
    import tensorflow as tf
    from transformers import BertConfig, TFBertForMaskedLM

    tf.keras.utils.set_random_seed(0)
    model = TFBertForMaskedLM(
        BertConfig(
            vocab_size=5 + len(WORDS),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=16,
        )
    )
    model(model.dummy_inputs)
    if compiled:
        model.compile(optimizer=tf.keras.optimizers.legacy.Adam(1e-3))
    return model


def make_data(batches: int = 2) -> Any:
    """Batches of 4 rows of 8 tokens, labels everywhere."""
    import numpy as np
    import tensorflow as tf

    ids = np.random.default_rng(0).integers(5, 5 + len(WORDS), (4 * batches, 8), dtype=np.int32)
    return tf.data.Dataset.from_tensor_slices({"input_ids": ids, "labels": ids}).batch(4)


def make_folder(folder: Path) -> Path:
    """A checkpoint folder with everything that is pushed, and things that are not."""
    from tfmlm.checkpoint.save import save_model

    save_model(make_model(compiled=False), folder)
    make_tokenizer().save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\n# Model\n", encoding="utf-8")
    (folder / "training.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    (folder / "eval_results.json").write_text(json.dumps({"eval_loss": 1.5}), encoding="utf-8")
    (folder / "logs").mkdir()
    (folder / "logs" / "events.out.tfevents.1").write_bytes(b"log")
    (folder / "checkpoints" / "step-5").mkdir(parents=True)
    (folder / "checkpoints" / "step-5" / "optimizer.bin").write_bytes(b"state")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    return folder
