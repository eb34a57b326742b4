"""Both clients against a running server, compared with the SavedModel itself."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.serve import toy_model
from tests.serve.fixtures import ONE_MASK, TWO_MASKS, Address, free_port, serving
from tfmlm.client import Fill, GrpcClient, RestClient, Retries, ServingError
from tfmlm.errors import UserError


@pytest.fixture(params=["grpc", "rest"])
def make(request: pytest.FixtureRequest, toy_server: Address) -> Any:
    """Makes a client of `mlm`, with `version` or `label`."""
    made = []

    def client(version: int | None = None, label: str | None = None, **options: Any) -> Any:
        if request.param == "grpc":
            new: Any = GrpcClient(toy_server.grpc, "mlm", version=version, label=label, **options)
        else:
            part = f"/versions/{version}" if version else f"/labels/{label}" if label else ""
            new = RestClient(toy_server.model() + part, **options)
        made.append(new)
        return new

    yield client
    for client in made:
        client.close()


def items(outputs: dict[str, Any], row: int = 0, mask: int = 0) -> list[dict[str, Any]]:
    """The pipeline's dicts from a signature's arrays."""
    return [
        {
            "score": pytest.approx(float(outputs["score"][row, mask, k]), rel=1e-6),
            "token": int(outputs["token"][row, mask, k]),
            "token_str": outputs["token_str"][row, mask, k].decode(),
            "sequence": outputs["sequence"][row, mask, k].decode(),
        }
        for k in range(outputs["token"].shape[2])
        if outputs["token"][row, mask, k] >= 0
    ]


def test_one_text_gives_one_list(make: Any, reference: Any) -> None:
    fills = make().fill(ONE_MASK)
    expected = items(reference(2, "serving_default", text=[ONE_MASK]))
    assert fills == expected
    assert len(fills) == toy_model.DEFAULT_TOP_K
    assert all(isinstance(fill, Fill) for fill in fills)
    assert isinstance(fills[0].score, float)


def test_several_masks_give_a_list_each(make: Any, reference: Any) -> None:
    fills = make().fill(TWO_MASKS, top_k=2)
    outputs = reference(2, "fill_mask_top_k", text=[TWO_MASKS], top_k=[2])
    assert fills == [items(outputs, 0, 0), items(outputs, 0, 1)]


def test_a_list_of_texts_gives_a_list(make: Any, reference: Any) -> None:
    fills = make().fill([ONE_MASK, TWO_MASKS], top_k=3)
    outputs = reference(2, "fill_mask_top_k", text=[ONE_MASK, TWO_MASKS], top_k=[3, 3])
    assert fills == [items(outputs, 0, 0), [items(outputs, 1, 0), items(outputs, 1, 1)]]
    assert make().fill([ONE_MASK]) == [make().fill(ONE_MASK)]
    assert make().fill([]) == []


def test_another_top_k_for_each_text(make: Any) -> None:
    fills = make().fill([ONE_MASK, ONE_MASK], top_k=[1, 4])
    assert [len(row) for row in fills] == [1, 4]
    assert fills[1][0] == fills[0][0]


def test_targets(make: Any, reference: Any) -> None:
    words = ["city", "capital", "soul"]
    fills = make().fill(ONE_MASK, targets=words)
    outputs = reference(2, "fill_mask_targets", text=[ONE_MASK], targets=[words])
    assert fills == items(outputs)
    assert {fill["token_str"] for fill in fills} == set(words)
    assert make().fill(ONE_MASK, targets=words, top_k=1) == fills[:1]
    assert [len(r) for r in make().fill([ONE_MASK] * 2, targets=[["city"], ["soul", "city"]])] == [
        1,
        2,
    ]


def test_versions_and_labels(make: Any, reference: Any) -> None:
    old, new = (items(reference(v, "serving_default", text=[ONE_MASK])) for v in (1, 2))
    assert old != new
    assert make(version=1).fill(ONE_MASK) == make(label="stable").fill(ONE_MASK) == old
    assert make(version=2).fill(ONE_MASK) == make(label="canary").fill(ONE_MASK) == new


def test_more_texts_than_the_server_takes_at_once(make: Any) -> None:
    # the server of these tests takes 50
    texts = [f"number {i} is the [MASK] one" for i in range(120)]
    expected = [make(max_batch_size=1).fill(text)[0]["sequence"] for text in texts[:3]]
    fills = make(max_batch_size=64).fill(texts, top_k=1)
    assert [row[0]["sequence"].split(" is")[0] for row in fills] == [
        f"number {i}" for i in range(120)
    ]
    assert [row[0]["sequence"] for row in fills[:3]] == expected


def test_texts_that_cannot_be_filled(make: Any) -> None:
    with pytest.raises(UserError, match="text 2 of 2 has no mask token: 'nothing here'"):
        make().fill([ONE_MASK, "nothing here"])
    with pytest.raises(UserError, match="is longer than the model accepts"):
        make().fill("[MASK]" + "x" * toy_model.MAX_TEXT_BYTES)
    assert [len(row) for row in make().fill([ONE_MASK, "nothing"], errors="ignore")] == [5, 0]


def test_answers_tell_status_and_filled_text(make: Any) -> None:
    ok, none = make().answers([ONE_MASK, "nothing"], top_k=1)
    assert (ok.status, ok.mask_count, ok.filled) == ("ok", 1, ok.masks[0][0].sequence)
    assert (none.status, none.mask_count, none.filled, none.fills) == ("no_mask", 0, "nothing", [])


def test_text_that_is_not_ascii_or_not_unicode(make: Any) -> None:
    assert make().fill('Ünï "[MASK]" \x01 😀\n', top_k=1)[0]["sequence"].endswith('" \x01 😀\n')
    sequence = make().fill(b"a [MASK] \xff", top_k=1)[0]["sequence"]
    assert sequence.startswith("a ") and sequence.endswith(" \ufffd")


def test_errors_of_the_server(make: Any) -> None:
    with pytest.raises(
        ServingError, match=r"NOT_FOUND: Servable not found.*Specific\(mlm, 9\)"
    ) as info:
        make(version=9).fill(ONE_MASK)
    assert (info.value.code, info.value.exit_code) == ("NOT_FOUND", 2)
    with pytest.raises(ServingError, match="Unrecognized servable version label: nobody"):
        make(label="nobody").fill(ONE_MASK)


def test_status(make: Any) -> None:
    assert make().status() == {1: "AVAILABLE", 2: "AVAILABLE"}
    make().wait_until_ready(1)


def test_async_gives_the_same_and_runs_many_at_once(make: Any) -> None:
    client = make()
    texts = [f"{i} [MASK]" for i in range(30)]

    async def go() -> list[Any]:
        async with client:
            assert (await client.answers_async(ONE_MASK))[0].status == "ok"
            return await asyncio.gather(*[client.fill_async(text, top_k=2) for text in texts])

    assert asyncio.run(go()) == make().fill(texts, top_k=2)


def test_one_client_in_many_threads(make: Any) -> None:
    client, results = make(), {}

    def work(number: int) -> None:
        results[number] = [client.fill(f"{number} {i} [MASK]", top_k=1) for i in range(5)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(
        results[n] == make().fill([f"{n} {i} [MASK]" for i in range(5)], top_k=1) for n in range(8)
    )


def test_nobody_there(make: Any) -> None:
    port = free_port()
    for client in (
        GrpcClient(f"127.0.0.1:{port}", "mlm", retries=0),
        RestClient(f"http://127.0.0.1:{port}/v1/models/mlm", retries=0),
    ):
        advice = f"UNAVAILABLE: no server at 127.0.0.1:{port}; start one with `tfmlm serve`"
        with pytest.raises(ServingError, match=re.escape(advice)) as info:
            client.fill(ONE_MASK)
        assert info.value.exit_code == 1
        with pytest.raises(ServingError, match=re.escape(advice)):
            asyncio.run(_once(client))
        with pytest.raises(ServingError):
            client.wait_until_ready(0.1)


async def _once(client: Any) -> Any:
    async with client:
        return await client.fill_async(ONE_MASK)


def test_a_server_that_comes_up_meanwhile_is_waited_for(toy_versions: Path) -> None:
    from tfmlm.serve.options import ServerOptions
    from tfmlm.serve.server import running

    grpc, rest = free_port(), free_port()
    patient = Retries(attempts=60, backoff=0.1, max_backoff=0.2)
    clients = [
        GrpcClient(f"127.0.0.1:{grpc}", "mlm", retries=patient),
        RestClient(f"http://127.0.0.1:{rest}/v1/models/mlm", retries=patient),
    ]
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda c=c: results.append(c.fill(ONE_MASK))) for c in clients
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    options = ServerOptions(
        port=grpc, rest_api_port=rest, model_name="mlm", model_base_path=str(toy_versions)
    )
    with running(options):
        for thread in threads:
            thread.join(30)
        assert [len(fills) for fills in results] == [5, 5]
    for client in clients:
        client.close()


def test_timeouts() -> None:
    import socket

    with socket.socket() as silent:  # accepts connections and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        client = RestClient(f"http://127.0.0.1:{port}/v1/models/mlm", timeout=0.2)
        with pytest.raises(ServingError, match="DEADLINE_EXCEEDED: no answer within 0.2 s"):
            client.fill(ONE_MASK)
        with pytest.raises(ServingError, match="DEADLINE_EXCEEDED"):
            asyncio.run(_once(RestClient(client.address, timeout=0.2)))
        grpc_client = GrpcClient(f"127.0.0.1:{port}", "mlm", timeout=0.2)
        with pytest.raises(ServingError, match="DEADLINE_EXCEEDED"):
            grpc_client.fill(ONE_MASK)


def test_no_tensorflow_in_the_process(toy_server: Address) -> None:
    program = f"""
import sys, asyncio
import tfmlm
from tfmlm.client import GrpcClient, RestClient
for client in (GrpcClient({toy_server.grpc!r}, "mlm"), RestClient({toy_server.model()!r})):
    assert len(client.fill({ONE_MASK!r}, top_k=2)) == 2
    client.status()
    client.close()
async def go():
    async with tfmlm.client.RestClient({toy_server.model()!r}) as client:
        await client.fill_async({ONE_MASK!r})
asyncio.run(go())
heavy = {{"tensorflow", "tensorflow_serving", "transformers", "numpy"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_a_batching_limit_of_the_server(toy_versions: Path, tmp_path: Path) -> None:
    config = tmp_path / "batching.config"
    config.write_text("max_batch_size { value: 4 } batch_timeout_micros { value: 0 }")
    options = {"enable_batching": True, "batching_parameters_file": str(config)}
    with serving(model_base_path=str(toy_versions), **options) as address:
        texts = [f"{i} [MASK]" for i in range(11)]
        for client in (GrpcClient(address.grpc, "mlm"), RestClient(address.model())):
            with client:
                fills = client.fill(texts, top_k=1)
                assert [row[0]["sequence"].split()[0] for row in fills] == [
                    str(i) for i in range(11)
                ]
