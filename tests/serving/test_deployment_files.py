"""Every file of serving/, read by what will read it or checked against its schema."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import yaml

import tfmlm
from tests.missing import need
from tfmlm.cli import export as export_command
from tfmlm.cli import serve as serve_command
from tfmlm.serve.config_files import (
    PROMETHEUS_PATH,
    read_batching_options,
    read_prometheus_path,
)
from tfmlm.serve.metrics import Metrics
from tfmlm.serve.model_config import check_model_config, pick_versions, read_model_config

SERVING = Path(__file__).parents[2] / "serving"
IMAGE = "tensorflow/serving:2.20.0"


def documents(path: str) -> list[Any]:
    return [d for d in yaml.safe_load_all((SERVING / path).read_text("utf-8")) if d]


#: Custom resources, whose schemas are not Kubernetes' own.
CUSTOM = {
    "kubernetes/monitoring/pod-monitor.yaml",
    "kubernetes/examples/gateway.yaml",
    "kubernetes/examples/kserve.yaml",
}


def kubernetes_files() -> list[str]:
    files = [*(SERVING / "kubernetes").glob("*.yaml"), *SERVING.glob("kubernetes/examples/*.yaml")]
    names = {str(path.relative_to(SERVING)) for path in files}
    return sorted(names - CUSTOM - {"kubernetes/prometheus-adapter.yaml"})  # values of a chart


def dockerfile_command() -> list[str]:
    text = (SERVING / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return json.loads(re.search(r"^CMD (\[.*\])$", text, re.M)[1])


def container() -> dict[str, Any]:
    (deployment,) = documents("kubernetes/deployment.yaml")
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return found


def known_flags() -> set[str]:
    parser = argparse.ArgumentParser()
    serve_command.add_arguments(parser)
    own = set(serve_command._LOCAL_ONLY) | {"engine", "json"}
    return {a.option_strings[-1] for a in parser._actions} - {f"--{name}" for name in own}


def test_every_file_is_looked_at_by_a_test() -> None:
    seen = {*kubernetes_files(), *CUSTOM, "kubernetes/prometheus-adapter.yaml"}
    seen |= {
        "Dockerfile",
        "export.Dockerfile",
        "kubernetes/monitoring/kustomization.yaml",
        "compose.yaml",
        "kustomization.yaml",
        "README.md",
        "smoke.py",
        "release.py",
    }
    seen |= {f"config/{name}.config" for name in ("models", "batching", "monitoring")}
    seen |= {
        "prometheus/prometheus.yml",
        "prometheus/alerts.yml",
        "grafana/dashboards/serving.json",
    }
    seen |= {f"kubernetes/from-bucket/{n}.yaml" for n in ("kustomization", "models-from-bucket")}
    seen |= {
        "grafana/provisioning/datasources/prometheus.yaml",
        "grafana/provisioning/dashboards/serving.yaml",
    }
    there = {
        str(path.relative_to(SERVING))
        for path in SERVING.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert there == seen


def test_models_config() -> None:
    (entry,) = check_model_config(read_model_config(SERVING / "config" / "models.config"))
    assert (entry.name, entry.base_path) == ("mlm", "/models/mlm")
    assert dict(entry.version_labels) == {"stable": 1}
    assert pick_versions(entry.model_version_policy, [1, 2, 3]) == [1]


def test_batching_config() -> None:
    options = read_batching_options(SERVING / "config" / "batching.config")
    assert options.pad_variable_length_inputs
    assert options.max_batch_size >= 64  # what a client of this package sends at once
    assert options.max_execution_batch_size == 8


def test_monitoring_config() -> None:
    assert read_prometheus_path(SERVING / "config" / "monitoring.config") == PROMETHEUS_PATH


def test_flags_are_those_of_tensorflow_model_server_and_agree() -> None:
    for command in (dockerfile_command(), container()["args"]):
        assert {flag.split("=")[0] for flag in command} <= known_flags()
    threads = [flag for flag in container()["args"] if "op_parallelism" in flag]
    assert dockerfile_command() == [f for f in container()["args"] if f not in threads]
    assert [flag.split("=")[1] for flag in threads] == ["$(CPU_REQUEST)"] * 2
    (variable,) = container()["env"]
    assert variable["name"] == "CPU_REQUEST"
    assert variable["valueFrom"]["resourceFieldRef"] == {"resource": "requests.cpu"}


def test_images_are_pinned() -> None:
    assert f"\nFROM {IMAGE}\n" in (SERVING / "Dockerfile").read_text("utf-8")
    assert container()["image"] == IMAGE
    images = [s["image"] for s in documents("compose.yaml")[0]["services"].values()]
    images += [
        c["image"]
        for d in documents("kubernetes/from-bucket/models-from-bucket.yaml")
        for c in d["spec"]["template"]["spec"]["initContainers"]
    ]
    for image in images:
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?", image), image


def test_dockerfile_instructions() -> None:
    text = re.sub(r"\\\n", " ", (SERVING / "Dockerfile").read_text("utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    names = [line.split()[0] for line in lines]
    assert names == ["FROM", "COPY", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"]
    for line in lines:
        if line.startswith("COPY"):
            assert (SERVING / line.split()[1]).exists()
    check = json.loads(re.search(r"CMD (\[\"bash.*?\])\s", text + "\n")[1])
    assert check[:2] == ["bash", "-c"]
    assert subprocess.run(["bash", "-n", "-c", check[2]]).returncode == 0


@pytest.mark.parametrize("path", kubernetes_files())
def test_kubernetes_schemas(path: str) -> None:
    for document in documents(path):
        kubernetes_validate.validate(document, "1.31", strict=True)


def kustomize(folder: Path) -> list[Any]:
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_kustomization() -> None:
    need("kubectl")
    rendered = kustomize(SERVING)
    for document in rendered:
        kubernetes_validate.validate(document, "1.31", strict=True)
    by_kind = {d["kind"]: d for d in rendered}
    deployment, config = by_kind["Deployment"], by_kind["ConfigMap"]
    pod = deployment["spec"]["template"]["spec"]
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"]
    claim = volumes["models"]["persistentVolumeClaim"]["claimName"]
    assert claim == by_kind["PersistentVolumeClaim"]["metadata"]["name"]
    for name, text in config["data"].items():
        assert text == (SERVING / "config" / name).read_text("utf-8")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert by_kind["Service"]["spec"]["selector"].items() <= labels.items()
    ports = {p["name"] for p in pod["containers"][0]["ports"]}
    assert {p["targetPort"] for p in by_kind["Service"]["spec"]["ports"]} == ports
    target = by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])


def test_models_from_a_bucket(tmp_path: Path) -> None:
    need("kubectl")
    folder = tmp_path / "serving"
    shutil.copytree(SERVING, folder)
    file = folder / "kustomization.yaml"
    file.write_text(file.read_text() + "components: [kubernetes/from-bucket]\n")
    rendered = kustomize(folder)
    for document in rendered:
        kubernetes_validate.validate(document, "1.31", strict=True)
    by_kind = {d["kind"]: d for d in rendered}
    assert "PersistentVolumeClaim" not in by_kind
    assert by_kind["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress"]  # rclone goes out
    pod = by_kind["Deployment"]["spec"]["template"]["spec"]
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert set(volumes["models"]) == {"name", "emptyDir"}
    assert pod["initContainers"][0]["volumeMounts"][0] == {"name": "models", "mountPath": "/models"}


def test_the_autoscaler_alone_decides_the_number_of_pods() -> None:
    (deployment,) = documents("kubernetes/deployment.yaml")
    assert "replicas" not in deployment["spec"]


def test_liveness_waits_for_no_rest_thread() -> None:
    found = container()
    names = {p["name"]: p["containerPort"] for p in found["ports"]}
    assert names == {"grpc": 8500, "rest": 8501}
    for kind in ("startupProbe", "livenessProbe"):
        assert found[kind]["tcpSocket"] == {"port": "grpc"}


def test_the_image_asks_for_the_same_state_as_the_pod() -> None:
    text = (SERVING / "Dockerfile").read_text("utf-8")
    (check,) = re.findall(r'CMD (\["bash".*?\])$', text, re.M)
    ready = container()["readinessProbe"]["exec"]["command"][2]
    assert json.loads(check)[2] == ready


def run_readiness(port: int | str, model: str = "mlm") -> int:
    script = container()["readinessProbe"]["exec"]["command"][2]
    script = script.replace("8501", str(port)).replace("/models/mlm", f"/models/{model}")
    done = subprocess.run(["bash", "-c", script], timeout=20, capture_output=True)
    return done.returncode


def test_the_readiness_script_tells_available_from_not(toy_server: Any) -> None:
    port = toy_server.rest.rsplit(":", 1)[1]
    assert run_readiness(port) == 0
    assert run_readiness(port, "other") != 0
    assert run_readiness(1) != 0


@pytest.mark.parametrize("state", ["START", "LOADING", "UNLOADING", "END", "UNAVAILABLE"])
def test_no_other_state_is_ready(state: str) -> None:
    """Answers laid out as TensorFlow Serving's, over a socket."""
    answers = {"AVAILABLE": True, state: False}
    for name, ready in answers.items():
        body = (
            '{\n "model_version_status": [\n  {\n   "version": "1",\n   "state": "%s"\n  }\n ]\n}'
        )
        with answering(f"HTTP/1.0 200 OK\r\n\r\n{body % name}") as port:
            assert (run_readiness(port) == 0) is ready, name


@contextlib.contextmanager
def answering(text: str) -> Iterator[int]:
    """A port that gives this answer to one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(text.encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=10)


def test_the_job_writes_to_the_volume_that_the_servers_read() -> None:
    (job,) = documents("kubernetes/export-job.yaml")
    pod = job["spec"]["template"]["spec"]
    (found,) = pod["containers"]
    (claim,) = documents("kubernetes/models.yaml")
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["storageClassName"]
    (entry,) = check_model_config(read_model_config(SERVING / "config" / "models.config"))
    parser = argparse.ArgumentParser()
    export_command.add_arguments(parser)
    command, *flags = found["args"]
    assert command == "export"
    arguments = parser.parse_args(flags)
    assert arguments.export_dir == entry.base_path
    mounts = {m["name"]: m["mountPath"] for m in found["volumeMounts"]}
    assert entry.base_path.startswith(mounts["models"] + "/")
    assert 'ENTRYPOINT ["tfmlm"]' in (SERVING / "export.Dockerfile").read_text("utf-8")
    (deployment,) = documents("kubernetes/deployment.yaml")
    user = deployment["spec"]["template"]["spec"]["securityContext"]
    assert user == pod["securityContext"]  # what the Job writes, the servers can read


def test_the_export_image_is_made_from_what_is_here() -> None:
    text = (SERVING / "export.Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    names = [line.split()[0] for line in lines]
    assert names == ["FROM", "COPY", "RUN", "ENV", "USER", "WORKDIR", "ENTRYPOINT", "CMD"]
    assert re.fullmatch(r"FROM python:3\.1[0-3]-slim", lines[0])
    (job,) = documents("kubernetes/export-job.yaml")
    image = job["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image.endswith(f"/tfmlm:{tfmlm.__version__}") and f"-t tfmlm:{tfmlm.__version__}" in text


def test_references_of_custom_resources() -> None:
    pod = documents("kubernetes/deployment.yaml")[0]["spec"]["template"]
    service = documents("kubernetes/service.yaml")[0]
    ports = {p["name"]: p["port"] for p in service["spec"]["ports"]}
    (monitor,) = documents("kubernetes/monitoring/pod-monitor.yaml")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] in ports and endpoint["path"] == PROMETHEUS_PATH
    gateway, *routes = documents("kubernetes/examples/gateway.yaml")
    for route, port in zip(routes, ("rest", "grpc"), strict=True):
        assert route["spec"]["parentRefs"] == [{"name": gateway["metadata"]["name"]}]
        (rule,) = route["spec"]["rules"]
        assert rule["backendRefs"] == [{"name": service["metadata"]["name"], "port": ports[port]}]
    (path,) = documents("kubernetes/examples/ingress.yaml")[0]["spec"]["rules"][0]["http"]["paths"]
    backend = path["backend"]["service"]
    assert backend["name"] == service["metadata"]["name"] and backend["port"]["name"] in ports
    (kserve,) = documents("kubernetes/examples/kserve.yaml")
    model = kserve["spec"]["predictor"]["model"]
    claim = documents("kubernetes/models.yaml")[0]["metadata"]["name"]
    assert model["storageUri"] == f"pvc://{claim}/mlm"
    assert IMAGE.endswith(":" + model["runtimeVersion"])
    assert {flag.split("=")[0] for flag in model["args"]} <= known_flags()


def test_the_network_policy_lets_clients_in() -> None:
    (policy,) = documents("kubernetes/network-policy.yaml")
    pod = documents("kubernetes/deployment.yaml")[0]["spec"]["template"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    names = {p["name"] for p in container()["ports"]}
    for rule in policy["spec"]["ingress"]:
        assert {p["port"] for p in rule["ports"]} <= names


def test_monitoring_is_a_component(tmp_path: Path) -> None:
    need("kubectl")
    folder = tmp_path / "serving"
    shutil.copytree(SERVING, folder)
    file = folder / "kustomization.yaml"
    file.write_text(file.read_text() + "components: [kubernetes/monitoring]\n")
    assert "PodMonitor" in {d["kind"] for d in kustomize(folder)}


def test_compose() -> None:
    (compose,) = documents("compose.yaml")
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            if source.startswith("."):
                assert (SERVING / source).exists(), source
            elif not source.startswith("$"):
                assert source in compose["volumes"]
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ()))
    # the parser knows every field of the Compose specification, but does not interpolate
    text = re.sub(r"\$\{[^}]*\}", "/export", (SERVING / "compose.yaml").read_text("utf-8"))
    parsed = compose_spec.PyCompose.from_yaml(text)
    parsed.validate()
    assert set(parsed.service_names()) == {"serving", "prometheus", "grafana"}
    with pytest.raises(Exception, match="portz"):
        compose_spec.PyCompose.from_yaml(text.replace("restart:", "portz: 1\n    restart:", 1))


def test_prometheus_reads_the_page_of_the_server() -> None:
    (config,) = documents("prometheus/prometheus.yml")
    (job,) = config["scrape_configs"]
    assert job["metrics_path"] == PROMETHEUS_PATH
    assert job["static_configs"] == [{"targets": ["serving:8501"]}]
    assert "serving" in documents("compose.yaml")[0]["services"]
    for name in config["rule_files"]:
        assert (SERVING / "prometheus" / name).exists()


def expressions() -> list[str]:
    dashboard = json.loads((SERVING / "grafana/dashboards/serving.json").read_text("utf-8"))
    found = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    for group in documents("prometheus/alerts.yml")[0]["groups"]:
        found += [rule["expr"] for rule in group["rules"]]
    (adapter,) = documents("kubernetes/prometheus-adapter.yaml")
    found += [rule["seriesQuery"] for rule in adapter["rules"]["custom"]]
    return found


def test_dashboard_alerts_and_scaling_ask_for_metrics_that_exist() -> None:
    metrics = vars(Metrics()).values()
    labels = {metric.name: set(metric.labels) for metric in metrics}
    for expression in expressions():
        names = re.findall(r":tensorflow:serving:[\w:]+", expression)
        assert names or "up{" in expression
        for name in names:
            base = re.sub(r"_(bucket|sum|count)$", "", name) if name not in labels else name
            assert base in labels, expression
            matchers = re.search(re.escape(name) + r"\{([^}]*)\}", expression)
            for label in re.findall(r"(\w+)\s*[=!]~?", matchers[1] if matchers else ""):
                assert label in labels[base], expression
        assert expression.count("(") == expression.count(")")
        assert expression.count("{") == expression.count("}")


def test_the_autoscaler_uses_the_metric_that_the_adapter_makes() -> None:
    (adapter,) = documents("kubernetes/prometheus-adapter.yaml")
    (autoscaler,) = documents("kubernetes/hpa.yaml")
    made = {rule["name"]["as"] for rule in adapter["rules"]["custom"]}
    used = {m["pods"]["metric"]["name"] for m in autoscaler["spec"]["metrics"]}
    assert used == made


def test_grafana_finds_its_files() -> None:
    (sources,) = documents("grafana/provisioning/datasources/prometheus.yaml")
    (providers,) = documents("grafana/provisioning/dashboards/serving.yaml")
    dashboard = json.loads((SERVING / "grafana/dashboards/serving.json").read_text("utf-8"))
    uids = {source["uid"] for source in sources["datasources"]}
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == uids
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    grafana = documents("compose.yaml")[0]["services"]["grafana"]
    mounts = {v.split(":")[1] for v in grafana["volumes"]}
    assert {p["options"]["path"] for p in providers["providers"]} <= mounts
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).name == "serving.json"
