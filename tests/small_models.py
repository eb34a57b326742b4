"""Small random models of every TF masked-LM architecture, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from transformers import CONFIG_MAPPING, TFAutoModelForMaskedLM
from transformers.models.auto.modeling_tf_auto import TF_MODEL_FOR_MASKED_LM_MAPPING

ARCHITECTURES = tuple(config.model_type for config in TF_MODEL_FOR_MASKED_LM_MAPPING)

_BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
_XLM = {"emb_dim": 32, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64}
_OWN: dict[str, dict[str, Any]] = {
    "albert": {**_BERT, "embedding_size": 16},
    "convbert": {**_BERT, "embedding_size": 32},
    "distilbert": {
        "dim": 32,
        "n_layers": 2,
        "n_heads": 4,
        "hidden_dim": 64,
        "max_position_embeddings": 64,
    },
    "electra": {**_BERT, "embedding_size": 16},
    "esm": {**_BERT, "position_embedding_type": "rotary", "token_dropout": True},
    "eurobert": {
        **_BERT,
        "num_key_value_heads": 2,
        "mlp_bias": True,
        "pad_token_id": 1,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "mask_token_id": 4,
    },
    "flaubert": _XLM,
    "funnel": {
        "d_model": 32,
        "n_head": 4,
        "d_head": 8,
        "d_inner": 64,
        "block_sizes": [1, 1],
        "num_decoder_layers": 1,
    },
    "longformer": {**_BERT, "attention_window": 8},
    "mobilebert": {
        **_BERT,
        "embedding_size": 16,
        "intra_bottleneck_size": 16,
        "num_feedforward_networks": 2,
    },
    "modernbert": {
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
        "local_attention": 8,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "cls_token_id": 2,
        "sep_token_id": 3,
    },
    "rembert": {**_BERT, "input_embedding_size": 16, "output_embedding_size": 24},
    "roformer": {**_BERT, "embedding_size": 16},
    "xlm": _XLM,
}


def small_config(architecture: str, vocab_size: int = 99, **overrides: Any) -> Any:
    """A config of two layers and 32 hidden units."""
    options = {**_OWN.get(architecture, _BERT), "vocab_size": vocab_size}
    if architecture in ("flaubert", "xlm"):
        options["n_words"] = options.pop("vocab_size")
    if architecture == "esm":
        options |= {"mask_token_id": 4, "pad_token_id": 1}
    return CONFIG_MAPPING[architecture](**{**options, **overrides})


def small_model(architecture: str, vocab_size: int = 99, seed: int = 0, **overrides: Any) -> Any:
    """A built TF masked LM whose weights are all random, biases and norms too."""
    model = TFAutoModelForMaskedLM.from_config(small_config(architecture, vocab_size, **overrides))
    model.build_in_name_scope()
    generator = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(generator.normal(0.0, 0.1, weight.shape) + (weight.numpy() == 1.0))
    return model
