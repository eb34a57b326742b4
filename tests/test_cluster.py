"""Workers from TF_CONFIG and Slurm; one that does not come is named."""

from __future__ import annotations

import json
import threading

import pytest

from tests.training.processes import environment, finish, start, tf_configs
from tests.training.small import free_ports
from tfmlm.cluster import (
    Cluster,
    cluster_from_environment,
    expand_hostlist,
    parse_tf_config,
    slurm_cluster,
    wait_for_workers,
)
from tfmlm.errors import RunFailedError, UserError


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("node1", ["node1"]),
        ("a,b", ["a", "b"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("n[08-10,12],gpu-1", ["n08", "n09", "n10", "n12", "gpu-1"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("n[1-2].cluster.org,m3", ["n1.cluster.org", "n2.cluster.org", "m3"]),
    ],
)
def test_slurm_host_lists(text: str, hosts: list[str]) -> None:
    assert expand_hostlist(text) == hosts


def test_slurm_step_becomes_a_cluster() -> None:
    step = {
        "SLURM_STEP_NODELIST": "n[1-3]",
        "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
        "SLURM_PROCID": "3",
    }
    cluster = slurm_cluster(step)
    assert cluster.jobs["worker"] == ("n1:15000", "n1:15001", "n2:15000", "n2:15001", "n3:15000")
    assert (cluster.me, cluster.size) == ("worker 3", 5)
    assert slurm_cluster({**step, "TFMLM_SLURM_PORT": "20"}).jobs["worker"][1] == "n1:21"
    with pytest.raises(UserError, match="task 9"):
        slurm_cluster({**step, "SLURM_PROCID": "9"})


def test_environment_tells_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    assert cluster_from_environment() is None
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("SLURM_STEP_NODELIST", "a,b")
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", "1(x2)")
    cluster = cluster_from_environment()
    assert cluster is not None
    assert cluster.me == "worker 1"
    monkeypatch.setenv("TF_CONFIG", tf_configs(3)[2])
    cluster = cluster_from_environment()
    assert cluster is not None
    assert (cluster.size, cluster.me) == (3, "worker 2")
    assert parse_tf_config(json.dumps(cluster.to_tf_config())) == cluster


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"cluster": {"worker": ["a:1", "b:2"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_broken_tf_config(text: str) -> None:
    with pytest.raises(UserError, match="TF_CONFIG"):
        parse_tf_config(text)


def _pair() -> tuple[Cluster, Cluster]:
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(2))
    jobs = {"worker": addresses}
    return Cluster(jobs, "worker", 0), Cluster(jobs, "worker", 1)


def test_workers_find_each_other() -> None:
    first, second = _pair()
    errors: list[BaseException] = []

    def wait(cluster: Cluster) -> None:
        try:
            wait_for_workers(cluster, 20)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=wait, args=(c,)) for c in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_missing_worker_is_named_with_its_address() -> None:
    first, _ = _pair()
    address = first.jobs["worker"][1].replace(".", r"\.")
    with pytest.raises(RunFailedError, match=rf"worker 1 \({address}\) did not come within 1 s"):
        wait_for_workers(first, 1)


def test_own_port_in_use_is_a_users_error() -> None:
    import socket

    first, _ = _pair()
    host, port = first.jobs["worker"][0].split(":")
    with (
        socket.create_server(("", int(port))),
        pytest.raises(UserError, match=f"cannot listen at {host}:{port}"),
    ):
        wait_for_workers(first, 1)


def test_command_ends_with_1_and_one_line(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("some text\n" * 50)
    config = tf_configs(2)[0]
    flags = ["--train_file", str(tmp_path / "a.txt"), "--output_dir", str(tmp_path / "out")]
    flags += ["--model_type", "bert", "--train_tokenizer", "bpe", "--worker_timeout", "2"]
    process = start(["-m", "tfmlm", "train", *flags], **environment(TF_CONFIG=config))
    code, output = finish(process)
    assert code == 1
    lines = output.strip().splitlines()
    assert lines[-1].startswith("tfmlm train: error: worker 1 (127.0.0.1:")
    assert "did not come within 2 s" in lines[-1]
    assert [line for line in lines[:-1] if "Waiting for worker 1" not in line] == []
    assert not (tmp_path / "out").exists()
