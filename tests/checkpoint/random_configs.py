"""Random configs of every family, for a comparison with PyTorch: every switch that it obeys."""

from __future__ import annotations

from random import Random
from typing import Any

VOCABULARY = 99
_ACTIVATIONS = (
    *("gelu", "gelu", "gelu_new", "relu", "silu", "quick_gelu", "gelu_fast", "mish", "gelu_10"),
    *("gelu_python", "gelu_pytorch_tanh", "gelu_accurate", "linear", "relu2", "relu6", "tanh"),
    *("leaky_relu", "sigmoid", "swish"),
)
_ABSOLUTE = ("absolute",) * 8 + ("relative_key", "relative_key_query")

_BERT: dict[str, tuple[Any, ...]] = {
    "hidden_size": (32,),
    "num_hidden_layers": (1, 2),
    "num_attention_heads": (2, 4),
    "intermediate_size": (48,),
    "max_position_embeddings": (40,),
    "hidden_act": _ACTIVATIONS,
    "layer_norm_eps": (1e-12, 1e-5, 0.1),
    "type_vocab_size": (2, 1, 3),
    "pad_token_id": (0, 1, 5),
    "tie_word_embeddings": (True, True, False),
    "chunk_size_feed_forward": (0, 0, 4),
    "is_decoder": (False,) * 19 + (True,),
    "add_cross_attention": (False,) * 19 + (True,),
    "output_hidden_states": (False, False, True),
    "output_attentions": (False, False, True),
    "return_dict": (True, True, True, False),
    "torch_dtype": ("float32", "float32", "bfloat16", "float16"),
    "pruned_heads": ({},) * 19 + ({0: [1]},),
}
_RELATIVE = {**_BERT, "position_embedding_type": _ABSOLUTE}
_XLM: dict[str, tuple[Any, ...]] = {
    "emb_dim": (32,),
    "n_layers": (1, 2),
    "n_heads": (2, 4),
    "max_position_embeddings": (40,),
    "gelu_activation": (True, False),
    "sinusoidal_embeddings": (False, False, False, True),
    "causal": (False,) * 9 + (True,),
    "asm": (False,) * 19 + (True,),
    "n_langs": (1, 1, 3),
    "use_lang_emb": (True, False),
    "layer_norm_eps": (1e-12, 0.1),
    "pad_index": (2, 5),
    "is_encoder": (True,) * 9 + (False,),
    "tie_word_embeddings": (True, True, False),
    "embed_init_std": (0.02, 0.1),
}
_DEBERTA = {
    **{k: v for k, v in _BERT.items() if k not in ("add_cross_attention", "is_decoder")},
    "type_vocab_size": (0, 2),
    "relative_attention": (True, False),
    "max_relative_positions": (-1, 8, 64),
    "position_biased_input": (True, False),
    "pos_att_type": (["p2c", "c2p"], ["c2p"], ["p2c"], "c2p|p2c", []),
    "embedding_size": (32, 32, 32, 16),
    "legacy": (True, True, True, False),
}
SWITCHES: dict[str, dict[str, tuple[Any, ...]]] = {
    "albert": {
        **_RELATIVE,
        "embedding_size": (16, 32),
        "num_hidden_groups": (1, 2),
        "inner_group_num": (1, 2),
        "num_hidden_layers": (2,),
    },
    "bert": _RELATIVE,
    "camembert": _RELATIVE,
    "convbert": {
        **_BERT,
        "embedding_size": (32, 16),
        "head_ratio": (2, 2, 2, 1),
        "conv_kernel_size": (9, 5),
        "num_groups": (1, 2),
        "num_attention_heads": (4,),
    },
    "deberta": {**_DEBERTA, "talking_head": (False, False, True)},
    "deberta-v2": {
        **_DEBERTA,
        "position_buckets": (-1, 8),
        "norm_rel_ebd": ("none", "layer_norm"),
        "share_att_key": (False, True),
        "conv_kernel_size": (0, 3),
        "conv_act": ("tanh", "gelu"),
        "conv_groups": (1, 2),
        "attention_head_size": (8, 16),
        "z_steps": (0, 0, 0, 2),
    },
    "distilbert": {
        "dim": (32,),
        "n_layers": (1, 2),
        "n_heads": (2, 4),
        "hidden_dim": (48,),
        "max_position_embeddings": (40,),
        "activation": ("gelu", "relu", "silu"),
        "sinusoidal_pos_embds": (False, True),
        "tie_word_embeddings": (True, False),
        "pad_token_id": (0, 5),
        "chunk_size_feed_forward": (0, 4),
        "output_hidden_states": (False, True),
        "return_dict": (True, True, False),
        "torch_dtype": ("float32", "float16"),
        "pruned_heads": ({},) * 5 + ({0: [1]},),
    },
    "electra": {**_RELATIVE, "embedding_size": (16, 32)},
    "esm": {
        **{k: v for k, v in _BERT.items() if k not in ("hidden_act", "type_vocab_size")},
        "position_embedding_type": ("rotary", "absolute", "absolute", "relative_key"),
        "emb_layer_norm_before": (False, True),
        "token_dropout": (True, False),
        "pad_token_id": (1, 5),
        "mask_token_id": (4, 90),
        "tie_word_embeddings": (True, False),
    },
    "flaubert": {**_XLM, "pre_norm": (False, True), "layerdrop": (0.0, 0.5)},
    "funnel": {
        "d_model": (32,),
        "n_head": (2, 4),
        "d_head": (8,),
        "d_inner": (48,),
        "block_sizes": ([1, 1], [2], [1, 1, 1]),
        "block_repeats": (None, None, "two"),
        "num_decoder_layers": (1, 2, 0),
        "hidden_act": ("gelu_new", "relu"),
        "pooling_type": ("mean", "max"),
        "attention_type": ("relative_shift", "factorized"),
        "separate_cls": (True, False),
        "truncate_seq": (True, False),
        "pool_q_only": (True, False),
        "layer_norm_eps": (1e-9, 0.1),
        "tie_word_embeddings": (True, False),
        "pad_token_id": (0, 5),
    },
    "layoutlm": {**_RELATIVE, "max_2d_position_embeddings": (64, 1024)},
    "longformer": {
        **{k: v for k, v in _BERT.items() if k not in ("is_decoder", "add_cross_attention")},
        "attention_window": (4, 8, [4]),
        "pad_token_id": (1, 0, 5),
        "num_hidden_layers": (1,),
    },
    "mobilebert": {
        **_BERT,
        "embedding_size": (16, 32),
        "intra_bottleneck_size": (16,),
        "num_feedforward_networks": (1, 3),
        "trigram_input": (True, False),
        "use_bottleneck": (True, True, False),
        "use_bottleneck_attention": (False, True),
        "key_query_shared_bottleneck": (True, False),
        "normalization_type": ("no_norm", "layer_norm"),
        "classifier_activation": (True, False),
    },
    "mpnet": {**_BERT, "relative_attention_num_buckets": (32, 8), "pad_token_id": (1, 0)},
    "rembert": {
        **_BERT,
        "input_embedding_size": (16, 24),
        "output_embedding_size": (24, 40),
    },
    "roberta": _RELATIVE,
    "roberta-prelayernorm": _RELATIVE,
    "roformer": {**_BERT, "embedding_size": (16, 32), "rotary_value": (False, True)},
    "tapas": {
        **{k: v for k, v in _BERT.items() if k != "type_vocab_size"},
        "type_vocab_sizes": ([3, 256, 256, 2, 256, 256, 10], [3, 8, 8, 2, 8, 8, 4]),
        "reset_position_index_per_cell": (True, False),
    },
    "xlm": _XLM,
    "xlm-roberta": _RELATIVE,
}


def random_config(seed: int) -> tuple[str, dict[str, Any]]:
    """A family and settings of its config; the families take turns."""
    rng = Random(seed)
    family = sorted(SWITCHES)[seed % len(SWITCHES)]
    settings: dict[str, Any] = {}
    for name, values in SWITCHES[family].items():
        settings[name] = values[0] if rng.random() < 0.4 else rng.choice(values)
    settings["n_words" if family in ("flaubert", "xlm") else "vocab_size"] = VOCABULARY
    if settings.pop("block_repeats", None):
        settings["block_repeats"] = [2] * len(settings["block_sizes"])
    if settings.get("add_cross_attention"):
        settings["is_decoder"] = True
    if not settings.get("legacy", True):  # as PyTorch's code demands
        settings |= {"tie_word_embeddings": False, "embedding_size": 32}
    return family, settings
