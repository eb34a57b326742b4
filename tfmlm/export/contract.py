"""What an export promises: its signatures, and what counts where nobody says otherwise.

What writes the graph and what judges it both take this from here, and nothing else.
"""

from __future__ import annotations

DEFAULT_TOP_K = 5
DEFAULT_MAX_TEXT_BYTES = 65_536

_TEXT = {
    "score": ("float32", 3),
    "token": ("int32", 3),
    "token_str": ("string", 3),
    "sequence": ("string", 3),
    "mask_count": ("int32", 1),
    "filled": ("string", 1),
    "status": ("string", 1),
}
_TOKENS = {"input_ids": ("int32", 2), "attention_mask": ("int32", 2)}

#: Signature -> its inputs and outputs, as DType names and ranks.
SIGNATURES: dict[str, tuple[dict[str, tuple[str, int]], dict[str, tuple[str, int]]]] = {
    "serving_default": ({"text": ("string", 1)}, _TEXT),
    "fill_mask_top_k": ({"text": ("string", 1), "top_k": ("int32", 1)}, _TEXT),
    "fill_mask_targets": (
        {"text": ("string", 1), "targets": ("string", 2)},
        {**_TEXT, "target_exact": ("bool", 2)},
    ),
    "fill_mask_ids": (
        _TOKENS,
        {"score": ("float32", 3), "token": ("int32", 3), "mask_position": ("int32", 2)},
    ),
    "tokenize": ({"text": ("string", 1)}, _TOKENS),
    "score_text": (
        {"text": ("string", 1)},
        {
            "token": ("int32", 2),
            "token_str": ("string", 2),
            "score": ("float32", 2),
            "pseudo_log_likelihood": ("float32", 1),
            "start": ("int32", 2),
            "end": ("int32", 2),
            "start_byte": ("int32", 2),
            "end_byte": ("int32", 2),
            "token_count": ("int32", 1),
            "status": ("string", 1),
        },
    ),
}
