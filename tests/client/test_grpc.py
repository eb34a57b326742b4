"""The gRPC client: what it sends is the real message; where something else answers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tfmlm.client import GrpcClient, ServingError
from tfmlm.client.job import Predict


class Echo(grpc.GenericRpcHandler):
    """Answers every call with `answer`, and keeps what was sent."""

    answer = b""
    sent = b""
    metadata: tuple[Any, ...] = ()

    def service(self, details: Any) -> Any:
        self.metadata = details.invocation_metadata

        def call(request: bytes, context: Any) -> bytes:
            self.sent = request
            return self.answer

        return grpc.unary_unary_rpc_method_handler(call)


@pytest.fixture
def echo() -> Iterator[tuple[Echo, str]]:
    handler = Echo()
    server = grpc.server(ThreadPoolExecutor(1), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield handler, f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_what_is_sent_is_a_predict_request(echo: tuple[Echo, str]) -> None:
    handler, target = echo
    inputs = {"text": [b"a [MASK]", b"\xff"], "top_k": [3, 4]}
    for which in ({"version": 3}, {"label": "canary"}, {}):
        with GrpcClient(target, "mlm", metadata=(("key", "secret"),), **which) as client:
            assert client._predict(Predict("fill", inputs)) == {}
        request = predict_pb2.PredictRequest.FromString(handler.sent)
        assert (request.model_spec.name, request.model_spec.signature_name) == ("mlm", "fill")
        assert request.model_spec.version.value == which.get("version", 0)
        assert request.model_spec.version_label == which.get("label", "")
        assert tf.make_ndarray(request.inputs["text"]).tolist() == inputs["text"]
        assert tf.make_ndarray(request.inputs["top_k"]).tolist() == inputs["top_k"]
        assert ("key", "secret") in [tuple(pair) for pair in handler.metadata]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"\xff", "INTERNAL: the answer is wrong: no PredictResponse"),
        (
            predict_pb2.PredictResponse(
                outputs={"score": tf.make_tensor_proto(1, tf.complex64)}
            ).SerializeToString(),
            "INTERNAL: the answer is wrong: output 'score'",
        ),
        (b"x" * 5000, "RESOURCE_EXHAUSTED"),
    ],
)
def test_answers_that_are_none(echo: tuple[Echo, str], answer: bytes, message: str) -> None:
    echo[0].answer = answer
    with (
        GrpcClient(echo[1], "mlm", max_answer_bytes=4000) as client,
        pytest.raises(ServingError, match=message),
    ):
        client.fill("a [MASK]")
