"""Encoder and masked-LM head apart: logits where they are wanted, for every architecture."""

from tfmlm.mlm_head.masked_positions import base_layer, masked_logits

__all__ = ["base_layer", "masked_logits"]
