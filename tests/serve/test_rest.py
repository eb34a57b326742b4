"""The REST interface: shapes, texts and codes of TensorFlow Serving.

Expected texts are those of `http_rest_api_handler.cc`, `http_rest_api_util.cc`, `json_tensor.cc`,
`server_core.cc` and `basic_manager.cc` of TensorFlow Serving 2.20.
"""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any

import numpy as np
import pytest

from tests.serve.fixtures import ONE_MASK, TWO_MASKS, Address


def ask(address: Address, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Status, headers and body (parsed if it is JSON)."""
    host = address.rest.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, data, {k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    raw = response.read()
    connection.close()
    is_json = response.headers.get_content_type() == "application/json"
    return response.status, response.headers, json.loads(raw) if is_json else raw.decode()


def predict(address: Address, body: Any, where: str = "") -> Any:
    status, _, reply = ask(address, "POST", f"/v1/models/mlm{where}:predict", body)
    return status, reply


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value.decode() if isinstance(value, bytes) else value


def assert_equal(reply: Any, array: np.ndarray) -> None:
    if array.dtype == np.float32:
        assert np.array(reply, np.float32).reshape(array.shape).tolist() == array.tolist()
    else:
        assert reply == plain(array.tolist())


def test_row_format(toy_server: Address, reference: Any) -> None:
    status, reply = predict(toy_server, {"instances": [ONE_MASK, TWO_MASKS]})
    expected = reference(2, "serving_default", text=[ONE_MASK, TWO_MASKS])
    assert status == 200 and list(reply) == ["predictions"]
    assert [set(row) for row in reply["predictions"]] == [set(expected)] * 2
    for name, array in expected.items():
        assert_equal([row[name] for row in reply["predictions"]], array)


def test_row_format_with_names_and_another_signature(toy_server: Address, reference: Any) -> None:
    rows = [{"text": ONE_MASK, "top_k": 2}, {"text": TWO_MASKS, "top_k": 1}]
    body = {"signature_name": "fill_mask_top_k", "instances": rows}
    _, reply = predict(toy_server, body)
    expected = reference(2, "fill_mask_top_k", text=[ONE_MASK, TWO_MASKS], top_k=[2, 1])
    for name, array in expected.items():
        assert_equal([row[name] for row in reply["predictions"]], array)
    targets = [{"text": ONE_MASK, "targets": ["city", "soul"]}]
    _, reply = predict(toy_server, {"signature_name": "fill_mask_targets", "instances": targets})
    assert reply["predictions"][0]["target_exact"] == [True, True]


def test_column_format(toy_server: Address, reference: Any) -> None:
    expected = reference(2, "serving_default", text=[ONE_MASK, TWO_MASKS])
    for inputs in ({"text": [ONE_MASK, TWO_MASKS]}, [ONE_MASK, TWO_MASKS]):
        status, reply = predict(toy_server, {"inputs": inputs})
        assert status == 200 and list(reply) == ["outputs"]
        for name, array in expected.items():
            assert_equal(reply["outputs"][name], array)


def test_versions_and_labels(toy_server: Address) -> None:
    body = {"instances": [ONE_MASK]}
    one, two = (predict(toy_server, body, f"/versions/{v}") for v in (1, 2))
    assert one[0] == two[0] == 200 and one != two
    assert predict(toy_server, body, "/labels/stable") == one
    assert predict(toy_server, body, "/labels/canary") == two == predict(toy_server, body)
    assert predict(toy_server, body, "/LABELS/canary") == two  # the pattern ignores case


def test_binary_strings(toy_server: Address) -> None:
    text = "[MASK] ü".encode()
    wrapped = {"b64": base64.b64encode(text).decode()}
    want = predict(toy_server, {"instances": [text.decode()]})
    assert predict(toy_server, {"instances": [wrapped]}) == want
    assert predict(toy_server, {"instances": [{"text": wrapped}]}) == want
    unpadded = {"b64": wrapped["b64"].rstrip("=")}
    assert predict(toy_server, {"instances": [unpadded]}) == want
    _, reply = predict(toy_server, {"inputs": [{"b64": "/w=="}]})
    assert reply["outputs"]["filled"] == ["\ufffd"]


def test_scores_are_written_like_tensorflow_serving_writes_them(toy_server: Address) -> None:
    from tfmlm.serve.json_tensors import write_outputs

    values = np.array([0.2, 1.0, 0.1234567, 9e6, 3e-5, 1 / 3], np.float32)
    text = write_outputs({"x": values}, by_rows=False).decode()
    assert json.loads(text)["outputs"] == [0.2, 1.0, 0.123456702, 9e6, 3e-05, 0.333333343]


ERRORS: list[tuple[str, Any, int, str]] = [
    (":predict", b"", 400, "JSON Parse error: The document is empty"),
    (":predict", b"[1]", 400, "JSON Value: [1] Is not object"),
    (":predict", {}, 400, "Missing 'inputs' or 'instances' key"),
    (
        ":predict",
        {"instances": ["a"], "inputs": ["a"]},
        400,
        'JSON Value: {\n    "instances": ["a"],\n    "inputs": ["a"]\n} Not formatted correctly '
        "expecting only one of 'inputs' or 'instances' keys to exist ",
    ),
    (
        ":predict",
        {"instances": "a"},
        400,
        'JSON Value: {\n    "instances": "a"\n} Expecting \'instances\' to be an list/array',
    ),
    (
        ":predict",
        {"instances": []},
        400,
        "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
    ),
    (
        ":predict",
        {"instances": [1]},
        400,
        "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: 1 "
        "Type: Number is not of expected type: string",
    ),
    (
        ":predict",
        {"instances": [{"words": "a"}]},
        400,
        "Failed to process element: 0 key: words of 'instances' list. Error: INVALID_ARGUMENT: "
        "JSON object: does not have named input: words",
    ),
    (
        ":predict",
        {"instances": ["a", {"text": "a"}]},
        400,
        "Expecting value/list but got object at item 1 of input list",
    ),
    (
        ":predict",
        {"instances": [{"text": "a"}, "a"]},
        400,
        "Expecting object but got list at item 1 of input list",
    ),
    (
        ":predict",
        {"instances": ["a", ["b"]]},
        400,
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
        "Expecting shape [] but got: [1]",
    ),
    (
        ":predict",
        {"instances": [["a"], ["b", "c"]]},
        400,
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
        "Expecting tensor size: 1 but got: 2",
    ),
    (
        ":predict",
        {"inputs": {"words": ["a"]}},
        400,
        "Missing named input: text in 'inputs' object.",
    ),
    (
        ":predict",
        {"inputs": [["a", "b"], ["c"]]},
        400,
        "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    (
        ":predict",
        {"inputs": ["a", ["c"]]},
        400,
        "Encountered list at unexpected level: 1 expected < 1",
    ),
    (
        ":predict",
        {"inputs": [["a"], "c"]},
        400,
        'JSON Value: "c" found at incorrect level: 2 in the JSON DOM. Expected at level: 2',
    ),
    (":predict", {"inputs": [{"b64": "?"}]}, 400, "Unable to base64 decode"),
    (
        ":predict",
        {"inputs": [{"b65": "eA=="}]},
        400,
        'JSON Value: {\n    "b65": "eA=="\n} not formatted correctly for base64 data',
    ),
    (
        ":predict",
        {"signature_name": 3, "inputs": ["a"]},
        400,
        'JSON Value: {\n    "signature_name": 3,\n    "inputs": ["a"]\n} not formatted correctly. '
        "'signature_name' key must be a string value.",
    ),
    (
        ":predict",
        {"signature_name": "nope", "inputs": ["a"]},
        400,
        'Serving signature name: "nope" not found in signature def',
    ),
    (
        ":predict",
        {"signature_name": "fill_mask_top_k", "inputs": ["a"]},
        400,
        "inputs is a plain value/list, but expecting an object as multiple input tensors required "
        "as per tensorinfo_map",
    ),
    (
        ":predict",
        {"signature_name": "fill_mask_top_k", "instances": ["a"]},
        400,
        "instances is a plain list, but expecting list of objects as multiple input tensors "
        "required as per tensorinfo_map",
    ),
    (
        ":predict",
        {"signature_name": "fill_mask_top_k", "instances": [{"text": "a"}]},
        400,
        'Failed to process element: 0 of \'instances\' list. JSON object: {\n    "text": "a"\n} '
        "keys must be equal to: text,top_k",
    ),
    (
        ":predict",
        {"signature_name": "fill_mask_top_k", "inputs": {"text": ["a"], "top_k": [1.0]}},
        400,
        "JSON Value: 1.0 Type: Number is not of expected type: int32",
    ),
    (
        ":predict",
        {"signature_name": "fill_mask_top_k", "inputs": {"text": ["a"], "top_k": [True]}},
        400,
        "JSON Value: true Type: True is not of expected type: int32",
    ),
    (
        ":predict",
        {"signature_name": "fill_mask_top_k", "inputs": {"text": ["a"], "top_k": [1 << 31]}},
        400,
        "JSON Value: 2147483648 Type: Number is not of expected type: int32",
    ),
    (
        "/versions/9:predict",
        {"instances": ["a"]},
        404,
        "Servable not found for request: Specific(mlm, 9)",
    ),
    (
        "x:predict",
        {"instances": ["a"]},
        404,
        "Servable not found for request: Latest(mlmx)",
    ),
    (
        "/labels/none:predict",
        {"instances": ["a"]},
        400,
        "Unrecognized servable version label: none",
    ),
    (
        "/versions/99999999999999999999:predict",
        {"instances": ["a"]},
        400,
        "Failed to convert version: 99999999999999999999 to numeric.",
    ),
    (":guess", {}, 400, "Malformed request: POST /v1/models/mlm:guess"),
    ("", {}, 400, "Malformed request: POST /v1/models/mlm"),
    (":classify", {}, 501, "Classify is not implemented by this server; use Predict"),
    (":regress", {}, 501, "Regress is not implemented by this server; use Predict"),
]


@pytest.mark.parametrize(("path", "body", "status", "text"), ERRORS)
def test_errors(toy_server: Address, path: str, body: Any, status: int, text: str) -> None:
    got, headers, reply = ask(toy_server, "POST", f"/v1/models/mlm{path}", body)
    assert reply == {"error": text}
    assert got == status
    assert headers.get_content_type() == "application/json"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"   ", "The document is empty."),
        (b'{"instances"', "Missing a colon after a name of object member."),
        (b'{"instances": [1', "Missing a comma or } after an object member."),
        (b'{"instances": ["a\x01"]}', "Invalid encoding in string."),
        (b'{"instances": ["a\xff"]}', "Invalid encoding in string."),
        (b'{"instances": ["\\ud800"]}', "The surrogate pair in string is invalid."),
        (b'{"instances": ["\\q"]}', "Invalid escape character in string."),
        (b"{instances: 1}", "Missing a name for object member."),
        (b"hello", "Invalid value."),
        (b'{"inputs": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"inputs": ' + b"[" * 90 + b"]" * 90 + b"}", "nested too deeply"),
    ],
)
def test_broken_json(toy_server: Address, body: bytes, text: str) -> None:
    status, reply = predict(toy_server, body)
    assert status == 400
    assert reply["error"].startswith(f"JSON Parse error: {text}")


def test_what_follows_the_json_is_not_looked_at(toy_server: Address) -> None:
    body = json.dumps({"instances": [ONE_MASK]}).encode()
    want = predict(toy_server, body)
    assert want[0] == 200
    assert predict(toy_server, b"\xef\xbb\xbf " + body + b" and more") == want


def test_long_values_are_cut_in_errors(toy_server: Address) -> None:
    status, reply = predict(toy_server, {"instances": list(range(10_000)), "inputs": 1})
    assert status == 400 and len(reply["error"]) < 400


def test_limits(toy_server: Address) -> None:
    status, reply = predict(toy_server, {"instances": ["a"] * 51})
    assert (status, reply["error"]) == (
        400,
        "Task size 51 is larger than maximum batch size 50",
    )
    status, reply = predict(toy_server, {"instances": ["a" * 200_001]})
    assert (status, reply) == (413, {"error": "the request is larger than 200000 bytes"})


def test_status(toy_server: Address) -> None:
    status, _, reply = ask(toy_server, "GET", "/v1/models/mlm")
    good = {"error_code": "OK", "error_message": ""}
    assert status == 200
    assert reply == {
        "model_version_status": [
            {"version": "2", "state": "AVAILABLE", "status": good},
            {"version": "1", "state": "AVAILABLE", "status": good},
        ]
    }
    _, _, one = ask(toy_server, "GET", "/v1/models/mlm/versions/1")
    assert one["model_version_status"] == reply["model_version_status"][1:]


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/v1/models/other", 404, "Could not find any versions of model other"),
        ("/v1/models/mlm/versions/9", 404, "Could not find version 9 of model mlm"),
        (
            "/v1/models/mlm/versions/9/metadata",
            404,
            "Servable not found for request: Specific(mlm, 9)",
        ),
        ("/v1/models", 400, "Missing model name in request."),
        ("/v1/else", 400, "Malformed request: GET /v1/else"),
        ("/v1/models/mlm:predict", 400, "Malformed request: GET /v1/models/mlm:predict"),
    ],
)
def test_errors_of_looks(toy_server: Address, path: str, status: int, text: str) -> None:
    assert ask(toy_server, "GET", path)[::2] == (status, {"error": text})


def test_metadata(toy_server: Address) -> None:
    status, _, reply = ask(toy_server, "GET", "/v1/models/mlm/labels/stable/metadata")
    assert status == 200
    assert reply["model_spec"] == {"name": "mlm", "signature_name": "", "version": "1"}
    signatures = reply["metadata"]["signature_def"]["signature_def"]
    assert {"serving_default", "fill_mask_top_k", "fill_mask_targets"} <= set(signatures)
    text = signatures["serving_default"]["inputs"]["text"]
    assert text["dtype"] == "DT_STRING"
    assert text["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"


def test_other_methods_and_pages(toy_server: Address) -> None:
    assert ask(toy_server, "PUT", "/v1/models/mlm")[::2] == (
        400,
        {"error": "Malformed request: PUT /v1/models/mlm"},
    )
    assert ask(toy_server, "GET", "/nothing")[0] == 404
    status, headers, page = ask(toy_server, "GET", "/")
    assert (status, headers.get_content_type()) == (200, "text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert '{"name": "mlm", "labels": ["canary", "stable"]}' in page


def test_cors(toy_server: Address) -> None:
    _, headers, _ = ask(toy_server, "GET", "/v1/models/mlm")
    assert headers["Access-Control-Allow-Origin"] == "*"
    status, headers, _ = ask(
        toy_server, "OPTIONS", "/v1/models/mlm:predict", Origin="http://elsewhere"
    )
    assert (status, headers["Access-Control-Allow-Methods"]) == (200, "POST, GET")
    status, _, reply = ask(toy_server, "OPTIONS", "/v1/models/mlm:predict")
    assert (status, reply["error"]) == (400, "Origin header is missing in CORS preflight")


def test_compressed_requests(toy_server: Address) -> None:
    import gzip

    body = json.dumps({"instances": [ONE_MASK]}).encode()
    status, _, reply = ask(
        toy_server, "POST", "/v1/models/mlm:predict", gzip.compress(body), Content_Encoding="gzip"
    )
    assert (status, reply) == predict(toy_server, body)
    bomb = gzip.compress(b'{"instances": ["' + b"a" * 10_000_000 + b'"]}')
    assert len(bomb) < 20_000
    status, _, reply = ask(
        toy_server, "POST", "/v1/models/mlm:predict", bomb, Content_Encoding="gzip"
    )
    assert status in (400, 413)


def test_metrics(toy_server: Address) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    def read() -> dict[tuple[str, ...], float]:
        status, headers, page = ask(toy_server, "GET", "/monitoring/prometheus/metrics")
        assert (status, headers.get_content_type()) == (200, "text/plain")
        families = list(text_string_to_metric_families(page))
        return {  # this parser appends _total to the names of counters; Prometheus does not
            (s.name.removesuffix("_total"), *s.labels.values()): s.value
            for family in families
            for s in family.samples
        }

    before = read()
    for _ in range(3):
        predict(toy_server, {"instances": [ONE_MASK]})
    predict(toy_server, {})
    ask(toy_server, "POST", "/v1/models/invented:predict", {"instances": [ONE_MASK]})
    after = read()

    def grown(*key: str) -> float:
        return after.get(key, 0) - before.get(key, 0)

    assert grown(":tensorflow:serving:request_count", "mlm", "OK") == 3
    assert grown(":tensorflow:serving:request_count", "mlm", "INVALID_ARGUMENT") == 1
    assert grown(":tensorflow:serving:request_count", "", "NOT_FOUND") == 1
    assert grown(":tensorflow:serving:request_latency_count", "mlm", "predict", "REST") == 3
    assert grown(":tensorflow:serving:runtime_latency_count", "mlm", "Predict", "TF1") == 3
    name = ":tensorflow:serving:request_latency_bucket"
    assert grown(name, "mlm", "predict", "REST", "+Inf") == 3
    assert not any("invented" in part for key in after for part in key)
