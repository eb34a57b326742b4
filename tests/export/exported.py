"""Exports that several test modules share, each made once a run."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import tfmlm
from tests.real_data import bert_uncased_dir, english_texts, multilingual_texts
from tests.shared import made_once
from tests.small_models import small_model


@dataclass(frozen=True)
class Exported:
    """A model, its tokenizer, and the version folder of their export."""

    model: Any
    tokenizer: Any
    path: Path


def bert_checkpoint() -> Path:
    """A small random BERT with the real vocabulary, whose words depend on their context."""
    return made_once("bert", _save_bert)


def _save_bert(folder: Path) -> None:
    from transformers import BertTokenizerFast

    tokenizer = BertTokenizerFast.from_pretrained(bert_uncased_dir())
    tokenizer.model_max_length = 512
    model = small_model("bert", len(tokenizer), max_position_embeddings=512)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@functools.cache
def bert() -> Exported:
    """The export of `bert_checkpoint`."""
    return exported("bert-export", bert_checkpoint())


@functools.cache
def int8_bert() -> Exported:
    """The export of `bert_checkpoint` in 8-bit integers."""
    return exported("bert-int8", bert_checkpoint(), dtype="int8", min_agreement=0.5)


def exported(name: str, checkpoint: Path, **settings: Any) -> Exported:
    """A checkpoint, loaded, and its export, which one worker of the run makes."""
    from tfmlm.checkpoint.load import load_model, load_tokenizer

    model, tokenizer = load_model(checkpoint), load_tokenizer(checkpoint)
    folder = made_once(
        name, lambda folder: tfmlm.export_saved_model(model, tokenizer, folder, **settings)
    )
    return Exported(model, tokenizer, folder / "1")


@functools.cache
def loaded_bert() -> Any:
    """`bert` in a session."""
    return tfmlm.load(bert().path)


@functools.cache
def bert_in_python() -> tuple[Any, Any]:
    """`bert`, the whole graph, in a session of TensorFlow's Python; and its signatures."""
    import tensorflow as tf

    path = str(bert().path)  # made, if need be, outside of the graph
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        meta = tf.compat.v1.saved_model.load(session, ["serve"], path)
    return session, meta.signature_def


def refused_checkpoint() -> Path:
    """A small BERT whose tokenizer has a component that is not compiled: it exports quickly."""
    return made_once("refused", _save_refused)


def _save_refused(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "dog", "Paris", "is", "the"]
    merges: list[tuple[str, str]] = []
    rust = Tokenizer(
        models.BPE({w: i for i, w in enumerate(words)}, merges, dropout=0.5, unk_token="[UNK]")
    )
    rust.pre_tokenizer = pre_tokenizers.Whitespace()
    rust.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=rust,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    small_model("bert", len(words)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def masked_texts(count: int, mask: str, masks: int = 1, seed: int = 0) -> list[str]:
    """Real texts in many languages, words of each replaced by masks; at most 300 characters."""
    generator = np.random.default_rng(seed)
    half = count // 2
    sources = [*english_texts(4 * half), *multilingual_texts(8 * count)]
    picked = []
    for index in generator.permutation(len(sources)):
        words = sources[index][:300].split(" ")
        if len(words) <= masks or mask in sources[index]:
            continue
        for place in generator.choice(len(words), masks, replace=False):
            words[place] = mask
        picked.append(" ".join(words))
        if len(picked) == count:
            return picked
    raise AssertionError(f"only {len(picked)} texts of {count}")


def pipeline(exported: Exported) -> Any:
    """transformers' own pipeline; its model's calls are traced once, which makes them quick."""
    import tensorflow as tf
    from transformers import FillMaskPipeline

    class Pipeline(FillMaskPipeline):
        """Runs the model as a graph; everything else is the parent's."""

        def _forward(self, model_inputs):
            ids = model_inputs["input_ids"]
            return {"logits": call(**model_inputs), "input_ids": ids}

    names = exported.tokenizer.model_input_names
    signature = [tf.TensorSpec([1, None], tf.int32, name=name) for name in names]

    def run(*tensors):
        return exported.model(dict(zip(names, tensors, strict=True))).logits

    graph = tf.function(run, input_signature=signature)

    def call(**inputs):
        return graph(*(inputs[name] for name in names))

    return Pipeline(model=exported.model, tokenizer=exported.tokenizer, framework="tf")


def assert_several_masks_equal(
    tokenizer: Any, text: str, masks: list[list[dict[str, Any]]], expected: list[Any]
) -> None:
    """Fails unless tokens and scores are the pipeline's and sequences what the contract says.

    The pipeline keeps special tokens in sequences of several masks; the export keeps masks alone.
    """
    ids = np.array(tokenizer(text)["input_ids"])
    places = np.nonzero(ids == tokenizer.mask_token_id)[0]
    kept = ~np.isin(ids, tokenizer.all_special_ids) | (ids == tokenizer.mask_token_id)
    for place, items, reference in zip(places, masks, expected, strict=True):
        assert [i["token"] for i in items] == [i["token"] for i in reference]
        for item in items:
            filled = np.where(np.arange(len(ids)) == place, item["token"], ids)
            drop = np.isin(item["token"], tokenizer.all_special_ids)
            rest = kept & ~(drop & (np.arange(len(ids)) == place))
            assert item["sequence"] == tokenizer.decode(filled[rest])
        np.testing.assert_allclose(
            [i["score"] for i in items], [i["score"] for i in reference], atol=1e-5, rtol=1e-4
        )


def assert_items_equal(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Fails unless the items are the pipeline's: all strings equal, scores within 1e-5."""
    for name in ("token", "token_str", "sequence"):
        assert [i[name] for i in found] == [i[name] for i in expected]
    scores, others = ([i["score"] for i in items] for items in (found, expected))
    np.testing.assert_allclose(scores, others, atol=1e-5, rtol=1e-4)
