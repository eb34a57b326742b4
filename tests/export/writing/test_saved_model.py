"""What an export leaves on disk, and what it refuses."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

import tfmlm
from tests.export.exported import bert, bert_in_python, loaded_bert
from tests.small_models import small_model
from tfmlm.errors import UserError
from tfmlm.export.contract import SIGNATURES
from tfmlm.export.loader import read_record


def test_files():
    folder = bert().path
    assert folder.name == "1"
    names = {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()}
    assert {
        "saved_model.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        "assets.extra/tf_serving_warmup_requests",
        "assets.extra/tfmlm.json",
    } <= names
    assert [entry.name for entry in folder.parent.iterdir()] == ["1"]


def test_record():
    record = read_record(bert().path)
    graph = tfmlm.GraphTokenizer.from_tokenizer(bert().tokenizer)
    assert record["tokenizer"]["fingerprint"] == graph.fingerprint
    tested = record["tokenizer"]["self_test"]
    assert tested["mode"] == "quick"
    assert tested["strings"] > 10_000
    assert tested["different"] == tested["decoded_different"] == 0
    assert record["tokenizer"]["mask_token"] == "[MASK]"
    assert record["tokenizer"]["mask_token_id"] == 103
    assert record["defaults"] == {
        "top_k": 5,
        "max_length": 512,
        "max_text_bytes": 65_536,
        "max_top_k": 30_522,
    }
    assert record["versions"]["tensorflow"] == tf.__version__
    assert record["versions"]["tfmlm"] == tfmlm.__version__
    assert record["self_test"]["top1_agreement"] == 1.0
    assert record["self_test"]["masks"] >= 15
    assert record["signatures"] == sorted(SIGNATURES)
    assert record["oldest_tf_serving"] == "2.12"


def test_weights_are_stored_once():
    weights = sum(v.numpy().nbytes for v in bert().model.variables)
    data = (bert().path / "variables" / "variables.data-00000-of-00001").stat().st_size
    assert weights <= data < weights * 1.01 + 100_000
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((bert().path / "saved_model.pb").read_bytes())
    (meta,) = model.meta_graphs
    functions = (f.node_def for f in meta.graph_def.library.function)
    floats = [
        node.ByteSize()
        for group in (meta.graph_def.node, *functions)
        for node in group
        if node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum
    ]
    assert max(floats) < 1_000


def test_warmup_requests_can_be_answered():
    path = bert().path / "assets.extra" / "tf_serving_warmup_requests"
    seen = {}
    for raw in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(raw).predict_log.request
        name = request.model_spec.signature_name
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        outputs = loaded_bert().predict(name, inputs)
        seen.setdefault(name, []).append(outputs)
    assert seen.keys() == SIGNATURES.keys()
    assert {out["status"].tolist()[0] for out in seen["serving_default"]} == {b"ok"}
    assert all((out["token"] >= 0).any() for out in seen["fill_mask_ids"])
    assert sum(map(len, seen.values())) == read_record(bert().path)["warmup_requests"]


def operations_run(outputs):
    """Operations that a session executes for some outputs of `serving_default`."""
    session, signatures = bert_in_python()
    definition = signatures["serving_default"]
    options = tf.compat.v1.RunOptions(output_partition_graphs=True)
    metadata = tf.compat.v1.RunMetadata()
    session.run(
        [definition.outputs[name].name for name in outputs],
        {definition.inputs["text"].name: [b"A [MASK] text."]},
        options=options,
        run_metadata=metadata,
    )
    return [node for graph in metadata.partition_graphs for node in graph.node]


def test_outputs_that_are_not_asked_for_are_not_computed():
    every = {node.op for node in operations_run(SIGNATURES["serving_default"][1])}
    assert {"ReadVariableOp", "TopKV2", "UnsortedSegmentJoin", "Substr"} <= every
    counted = {node.op for node in operations_run(["mask_count", "status"])}
    assert not {"ReadVariableOp", "MatMul", "UnsortedSegmentJoin", "Softmax"} & counted
    tokens = {node.op for node in operations_run(["score", "token"])}
    assert {"ReadVariableOp", "TopKV2"} <= tokens
    # Neither `filled` nor `sequence` is put together.
    assert not {"UnsortedSegmentJoin", "Substr"} & tokens
    assert not any("PartitionedCall" in node.op for node in operations_run(["sequence"]))


def export(tmp_path, **settings):
    model = settings.pop("model", bert().model)
    tokenizer = settings.pop("tokenizer", bert().tokenizer)
    return tfmlm.export_saved_model(model, tokenizer, tmp_path / "export", **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top_k": 0}, "top_k is 0"),
        ({"max_length": 513}, "positions for 512 tokens"),
        ({"max_length": 2}, "leaves no room for a mask"),
        ({"version": 0}, "not a positive number"),
        ({"self_test": "thorough"}, "choose quick or full"),
        ({"dtype": "int4"}, "choose float32, bfloat16, int8 or auto"),
        ({"max_text_bytes": 0}, "max_text_bytes is 0"),
        ({"warmup_texts": ["no mask"]}, "none of the warm-up texts holds"),
        ({"warmup_texts": []}, "none of the warm-up texts holds"),
        ({"model": small_model("bert", 99)}, "the model only 99 ids"),
        ({"tokenizer": None}, "give the model's tokenizer"),
    ],
)
def test_refusals_leave_nothing(tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        export(tmp_path, **settings)
    assert not (tmp_path / "export").exists() or not list((tmp_path / "export").iterdir())


def test_settings_of_an_export(tmp_path):
    texts = ["A [MASK] text.", "Another [MASK]."]
    path = export(
        tmp_path,
        top_k=2,
        max_length=16,
        version=7,
        max_text_bytes=100,
        max_top_k=4,
        warmup_texts=texts,
    )
    assert path == str(tmp_path / "export" / "7")
    fill = tfmlm.load(tmp_path / "export")
    outputs = fill.fill_arrays(["a [MASK]", "w " * 40 + "[MASK]", "x" * 101])
    assert outputs["status"].tolist() == [b"ok", b"truncated", b"too_long"]
    assert outputs["token"].shape == (3, 1, 2)
    assert len(fill("a [MASK]", top_k=1000)) == 4
    record = json.loads((tmp_path / "export/7/assets.extra/tfmlm.json").read_text())
    assert record["defaults"]["max_length"] == 16
