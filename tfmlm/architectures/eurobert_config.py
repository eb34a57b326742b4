"""EuroBERT's config: transformers 4.57 has none, version 5 writes `rope_parameters`."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

from tfmlm.architectures.rotary import require_default_rope
from tfmlm.errors import UserError


class EuroBertConfig(PretrainedConfig):
    """Fields and defaults of transformers 5, with the base of rotary embeddings as `rope_theta`.

    That name is read by version 5 and by the code on the Hub alike; `rope_parameters` is taken too.
    """

    model_type = "eurobert"

    def __init__(
        self,
        vocab_size: int = 128256,
        hidden_size: int = 768,
        intermediate_size: int = 3072,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 12,
        num_key_value_heads: int | None = None,
        hidden_act: str = "silu",
        max_position_embeddings: int = 8192,
        initializer_range: float = 0.02,
        rms_norm_eps: float = 1e-05,
        pad_token_id: int | None = 128001,
        bos_token_id: int | None = 128000,
        eos_token_id: int | None = 128001,
        mask_token_id: int | None = 128002,
        tie_word_embeddings: bool = False,
        rope_theta: float = 10000.0,
        rope_parameters: dict[str, Any] | None = None,
        rope_scaling: dict[str, Any] | None = None,
        attention_bias: bool = False,
        attention_dropout: float = 0.0,
        mlp_bias: bool = False,
        head_dim: int | None = None,
        classifier_pooling: str = "late",
        **kwargs: Any,
    ) -> None:
        """Takes the fields of either form.

        Raises:
            UserError: rotary embeddings of another type than the default.
        """
        require_default_rope(rope_scaling, "rope_scaling")
        require_default_rope(rope_parameters, "rope_parameters")
        theta = (rope_parameters or {}).get("rope_theta")
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads or num_attention_heads
        self.hidden_act = hidden_act
        self.max_position_embeddings = max_position_embeddings
        self.initializer_range = initializer_range
        self.rms_norm_eps = rms_norm_eps
        self.mask_token_id = mask_token_id
        self.rope_theta = float(rope_theta if theta is None else theta)
        self.attention_bias = attention_bias
        self.attention_dropout = attention_dropout
        self.mlp_bias = mlp_bias
        self.head_dim = head_dim
        self.classifier_pooling = classifier_pooling
        super().__init__(
            pad_token_id=pad_token_id,
            bos_token_id=bos_token_id,
            eos_token_id=eos_token_id,
            tie_word_embeddings=tie_word_embeddings,
            **kwargs,
        )


def head_width(config: EuroBertConfig) -> int:
    """Size of a head's vector.

    Raises:
        UserError: numbers of heads and sizes that do not fit together.
    """
    if config.hidden_size % config.num_attention_heads:
        raise UserError(
            f"hidden_size {config.hidden_size} is not a multiple of num_attention_heads "
            f"{config.num_attention_heads}"
        )
    if config.num_attention_heads % config.num_key_value_heads:
        raise UserError(
            f"num_attention_heads {config.num_attention_heads} is not a multiple of "
            f"num_key_value_heads {config.num_key_value_heads}"
        )
    width = config.head_dim or config.hidden_size // config.num_attention_heads
    if width % 2:
        raise UserError(f"a head's size is {width}; it must be even for rotary embeddings")
    return int(width)
