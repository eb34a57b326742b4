"""Whole tokenizers: real vocabularies, real and hostile text, every way to run a graph."""

import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import AddedToken

import tfmlm
from tests.tokenizer_graph import trained
from tests.tokenizer_graph.parity import assert_ids_equal, differences, untruncated
from tests.tokenizer_graph.texts import long_real_texts, mixed
from tfmlm.errors import UserError
from tfmlm.tokenizer_graph import hostile

NAMES = list(trained.TOKENIZERS)
TEXTS = ["Paris is the [MASK] of <mask>.", "", "  [MASK][MASK] x", "Größe 漢字 e\u0301 <mask>", "a"]


@pytest.fixture(scope="module")
def graphs():
    made = {}

    def get(name):
        if name not in made:
            made[name] = tfmlm.GraphTokenizer.from_tokenizer(trained.TOKENIZERS[name]())
        return made[name]

    return get


class Compiled:
    """`tokenize` as a `tf.function`, traced once."""

    def __init__(self, graph):
        self.tokenize = tf.function(
            graph.tokenize, input_signature=[tf.TensorSpec([None], tf.string)]
        )


@pytest.mark.parametrize("name", NAMES)
def test_ids_equal_rust(graphs, name):
    rust = trained.TOKENIZERS[name]().backend_tokenizer
    texts = [*mixed(31, 6000), *hostile.long_texts(), *long_real_texts()]
    texts += hostile.invalid_utf8(32, 2000, texts)
    assert_ids_equal(Compiled(graphs(name)), rust, texts)


@pytest.mark.parametrize("name", ["bert_uncased", "roberta"])
def test_every_code_point_in_four_contexts(graphs, name):
    """Those of planes where Unicode has assigned nothing come 16 to a text, in two contexts."""
    rust = trained.TOKENIZERS[name]().backend_tokenizer
    assigned, others = [], []
    for text in hostile.every_codepoint("{}"):
        assigned_plane = ord(text) >> 16 in (0, 1, 2, 3, 14)
        (assigned if assigned_plane else others).append(text)
    four = " ".join(hostile.CONTEXTS)
    texts = [four.replace("{}", text) for text in assigned]
    for start in range(0, len(others), 16):
        texts.append(" ".join(f"a{text}b {text}" for text in others[start : start + 16]))
    assert_ids_equal(Compiled(graphs(name)), rust, texts)


@pytest.mark.parametrize("name", NAMES)
def test_mask_and_added_tokens_in_every_position(graphs, name):
    tokenizer = trained.TOKENIZERS[name]()
    tokens = [*tokenizer.get_added_vocab(), "[MASK]", "[mask]"][:12]
    company = ["", " ", "a", "  ", "a ", " a", ".", "\n", "\u00a0", "é", "\u0301", "[", "]"]
    texts = [a + t + b for t in tokens for a in company for b in company]
    texts += [a + b + c for a in tokens for b in company for c in tokens]
    assert_ids_equal(Compiled(graphs(name)), tokenizer.backend_tokenizer, texts)


@pytest.mark.parametrize("name", NAMES)
def test_decode_equals_transformers(graphs, name):
    tokenizer, graph = trained.TOKENIZERS[name](), graphs(name)
    rng = random.Random(33)
    rows = [
        [rng.randrange(graph.vocab_size) for _ in range(rng.randint(0, 10))] for _ in range(1500)
    ]
    rust = untruncated(tokenizer.backend_tokenizer)
    rows += [encoding.ids for encoding in rust.encode_batch(mixed(34, 1000))]
    ragged = tf.ragged.constant(rows, dtype=tf.int32)
    for skip in (True, False):
        for clean in (True, False):
            got = graph.decode(ragged, skip, clean).numpy().tolist()
            want = [
                tokenizer.decode(
                    row, skip_special_tokens=skip, clean_up_tokenization_spaces=clean
                ).encode()
                for row in rows
            ]
            assert got == want
    assert graph.decode(rows[-1]).numpy() == tokenizer.decode(rows[-1], True).encode()


def test_decode_leaves_out_ids_that_no_token_has(graphs):
    graph = graphs("bert_uncased")
    ids = tf.constant([[7592, -1, 10**6, 2088], [-7, 7592, 0, 0]])
    assert graph.decode(ids).numpy().tolist() == [b"hello world", b"hello"]
    assert graph.decode([7592]).numpy() == b"hello"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("max_length", [None, 2 + 2, 7, 16])
def test_call_equals_transformers(graphs, name, max_length):
    tokenizer, graph = trained.TOKENIZERS[name](), graphs(name)
    first, second = mixed(35, 60), mixed(36, 60)
    truncate = {} if max_length is None else {"truncation": True, "max_length": max_length}
    for pair in (None, second):
        want = tokenizer(first, pair, padding="longest", return_tensors="np", **truncate)
        got = graph(first, pair, max_length=max_length)
        assert got.keys() == want.keys()
        for key in want:
            np.testing.assert_array_equal(got[key].numpy(), want[key], err_msg=key)
        if pair is None and max_length is None:
            alone = graph.padded_ids(first)
            assert sorted(alone) == ["attention_mask", "input_ids"]
            for key, values in alone.items():
                np.testing.assert_array_equal(values.numpy(), want[key], err_msg=key)


def test_left_padding_and_truncation():
    tokenizer = trained.bert_cased.__wrapped__()
    tokenizer.padding_side = tokenizer.truncation_side = "left"
    graph = tfmlm.GraphTokenizer.from_tokenizer(tokenizer)
    texts = mixed(37, 40)
    want = tokenizer(texts, padding="longest", truncation=True, max_length=8, return_tensors="np")
    got = graph(texts, max_length=8)
    for key in want:
        np.testing.assert_array_equal(got[key].numpy(), want[key], err_msg=key)


def test_padding_to_a_multiple_and_to_max_length(graphs):
    graph = graphs("bert_uncased")
    assert graph(["hello world"], padding=8)["input_ids"].shape == (1, 8)
    assert graph(["hello world"], padding=4)["input_ids"].shape == (1, 4)
    assert graph(["a"], padding="max_length", max_length=11)["input_ids"].shape == (1, 11)
    for padding in ("no", 0, True):
        with pytest.raises(UserError, match="padding is"):
            graph(["a"], padding=padding)
    with pytest.raises(UserError, match="needs max_length"):
        graph(["a"], padding="max_length")
    with pytest.raises(UserError, match="no room"):
        graph(["a"], max_length=1)
    with pytest.raises(UserError, match="shape"):
        graph([["a"]])


def test_no_rows(graphs):
    graph = graphs("bert_uncased")
    empty = tf.constant([], tf.string)
    assert graph.tokenize(empty).to_list() == []
    assert graph(empty)["input_ids"].shape == (0, 0)
    assert graph.encode(empty).mask_spans.to_list() == []
    assert graph.decode(graph.tokenize(empty)).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_rows_do_not_depend_on_their_neighbours(graphs, name):
    graph = Compiled(graphs(name))
    texts = mixed(38, 120)
    together = graph.tokenize(tf.constant(texts)).to_list()
    assert together == [graph.tokenize(tf.constant([t])).to_list()[0] for t in texts]


@pytest.mark.parametrize("name", NAMES)
def test_mask_spans_are_the_mask_token_in_the_bytes_of_the_text(graphs, name):
    graph = graphs(name)
    mask = graph.mask_token
    texts = [
        f"é {mask}{mask} 漢 {mask}",
        mask,
        f"  {mask}\n",
        "no mask",
        f"a{mask}\u0301 [PAD]{mask}",
    ]
    data = [t.encode() for t in texts] + [b"\xff\xe2\x82" + mask.encode() + b"\xf0"]
    found = graph.encode(tf.constant(data))
    special = {*graph.prefix_ids, *graph.suffix_ids}
    whole = graph.tokenize(tf.constant(data)).to_list()
    for text, ids, spans, full in zip(
        data, found.ids.to_list(), found.mask_spans.to_list(), whole, strict=True
    ):
        assert special and [*graph.prefix_ids, *ids, *graph.suffix_ids] == full
        assert ids.count(graph.mask_token_id) == len(spans) == text.count(mask.encode())
        assert [text[a:b] for a, b in spans] == [mask.encode()] * len(spans)


def test_mask_that_a_normalizer_makes_has_no_span():
    tokenizer = trained.electra_like.__wrapped__()
    mask = AddedToken("[MASK]", special=True, normalized=True)
    tokenizer.backend_tokenizer.add_special_tokens([mask])
    graph = tfmlm.GraphTokenizer.from_tokenizer(tokenizer)
    rust = untruncated(tokenizer.backend_tokenizer)
    texts = ["[MASK] is here", "[MA\u0301SK] is not", "x [MASK] [MASK]", "[mask]"]
    encoded = graph.encode(texts)
    want = [rust.encode(text, add_special_tokens=False).ids for text in texts]
    assert [ids.count(graph.mask_token_id) for ids in want] == [1, 1, 2, 1]
    assert encoded.ids.to_list() == want
    spans = [[[0, 6]], [[-1, -1]], [[2, 8], [9, 15]], [[-1, -1]]]
    assert encoded.mask_spans.to_list() == spans


@pytest.mark.parametrize("name", NAMES)
def test_scalar_batch_dataset_and_function_agree(graphs, name):
    graph = graphs(name)
    want = graph.tokenize(TEXTS).to_list()
    assert [graph.tokenize(text).numpy().tolist() for text in TEXTS] == want
    one_by_one = tf.data.Dataset.from_tensor_slices(TEXTS).map(graph.tokenize)
    assert [ids.numpy().tolist() for ids in one_by_one] == want
    batched = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2).map(graph.tokenize)
    assert [row for part in batched for row in part.to_list()] == want
    padded = graph(TEXTS)
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(len(TEXTS)).map(graph)
    for got in (next(iter(dataset)), tf.function(graph)(tf.constant(TEXTS))):
        for key in padded:
            np.testing.assert_array_equal(got[key], padded[key])
    single = graph(TEXTS[0], max_length=6)
    assert single["input_ids"].shape.rank == 1 and single["input_ids"].shape[0] <= 6


class Service(tf.Module):
    """A SavedModel with several signatures over one tokenizer."""

    def __init__(self, graph):
        super().__init__()
        self.graph = graph

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def padded(self, text):
        return self.graph(text)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def echo(self, text):
        encoded = self.graph.encode(text)
        decoded = self.graph.decode(self.graph.tokenize(text))
        return {"decoded": decoded, "spans": encoded.mask_spans.to_tensor(-1)}


IN_ANOTHER_PROCESS = """
import sys, json
import tensorflow as tf
texts, *folders = json.loads(sys.argv[1])
for folder in folders:
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        signature = meta.signature_def["padded"]
        outputs = {k: v.name for k, v in signature.outputs.items()}
        result = session.run(outputs, {signature.inputs["text"].name: texts})
        again = session.run(outputs, {signature.inputs["text"].name: texts})
    assert (result["input_ids"] == again["input_ids"]).all()
    print(json.dumps({k: v.tolist() for k, v in result.items()}))
strangers = ("tfmlm", "transformers", "tokenizers", "tensorflow_text")
assert not [m for m in sys.modules if m.startswith(strangers)]
"""


def test_saved_models_reloaded_and_in_v1_sessions_without_tfmlm(graphs, tmp_path):
    wants = []
    for name in NAMES:
        graph = graphs(name)
        service = Service(graph)
        folder = tmp_path / name
        signatures = {"padded": service.padded, "echo": service.echo}
        tf.saved_model.save(service, str(folder), signatures=signatures)
        want = {key: value.numpy().tolist() for key, value in graph(TEXTS).items()}
        wants.append(want)
        loaded = tf.saved_model.load(str(folder))
        got = loaded.signatures["padded"](text=tf.constant(TEXTS))
        assert {key: value.numpy().tolist() for key, value in got.items()} == want, name
        decoded = loaded.signatures["echo"](text=tf.constant(TEXTS))["decoded"]
        assert decoded.numpy().tolist() == graph.decode(graph.tokenize(TEXTS)).numpy().tolist()
        assert (folder / "saved_model.pb").stat().st_size < 20e6
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            IN_ANOTHER_PROCESS,
            json.dumps([TEXTS, *(str(tmp_path / name) for name in NAMES)]),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [json.loads(line) for line in done.stdout.splitlines()[-len(NAMES) :]] == wants


def test_attributes(graphs):
    tokenizer, graph = trained.bert_uncased(), graphs("bert_uncased")
    assert graph.vocab_size == len(tokenizer)
    assert graph.mask_token == "[MASK]" and graph.mask_token_id == 103
    assert graph.pad_token_id == 0
    assert graph.prefix_ids == [101] and graph.suffix_ids == [102]
    assert graph.special_ids == tokenizer.all_special_ids
    assert graph.model_input_names == tokenizer.model_input_names
    assert len(graph.fingerprint) == 64
    again = tfmlm.GraphTokenizer.from_tokenizer(tokenizer)
    assert again.fingerprint == graph.fingerprint
    assert graphs("roberta").fingerprint != graph.fingerprint


def test_from_pretrained(tmp_path, graphs):
    trained.bert_uncased().save_pretrained(tmp_path)
    graph = tfmlm.GraphTokenizer.from_pretrained(str(tmp_path))
    assert graph.fingerprint == graphs("bert_uncased").fingerprint
    with pytest.raises(UserError, match="cannot load a tokenizer from"):
        tfmlm.GraphTokenizer.from_pretrained(str(tmp_path / "nothing"))


@pytest.mark.parametrize("entry", range(5))
def test_a_changed_table_entry_is_noticed(entry):
    """Breaks one entry that the texts use; the comparison must fail."""
    tokenizer = trained.bert_cased()
    graph = tfmlm.GraphTokenizer.from_tokenizer(tokenizer, ops="text")
    rust = tokenizer.backend_tokenizer
    texts = mixed(39, 1500)
    assert not differences(graph, rust, texts)
    common = {}
    for encoding in rust.encode_batch(texts):
        for number in encoding.ids[1:-1]:
            common[number] = common.get(number, 0) + 1
    token_id = sorted(common, key=common.get)[len(common) * (entry + 1) // 6]
    model = graph._path.general._rows
    ids = model._ids.numpy()
    ids[ids == token_id] += 1
    model._ids = tf.constant(ids)
    assert differences(graph, rust, texts)


def test_what_is_made_when_first_asked_for_may_be_asked_for_in_a_graph():
    """Offsets beside TF Text's op, and decoding: the first call of each is in a `tf.function`."""
    tokenizer = trained.bert_cased()
    graph = tfmlm.GraphTokenizer.from_tokenizer(tokenizer, ops="text")
    texts = ["Größe, [MASK]!", "", "a b"]
    call = tf.function(lambda texts: (graph.offsets(texts)[0], graph.decode(graph.tokenize(texts))))
    rust = untruncated(tokenizer.backend_tokenizer)
    encodings = rust.encode_batch(texts, add_special_tokens=False)
    for _ in range(2):
        offsets, decoded = call(tf.constant(texts))
        assert offsets.to_list() == [[list(pair) for pair in e.offsets] for e in encodings]
        ids = graph.tokenize(texts)
        assert decoded.numpy().tolist() == graph.decode(ids).numpy().tolist()
