"""The files of examples/distributed and the commands of its page, run on loopback."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.snippets import blocks
from tests.training import small
from tests.training.processes import ROOT, environment, finish
from tfmlm.checkpoint.save import save_model
from tfmlm.cluster import parse_tf_config

FOLDER = ROOT / "examples" / "distributed"

SRUN = """\
#!/bin/sh
# As Slurm's: the command as two tasks on this machine, the exit code the highest of theirs.
export SLURM_STEP_NUM_TASKS=2 SLURM_STEP_NODELIST=localhost SLURM_STEP_TASKS_PER_NODE=2
SLURM_PROCID=0 "$@" & first=$!
SLURM_PROCID=1 "$@" & second=$!
wait $first; code=$?
wait $second; other=$?
[ $code -gt $other ] && exit $code
exit $other
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with the corpus and the model that the files name."""
    (tmp_path / "corpus.txt").write_text("\n".join(small.lines()[:150]) + "\n", encoding="utf-8")
    save_model(small.model(max_position_embeddings=128), tmp_path / "distilroberta-base")
    small.tokenizer().save_pretrained(tmp_path / "distilroberta-base")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "srun": SRUN,
        "tfmlm": f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tfmlm "$@"\n',
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return tmp_path


def start(command: list[str], work: Path, **extra: str) -> subprocess.Popen:
    path = f"{work / 'bin'}:{environment()['PATH']}"
    return subprocess.Popen(
        command,
        cwd=work,
        env=environment(PATH=path, HOME=str(work), XDG_CACHE_HOME=str(work / "cache"), **extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def trained_by_two(folder: Path, output: str) -> None:
    """What two workers of 16 rows leave, after `output` of worker 0."""
    assert re.search(r"steps of \d+ on 2 device\(s\)", output), output[-3000:]
    assert json.loads((folder / "all_results.json").read_text())["train_steps"] >= 3
    assert (folder / "model.safetensors").stat().st_size > 0


def test_by_hand_as_the_page_and_the_script_say(work: Path) -> None:
    """Worker 0 by the page's commands, worker 1 by the script: one run."""
    (block,) = (b for b in blocks(ROOT / "docs" / "distributed.md") if "export TF_CONFIG" in b.text)
    text = block.text.replace("/shared/run", str(work / "run")) + "\n"
    hosts = [f"127.0.0.1:{port}" for port in small.free_ports(2)]
    for host in re.findall(r"host\d:\d+", text):
        text = text.replace(host, hosts[int(host[4])])
    flags = shlex.split(text.split("--strategy multi_worker")[1].replace("\\\n", " "))
    script = ["sh", str(FOLDER / "two_workers.sh"), "1", *hosts, *flags]
    processes = [start(["bash", "-ec", text], work), start(script, work)]
    results = [finish(process) for process in processes]
    for code, output in results:
        assert code == 0, output[-3000:]
    trained_by_two(work / "run", results[0][1])


def test_slurm_job(work: Path) -> None:
    first = next(port for port in small.free_ports(20) if free(port + 1))
    process = start(["bash", str(FOLDER / "train.slurm")], work, TFMLM_SLURM_PORT=str(first))
    code, output = finish(process)
    assert code == 0, output[-3000:]
    trained_by_two(work / "tfmlm-run", output)


def test_tfjob_has_what_the_operator_looks_for() -> None:
    from tfmlm.cli.train import add_arguments

    job = yaml.safe_load((FOLDER / "tfjob.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "TFJob")
    assert set(job["spec"]) == {"runPolicy", "tfReplicaSpecs"}
    assert set(job["spec"]["tfReplicaSpecs"]) == {"Worker"}
    worker = job["spec"]["tfReplicaSpecs"]["Worker"]
    assert worker["replicas"] == 2
    assert worker["restartPolicy"] in ("Always", "OnFailure", "Never", "ExitCode")
    pod = worker["template"]["spec"]
    (container,) = pod["containers"]
    assert container["name"] == "tensorflow"
    (port,) = container["ports"]
    assert port["name"] == "tfjob-port"
    claims = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} <= claims

    command = container["args"][0].split("tfmlm train", 1)[1]
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    flags = vars(parser.parse_args(shlex.split(command)))
    assert flags["strategy"] == "multi_worker"
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert flags["output_dir"].startswith(mounts[0])

    # What the operator sets in the second pod of this job.
    addresses = [
        f"{job['metadata']['name']}-worker-{index}.default.svc:{port['containerPort']}"
        for index in range(worker["replicas"])
    ]
    tf_config = {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": 1},
        "environment": "cloud",
    }
    cluster = parse_tf_config(json.dumps(tf_config))
    assert cluster is not None
    assert (cluster.size, cluster.me, cluster.is_chief) == (2, "worker 1", False)
