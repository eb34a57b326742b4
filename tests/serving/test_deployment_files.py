"""Every file of serving/, read by what will read it or checked against its schema."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import yaml

from tests.missing import need
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


def kubernetes_files() -> list[str]:
    return sorted(
        str(path.relative_to(SERVING))
        for path in (SERVING / "kubernetes").glob("*.yaml")
        if path.name != "prometheus-adapter.yaml"  # values of a chart
    )


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
    seen = {*kubernetes_files(), "kubernetes/prometheus-adapter.yaml"}
    seen |= {
        "Dockerfile",
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
    assert dockerfile_command() == container()["args"]


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
    pod = by_kind["Deployment"]["spec"]["template"]["spec"]
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert set(volumes["models"]) == {"name", "emptyDir"}
    assert pod["initContainers"][0]["volumeMounts"][0] == {"name": "models", "mountPath": "/models"}


def test_probes() -> None:
    found = container()
    names = {p["name"]: p["containerPort"] for p in found["ports"]}
    for kind in ("startupProbe", "livenessProbe"):
        assert found[kind]["httpGet"] == {"path": "/v1/models/mlm", "port": "rest"}
    assert names == {"grpc": 8500, "rest": 8501}
    script = found["readinessProbe"]["exec"]["command"][2]
    assert "/v1/models/mlm" in script and "AVAILABLE" in script


def test_the_readiness_script_tells_available_from_not(toy_server: Any) -> None:
    script = container()["readinessProbe"]["exec"]["command"][2]
    port = toy_server.rest.rsplit(":", 1)[1]

    def run(text: str) -> int:
        return subprocess.run(["bash", "-c", text], timeout=20, capture_output=True).returncode

    here = script.replace("8501", port)
    assert run(here) == 0
    assert run(here.replace("/models/mlm", "/models/other")) != 0
    assert run(script.replace("8501", "1")) != 0


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
