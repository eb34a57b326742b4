"""SentencePiece's own character maps, taken out of models that its library trains in an instant."""

from __future__ import annotations

import base64
import functools
import io

import sentencepiece
from transformers.utils import sentencepiece_model_pb2_new as model_pb2


@functools.lru_cache
def charsmap(rule: str = "nmt_nfkc") -> str:
    """The map of a normalization rule, in base64 as in `tokenizer.json`."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["hello world", "another line of text"] * 20),
        model_writer=model,
        vocab_size=100,
        hard_vocab_limit=False,
        normalization_rule_name=rule,
        minloglevel=5,
    )
    spec = model_pb2.ModelProto.FromString(model.getvalue()).normalizer_spec
    return base64.b64encode(spec.precompiled_charsmap).decode()
