"""ESM's tokenizer, which has no Rust counterpart, against transformers."""

import random

import pytest
import tensorflow as tf
from transformers import AddedToken, EsmTokenizer

import tfmlm
from tfmlm.errors import UnsupportedTokenizerError

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


def test_flags_that_python_and_rust_read_differently_are_refused(esm):
    esm.add_tokens([AddedToken("QQ", lstrip=True)])
    with pytest.raises(UnsupportedTokenizerError, match="added_tokens"):
        tfmlm.GraphTokenizer.from_tokenizer(esm)
