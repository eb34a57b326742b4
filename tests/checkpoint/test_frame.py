"""What stands around a text: the fast tokenizer's own ids and types, whatever its vocabulary."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import EsmTokenizer, PreTrainedTokenizerFast

import tfmlm
from tests.small_models import small_model
from tests.tokenizer_graph.trained import bert_uncased, roberta
from tfmlm.checkpoint.frame import Frame, frame_of, skipped_ids
from tfmlm.cli._fill_targets import open_target
from tfmlm.data.packing import ID_MASK, TYPE_SHIFT, Encoder, packed_frame, plain_backend
from tfmlm.errors import UserError
from tfmlm.export.encoder.predictor import TokenTypes
from tfmlm.score.scorers import open_scorer

SPECIAL = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "<lang>", "<end>"]
WORDS = "北京是中国的首都城市人口很多"
TEXTS = ["北京是中国", "的", "城市人口很多北京是中国的首都", ""]


def template(single: str) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(
        single=single, special_tokens=[(t, i) for i, t in enumerate(SPECIAL)]
    )


POST_PROCESSORS = {
    "none": None,
    "one before": template("[CLS] $A"),
    "one behind": template("$A [SEP]"),
    "one on each side": template("[CLS] $A [SEP]"),
    "two on each side": template("[CLS] <lang> $A [SEP] <end>"),
    "types": template("[CLS]:2 <lang>:1 $A:1 [SEP]:3 <end>:0"),
    "bert": processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1)),
    "roberta": processors.RobertaProcessing(("[SEP]", 2), ("[CLS]", 1)),
    "sequence": processors.Sequence([processors.ByteLevel(), template("[CLS] $A [SEP]:1")]),
}
MODELS = {
    "BPE": lambda words: models.BPE({w: i for i, w in enumerate(words)}, []),
    "Unigram": lambda words: models.Unigram([(w, -float(i)) for i, w in enumerate(words)]),
    "WordLevel": lambda words: models.WordLevel({w: i for i, w in enumerate(words)}),
    "WordPiece": lambda words: models.WordPiece(
        {w: i for i, w in enumerate(words)}, unk_token="[PAD]"
    ),
}


@functools.cache
def made(model: str, post_processor: str) -> PreTrainedTokenizerFast:
    """A tokenizer of Chinese characters, without "a", without an unknown token, whose `<lang>`
    and `<end>` are special in its file and unknown to transformers."""
    rust = Tokenizer(MODELS[model]([*SPECIAL, *dict.fromkeys(WORDS)]))
    rust.pre_tokenizer = pre_tokenizers.Split("", "isolated") if model == "WordLevel" else None
    rust.add_special_tokens(SPECIAL)
    rust.post_processor = POST_PROCESSORS[post_processor]
    return PreTrainedTokenizerFast(
        tokenizer_object=rust,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=32,
    )


def cases() -> Iterator[Any]:
    for model in MODELS:
        for post_processor in POST_PROCESSORS:
            yield pytest.param(
                functools.partial(made, model, post_processor), id=f"{model}, {post_processor}"
            )
    yield pytest.param(bert_uncased, id="bert-base-uncased")
    yield pytest.param(roberta, id="roberta")


@pytest.mark.parametrize("tokenizer", cases())
def test_blocks_and_windows_have_the_fast_tokenizers_ids_and_types(tokenizer: Any) -> None:
    fast = tokenizer()
    frame, packed, encoder = frame_of(fast), packed_frame(fast), Encoder(fast, False)
    backend = plain_backend(fast)
    for text, content in zip(TEXTS, encoder(TEXTS), strict=True):
        expected = backend.encode(text)
        row = packed.wrap(content)
        assert (row & ID_MASK).tolist() == expected.ids == fast(text)["input_ids"]
        assert (row >> TYPE_SHIFT).tolist() == expected.type_ids
        inside = len(expected.ids) - len(frame)
        types = [*frame.before_types, *[frame.text_type] * inside, *frame.behind_types]
        assert types == expected.type_ids
    assert packed.prefix == tuple(
        i | t << TYPE_SHIFT for i, t in zip(frame.before, frame.before_types, strict=True)
    )
    batch = fast(TEXTS[:3], padding=True, return_tensors="np", return_token_type_ids=True)
    mask = batch["attention_mask"].astype(np.int32)
    found = TokenTypes(frame)(tf.constant(mask)).numpy()
    np.testing.assert_array_equal(found * mask, batch["token_type_ids"] * mask)


def test_of_the_tokenizers_written_in_python(tmp_path: Path) -> None:
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("<cls>\n<pad>\n<eos>\n<unk>\nL\nA\n<mask>\n")
    esm = EsmTokenizer(str(vocabulary))
    assert frame_of(esm) == Frame((0,), (2,), (0,), (0,), 0)
    assert esm("LA")["input_ids"] == [0, 4, 5, 2]


def test_decoding_skips_what_the_file_says() -> None:
    fast = made("BPE", "two on each side")
    assert fast.all_special_ids != list(skipped_ids(fast))
    everything = list(range(len(fast)))
    kept = [i for i in everything if i not in skipped_ids(fast)]
    assert fast.decode(everything, skip_special_tokens=True) == fast.decode(kept)


def test_what_is_no_frame_is_refused() -> None:
    for single in ("[CLS] [SEP]", "[CLS] $A [SEP] $A"):
        fast = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"x": 0})))
        fast.backend_tokenizer.post_processor = template(single)
        with pytest.raises(UserError, match="post-processor has a template"):
            frame_of(fast)
    fast.backend_tokenizer.post_processor = template("[CLS]:4 $A")
    with pytest.raises(UserError, match="token type 4"):
        packed_frame(fast)


def test_export_filling_and_scoring_see_the_text_in_its_frame(tmp_path: Path) -> None:
    fast = made("BPE", "types")
    model = small_model("bert", len(fast), type_vocab_size=4)
    tfmlm.export_saved_model(model, fast, tmp_path / "export")
    checkpoint = tmp_path / "checkpoint"
    model.save_pretrained(checkpoint)
    fast.save_pretrained(checkpoint)
    texts = ["北京是[MASK]国", "[MASK]", "城市人口很[MASK]"]
    filled = [
        tfmlm.load(tmp_path / "export")(texts),
        list(
            open_target(str(checkpoint), None, lambda mask: None).fill_each(
                texts, 5, None, errors="raise", on_rows=lambda rows: None
            )
        ),
    ]
    for number, text in enumerate(texts):
        batch = fast(text, return_tensors="tf", return_token_type_ids=True)
        place = batch["input_ids"][0].numpy().tolist().index(fast.mask_token_id)
        probabilities = tf.nn.softmax(model(batch).logits[0, place]).numpy()
        order = np.argsort(-probabilities)[:5]
        for answers in filled:
            assert [item["token"] for item in answers[number]] == order.tolist()
            scores = [item["score"] for item in answers[number]]
            np.testing.assert_allclose(scores, probabilities[order], atol=1e-6)
            sequence = batch["input_ids"][0].numpy()
            sequence[place] = order[0]
            assert answers[number][0]["sequence"] == fast.decode(sequence, skip_special_tokens=True)
    ids = fast(texts[2].replace("[MASK]", "多"), return_tensors="tf", return_token_type_ids=True)
    place = len(ids["input_ids"][0]) - len(frame_of(fast).behind) - 1
    own = int(ids["input_ids"][0, place])
    masked = tf.tensor_scatter_nd_update(ids["input_ids"], [[0, place]], [fast.mask_token_id])
    expected = tf.nn.log_softmax(model({**ids, "input_ids": masked}).logits[0, place])[own]
    for target in (tmp_path / "export", checkpoint):
        (scored,) = open_scorer(target).score(["城市人口很多"])
        np.testing.assert_allclose(scored.score[-1], expected, atol=1e-5)
