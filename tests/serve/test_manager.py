"""Versions on disk and what the server makes of them, with real models."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc
from tensorflow_serving.config import model_server_config_pb2

from tests.serve import toy_model
from tests.serve.fixtures import ONE_MASK, Address, serving
from tests.serve.test_rest import ask
from tfmlm.client import GrpcClient, RestClient
from tfmlm.errors import RunFailedError, UserError
from tfmlm.serve.manager import ModelManager
from tfmlm.serve.model_config import single_model_config
from tfmlm.serve.servable import Servable


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def base(toy_versions: Path, tmp_path: Path) -> Path:
    """A folder of its own with version 1."""
    folder = tmp_path / "models"
    folder.mkdir()
    toy_model.copy_version(toy_versions / "1", folder, 1)
    return folder


@pytest.fixture
def address(base: Path) -> Iterator[Address]:
    options = {"max_num_load_retries": 1, "load_retry_interval_micros": 1000}
    with serving(model_base_path=str(base), **options) as address:
        yield address


def states(address: Address) -> dict[int, str]:
    with RestClient(address.model()) as client:
        return client.status()


def test_a_new_version_takes_over_and_the_old_one_ends(
    address: Address, base: Path, toy_versions: Path
) -> None:
    assert states(address) == {1: "AVAILABLE"}
    with RestClient(address.model()) as client:
        old = client.fill(ONE_MASK)
        toy_model.copy_version(toy_versions / "2", base, 2)
        until(lambda: states(address) == {2: "AVAILABLE", 1: "END"})
        new = client.fill(ONE_MASK)
        assert new != old
        shutil.rmtree(base / "2")  # going back
        until(lambda: states(address) == {2: "END", 1: "AVAILABLE"})
        assert client.fill(ONE_MASK) == old


def test_versions_that_come_faster_than_they_load_do_not_add_up(
    base: Path, toy_versions: Path
) -> None:
    may_load = {number: threading.Event() for number in (1, 2, 3)}
    begun: list[int] = []
    threads: dict[int, threading.Thread] = {}

    def loader(name: str, version: int, path: Path) -> Servable:
        begun.append(version)
        threads[version] = threading.current_thread()
        assert may_load[version].wait(20)
        return Servable.load(name, version, path)

    manager = ModelManager(loader, poll_seconds=0)

    def states_are(expected: dict[int, str]) -> bool:
        return {v.number: v.state for v in manager.statuses("mlm")} == expected

    may_load[1].set()
    manager.configure(single_model_config("mlm", str(base)))
    toy_model.copy_version(toy_versions / "2", base, 2)
    manager.poll()
    until(lambda: begun == [1, 2])
    toy_model.copy_version(toy_versions / "2", base, 3)  # from now on nobody wants version 2
    manager.poll()
    may_load[2].set()
    until(lambda: states_are({1: "END", 2: "AVAILABLE", 3: "LOADING"}))
    assert manager.find("mlm").version == 2
    may_load[3].set()
    until(lambda: states_are({1: "END", 2: "END", 3: "AVAILABLE"}))
    # nor do their heaps mix, though version 3 was queued before version 2 served
    assert threads[1] is not threads[2] is not threads[3]
    manager.stop()


def test_swaps_under_load_fail_no_request(address: Address, base: Path, toy_versions: Path) -> None:
    with RestClient(address.model()) as client:
        known = [client.fill(ONE_MASK)]
    with serving(model_base_path=str(toy_versions)) as other, RestClient(other.model()) as client:
        known.append(client.fill(ONE_MASK))
    stop, failures, counts = threading.Event(), [], [0, 0]

    def load(make: Callable[[], Any]) -> None:
        with make() as client:
            while not stop.is_set():
                try:
                    # scores are rounded differently by the two protocols
                    got = [f["token"] for f in client.fill(ONE_MASK)]
                    counts[[[f["token"] for f in fills] for fills in known].index(got)] += 1
                except Exception as error:
                    failures.append(error)
                    return

    makers: list[Callable[[], Any]] = [
        lambda: RestClient(address.model(), retries=0),
        lambda: GrpcClient(address.grpc, "mlm", retries=0),
    ] * 2
    threads = [threading.Thread(target=load, args=(make,)) for make in makers]
    for thread in threads:
        thread.start()
    for version in range(2, 7):
        toy_model.copy_version(toy_versions / str(1 + (version + 1) % 2), base, version)
        until(lambda v=version: states(address).get(v) == "AVAILABLE")
        if version > 2:
            shutil.rmtree(base / str(version - 2))
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert min(counts) > 0, "both models must have answered"


def test_a_broken_version_is_reported_and_the_old_one_stays(
    address: Address, base: Path, toy_versions: Path
) -> None:
    (base / "3").mkdir()
    until(lambda: states(address).get(3) == "END")
    status, _, reply = ask(address, "GET", "/v1/models/mlm/versions/3")
    assert reply["model_version_status"][0]["status"]["error_code"] == "NOT_FOUND"
    assert (
        "SavedModel file does not exist"
        in (reply["model_version_status"][0]["status"]["error_message"])
    )
    toy_model.copy_version(toy_versions / "2", base, 4)
    (base / "4x").mkdir()  # not a version
    until(lambda: states(address) == {4: "AVAILABLE", 3: "END", 1: "END"})
    # a damaged file of weights, and a damaged graph
    for version, damaged in ((5, "variables/variables.data-00000-of-00001"), (6, "saved_model.pb")):
        temporary = base / f"tmp{version}"
        shutil.copytree(toy_versions / "1", temporary)
        (temporary / damaged).write_bytes(b"\x12\x34")
        temporary.rename(base / str(version))
        until(lambda v=version: states(address).get(v) == "END")
        _, _, reply = ask(address, "GET", f"/v1/models/mlm/versions/{version}")
        assert reply["model_version_status"][0]["status"]["error_message"]
    assert states(address)[4] == "AVAILABLE"
    with RestClient(address.model()) as client:
        assert len(client.fill(ONE_MASK)) == 5


def test_a_failing_warm_up_keeps_a_version_out(
    address: Address, base: Path, toy_versions: Path
) -> None:
    temporary = base / "tmp2"
    shutil.copytree(toy_versions / "2", temporary)
    warmup = temporary / "assets.extra" / "tf_serving_warmup_requests"
    warmup.write_bytes(warmup.read_bytes()[:-3])
    temporary.rename(base / "2")
    until(lambda: states(address).get(2) == "END")
    _, _, reply = ask(address, "GET", "/v1/models/mlm/versions/2")
    assert reply["model_version_status"][0]["status"]["error_code"] == "DATA_LOSS"
    assert states(address)[1] == "AVAILABLE"


def config(text: str) -> Any:
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())


def model(name: str, base: Path, more: str = "") -> str:
    return f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" {more} }}'


def reload(address: Address, *models: str) -> str:
    """Calls HandleReloadConfigRequest. Returns the error's text, or `OK`."""
    request = model_management_pb2.ReloadConfigRequest(
        config=config(f"model_config_list {{ {' '.join(models)} }}")
    )
    with grpc.insecure_channel(address.grpc) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        try:
            stub.HandleReloadConfigRequest(request, timeout=60)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
    return "OK"


def test_reload_adds_and_removes_models_and_moves_labels(
    address: Address, base: Path, toy_versions: Path
) -> None:
    everything = "model_version_policy { all {} }"

    def labels(stable: int, canary: int) -> str:
        return everything + "".join(
            f' version_labels {{ key: "{k}" value: {v} }}'
            for k, v in (("stable", stable), ("canary", canary))
        )

    def tokens(path: str) -> list[int]:
        with RestClient(f"{address.rest}/v1/models/{path}") as client:
            return [fill["token"] for fill in client.fill(ONE_MASK)]

    assert reload(address, model("mlm", base), model("two", toy_versions, labels(1, 2))) == "OK"
    one, two = tokens("two/versions/1"), tokens("two/versions/2")
    assert one != two
    assert [tokens("two/labels/stable"), tokens("two/labels/canary")] == [one, two]
    assert tokens("mlm") == one
    assert reload(address, model("mlm", base), model("two", toy_versions, labels(2, 2))) == "OK"
    assert tokens("two/labels/stable") == two
    # a label for what is not there changes nothing
    assert reload(address, model("mlm", base), model("two", toy_versions, labels(2, 9))) == (
        "FAILED_PRECONDITION: Request to assign label to version 9 of model two, which is not "
        "currently available for inference"
    )
    assert tokens("two/labels/canary") == two
    assert reload(address, model("two", toy_versions, everything)) == "OK"
    until(lambda: states(address) == {1: "END"})
    status, _, reply = ask(address, "POST", "/v1/models/mlm:predict", {"instances": ["a"]})
    assert (status, reply["error"]) == (404, "Servable not found for request: Latest(mlm)")
    status, _, reply = ask(
        address, "POST", "/v1/models/two/labels/stable:predict", {"instances": ["a"]}
    )
    assert (status, reply["error"]) == (400, "Unrecognized servable version label: stable")


def test_reload_refuses_what_tensorflow_serving_refuses(address: Address, base: Path) -> None:
    assert reload(address, model("a", base), model("a", base)) == (
        "INVALID_ARGUMENT: Illegal to list model a multiple times in config list"
    )
    assert reload(address, model("a", Path("relative"))) == (
        "INVALID_ARGUMENT: Expected model a to have an absolute path or URI; "
        "got base_path()=relative"
    )
    assert states(address) == {1: "AVAILABLE"}


def test_specific_versions(address: Address, base: Path, toy_versions: Path) -> None:
    toy_model.copy_version(toy_versions / "2", base, 2)
    toy_model.copy_version(toy_versions / "2", base, 3)
    specific = "model_version_policy { specific { versions: 1 versions: 3 } }"
    assert reload(address, model("mlm", base, specific)) == "OK"
    until(lambda: {v for v, s in states(address).items() if s == "AVAILABLE"} == {1, 3})
    latest = "model_version_policy { latest { num_versions: 2 } }"
    assert reload(address, model("mlm", base, latest)) == "OK"
    until(lambda: {v for v, s in states(address).items() if s == "AVAILABLE"} == {2, 3})


def test_start_with_a_broken_model_fails_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    with (
        pytest.raises(RunFailedError, match="1 model.s. did not become available.*NOT_FOUND"),
        serving(model_base_path=str(tmp_path), max_num_load_retries=0),
    ):
        pass


def test_wrong_folders(tmp_path: Path, toy_versions: Path) -> None:
    with pytest.raises(UserError, match="is not a folder; make one with tfmlm export"):
        serving(model_base_path=str(tmp_path / "none")).__enter__()
    with pytest.raises(UserError, match="is a version; give the folder above it"):
        serving(model_base_path=str(toy_versions / "1")).__enter__()


def test_a_server_waits_for_its_first_version(base: Path, toy_versions: Path) -> None:
    empty = base.parent / "empty"
    empty.mkdir()
    timer = threading.Timer(0.5, lambda: toy_model.copy_version(toy_versions / "1", empty, 1))
    timer.start()
    # start returns when there is one: the poller must find it
    with serving(model_base_path=str(empty)) as address:
        assert states(address) == {1: "AVAILABLE"}
