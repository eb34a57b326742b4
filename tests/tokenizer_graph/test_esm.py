"""ESM's tokenizer, which has no Rust counterpart, against transformers."""

import itertools
import random

import numpy as np
import pytest
import tensorflow as tf
from transformers import AddedToken, EsmTokenizer

import tfmlm
from tests.small_models import small_model
from tfmlm.errors import UnsupportedTokenizerError, UserError

VOCAB = (
    "<cls> <pad> <eos> <unk> L A G V S E R T I D P K Q N F Y M H W C X B U Z O . - <null_1> <mask>"
)


@pytest.fixture
def esm(tmp_path):
    (tmp_path / "vocab.txt").write_text(VOCAB.replace(" ", "\n"))
    return EsmTokenizer(str(tmp_path / "vocab.txt"))


def test_ids_pairs_and_decoding(esm):
    graph = tfmlm.GraphTokenizer.from_tokenizer(esm)
    rng = random.Random(0)
    parts = [*VOCAB.split(), *"lagx \t\x1c\x1f\x85\u3000<>|1", "  ", "MKTAYIAK", "<MASK>", "é"]
    texts = ["".join(rng.choices(parts, k=rng.randint(0, 15))) for _ in range(4000)]
    want = esm(texts)["input_ids"]
    assert graph.tokenize(texts).to_list() == want
    decoded = graph.decode(tf.ragged.constant(want, dtype=tf.int32)).numpy().tolist()
    assert decoded == [esm.decode(row, skip_special_tokens=True).encode() for row in want]
    pairs = esm(texts[:50], texts[50:100], padding=True, return_tensors="np")
    got = graph(texts[:50], texts[50:100])
    for key in pairs:
        assert (got[key].numpy() == pairs[key]).all(), key


def test_k_mers_of_dna_without_an_end_token(tmp_path):
    """Nucleotide Transformer's first version: 6-mers, then single letters; no <eos>."""
    rng = random.Random(1)
    mers = ["".join(mer) for mer in itertools.product("ATCG", repeat=6)]
    vocab = ["<unk>", "<pad>", "<mask>", "<cls>", *mers, *"ATCGN"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocab))
    dna = EsmTokenizer(str(tmp_path / "vocab.txt"), eos_token=None)
    graph = tfmlm.GraphTokenizer.from_tokenizer(dna)
    parts = [*"ATCG" * 8, "N", " ", "<mask>", "x", *rng.sample(mers, 8)]
    texts = ["".join(rng.choices(parts, k=rng.randint(0, 40))) for _ in range(800)]
    assert graph.tokenize(texts).to_list() == dna(texts)["input_ids"]
    with pytest.raises(UserError, match="takes no pairs"):
        graph(["A"], ["C"])


def test_an_export_takes_texts_and_answers_as_the_model(esm, tmp_path):
    """The tokenizer is in its graph, although transformers has no fast one."""
    model = small_model("esm", len(VOCAB.split()), mask_token_id=esm.mask_token_id)
    tfmlm.export_saved_model(model, esm, tmp_path / "export", max_length=32)
    text = "MKT<mask>YIAKQR"
    ids = esm(text, return_tensors="tf")
    scores = tf.nn.softmax(model(ids).logits[0, 4]).numpy()
    (found,) = tfmlm.load(tmp_path / "export")([text], top_k=3)
    special = set(esm.all_special_ids)
    best = [int(token) for token in np.argsort(-scores) if int(token) not in special][:3]
    shown = [answer for answer in found if answer["token"] not in special]
    assert [answer["token"] for answer in shown] == best[: len(shown)] and shown
    for answer in found:
        assert answer["score"] == pytest.approx(float(scores[answer["token"]]), rel=1e-4)
        assert answer["token_str"] == esm.convert_ids_to_tokens(answer["token"])


def test_flags_that_python_and_rust_read_differently_are_refused(esm):
    esm.add_tokens([AddedToken("QQ", lstrip=True)])
    with pytest.raises(UnsupportedTokenizerError, match="added_tokens"):
        tfmlm.GraphTokenizer.from_tokenizer(esm)
