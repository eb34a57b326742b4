"""The session against TensorFlow's own, which loads the whole SavedModel as a server does."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tfmlm
from tests.export.exported import bert, bert_in_python, masked_texts
from tests.export.test_loading_elsewhere import requests
from tfmlm.export.contract import SIGNATURES
from tfmlm.export.session.library import TensorFlowError
from tfmlm.export.session.session import Session


def ask(session, signature, inputs, outputs=None):
    definition = session.signatures[signature]
    names, outputs = sorted(definition.inputs), outputs or sorted(definition.outputs)
    arrays = session.call(signature, names, outputs)([inputs[name] for name in names])
    return dict(zip(outputs, arrays, strict=True))


def assert_as_the_reference(signature, inputs, found):
    session, definitions = bert_in_python()
    definition = definitions[signature]
    expected = session.run(
        {name: definition.outputs[name].name for name in found},
        {definition.inputs[name].name: value for name, value in inputs.items()},
    )
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and found[name].shape == value.shape, name
        if value.dtype == object:
            assert found[name].tolist() == value.tolist(), name
        else:
            assert found[name].tobytes() == value.tobytes(), name


def test_every_signature_bit_for_bit():
    session = Session(bert().path)
    for signature, inputs in [*requests(), ("score_text", {"text": requests()[0][1]["text"]})]:
        assert_as_the_reference(signature, inputs, ask(session, signature, inputs))
    text = {"text": np.array([b"a [MASK]"], object)}
    assert_as_the_reference("tokenize", text, ask(session, "tokenize", text, ["attention_mask"]))
    session.close()


def test_real_texts_bit_for_bit():
    session = Session(bert().path)
    texts = masked_texts(48, "[MASK]", seed=9)
    for rows in (texts[:1], texts[1:9], texts[9:]):
        inputs = {"text": np.array([text.encode() for text in rows], object)}
        found = ask(session, "serving_default", inputs)
        assert_as_the_reference("serving_default", inputs, found)
    session.close()


def test_only_what_is_asked_for_is_brought_in():
    session = Session(bert().path)
    _, definitions = bert_in_python()
    operations = {node.name: node.op for node in bert_in_python()[0].graph.as_graph_def().node}

    def brought_in():
        return {
            signature
            for signature in SIGNATURES
            if {i.name.split(":")[0] for i in definitions[signature].outputs.values()}
            <= session.nodes
        }

    assert not brought_in()
    assert {operations[name] for name in session.nodes} == {
        *("VarHandleOp", "Placeholder", "StatefulPartitionedCall")
    }
    asked = []
    for signature, inputs in requests()[::-1]:
        before = session.nodes
        call = session.call(signature, sorted(inputs), sorted(definitions[signature].outputs))
        assert before < session.nodes
        asked.append(signature)
        assert brought_in() == set(asked)
        for _ in range(2):
            again = session.nodes
            session.call(signature, sorted(inputs), ())
            assert session.nodes == again
        del call
    with pytest.raises(ValueError, match="no operation nothing"):
        session._opened().operation("nothing")
    session.close()


def test_a_table_that_one_signature_reads_stays_on_the_disk_until_then():
    session = Session(bert().path)
    operations = {node.name: node.op for node in bert_in_python()[0].graph.as_graph_def().node}

    def tables():
        return sum(operations[name] == "HashTableV2" for name in session.nodes)

    counts = [tables()]
    for signature in ("fill_mask_ids", "tokenize", "fill_mask_targets"):
        session.call(signature, sorted(SIGNATURES[signature][0]), ())
        counts.append(tables())
    assert counts[0] == counts[1] == 0 < counts[2] < counts[3]
    session.close()


def test_threads_that_ask_at_once_for_what_is_not_there_yet():
    session = Session(bert().path)
    inputs = {"text": np.array([b"Paris is the [MASK] of France."], object)}

    def one(number):
        return ask(session, ("serving_default", "tokenize")[number % 2], inputs)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(16)))
    for number, answer in enumerate(found):
        assert_as_the_reference(("serving_default", "tokenize")[number % 2], inputs, answer)
    session.close()


def test_a_session_without_optimization_and_with_one_thread():
    inputs = {"text": np.array([b"Paris is the [MASK] of France.", b"no mask"], object)}
    expected = ask(Session(bert().path), "serving_default", inputs)
    for options in ({"optimized": False}, {"threads": 1}):
        found = ask(Session(bert().path, **options), "serving_default", inputs)
        for name, value in expected.items():
            if value.dtype.kind == "f":
                np.testing.assert_allclose(found[name], value, atol=1e-6)
            else:
                assert found[name].tolist() == value.tolist()


def test_closed():
    session = Session(bert().path)
    session.close()
    session.close()
    with pytest.raises(RuntimeError, match="closed"):
        session.call("tokenize", ["text"], ["input_ids"])


def test_what_tensorflow_refuses_is_an_error_and_leaves_the_session_whole():
    session = Session(bert().path)
    call = session.call("fill_mask_ids", ["attention_mask", "input_ids"], ["token"])
    ids = np.array([[101, 103, 102]], np.int32)
    with pytest.raises(TensorFlowError, match="int64"):
        call([np.ones([1, 3], np.int64), ids])
    (token,) = call([np.ones([1, 3], np.int32), ids])
    assert token.shape == (1, 1, 5)
    session.close()


#: Fills one text in a process where TensorFlow's Python comes before, after, or not at all.
ORDER = """
import sys
if sys.argv[2] == "before":
    import tensorflow as tf
import tfmlm
fill = tfmlm.load(sys.argv[1])
first = fill("Paris is the [MASK] of France.")
assert ("tensorflow" in sys.modules) == (sys.argv[2] == "before")
if sys.argv[2] == "after":
    import tensorflow as tf
    import tensorflow_text
assert fill("Paris is the [MASK] of France.") == first
if sys.argv[2] != "never":
    loaded = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
    token = loaded(text=tf.constant(["Paris is the [MASK] of France."]))["token"]
    assert [item["token"] for item in first] == token.numpy()[0, 0].tolist()
print([item["token"] for item in first])
"""


@pytest.mark.parametrize("order", ["before", "after", "never"])
def test_tensorflows_python_before_after_or_never(order):
    expected = [i["token"] for i in tfmlm.load(bert().path)("Paris is the [MASK] of France.")]
    done = subprocess.run(
        [sys.executable, "-c", ORDER, str(bert().path), order], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == f"{expected}\n"
