"""The manifests for Kubernetes: valid for its API, in agreement with each other, and with what they start.

No cluster has run them. What can be known without one is checked here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from fsrfer.export.triton import export_repository
from fsrfer.export.triton.config import ENGINE_CACHE
from fsrfer.runtime.sources import Shard
from fsrfer.runtime.triton.settings import parse_triton

FOLDER = Path(__file__).parents[1] / "examples" / "kubernetes"
VERSIONS = ("1.30", "1.37")


def manifests(name):
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def of_kind(name, kind):
    (found,) = (manifest for manifest in manifests(name) if manifest["kind"] == kind)
    return found


def container(name, kind):
    (found,) = of_kind(name, kind)["spec"]["template"]["spec"]["containers"]
    return found


def documented_options(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    return set(re.findall(r"--[a-z][a-z0-9-]+", done.stdout + done.stderr))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "manifest"),
    [(path.name, manifest) for path in sorted(FOLDER.glob("*.yaml")) for manifest in manifests(path.name)],
    ids=lambda value: value["kind"] if isinstance(value, dict) else value,
)
def test_manifests_are_those_of_the_api(name, manifest, version):
    kubernetes_validate.validate(manifest, version, strict=True)


def test_an_unknown_field_is_noticed():
    wrong = of_kind("triton.yaml", "PodDisruptionBudget")
    wrong["spec"]["maxUnavailables"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


@pytest.mark.parametrize(("name", "kind"), [("triton.yaml", "Deployment"), ("boxes.yaml", "StatefulSet")])
def test_selectors_probes_and_volumes_belong_together(name, kind):
    spec = of_kind(name, kind)["spec"]
    pod, labels = spec["template"]["spec"], spec["template"]["metadata"]["labels"]
    selectors = [
        spec["selector"]["matchLabels"],
        of_kind(name, "Service")["spec"]["selector"],
        of_kind(name, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        *(one["labelSelector"]["matchLabels"] for one in pod["topologySpreadConstraints"]),
    ]
    assert all(selector == labels for selector in selectors)
    started = container(name, kind)
    ports = {port["name"] for port in started["ports"]}
    assert {port["targetPort"] for port in of_kind(name, "Service")["spec"]["ports"]} <= ports
    probes = [started[f"{probe}Probe"] for probe in ("startup", "readiness", "liveness")]
    assert {probe["httpGet"]["port"] for probe in probes if "httpGet" in probe} <= ports
    assert {mount["name"] for mount in started["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_the_autoscaler_follows_the_metric_that_the_adapter_makes():
    scaler = of_kind("triton.yaml", "HorizontalPodAutoscaler")["spec"]
    deployment = of_kind("triton.yaml", "Deployment")
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert scaler["minReplicas"] == deployment["spec"]["replicas"]
    (rule,) = adapter_rules()
    (metric,) = scaler["metrics"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
    assert re.fullmatch(rule["name"]["matches"], rule["seriesQuery"].partition("{")[0])


def adapter_rules():
    return yaml.safe_load(of_kind("prometheus-adapter.yaml", "ConfigMap")["data"]["config.yaml"])["rules"]


def test_boxes_are_started_with_options_that_there_are():
    box = container("boxes.yaml", "StatefulSet")
    options = dict(word.split("=", 1) if "=" in word else (word, "") for word in box["args"][1:])
    code = "from fsrfer.cli.main import run; run()"
    assert set(options) <= documented_options(sys.executable, "-c", code, "--help")
    fixed = {entry["name"]: entry.get("value", "0") for entry in box["env"]}
    shard = Shard.parse(re.sub(r"\$\((\w+)\)", lambda found: fixed[found.group(1)], options["--shard"]))
    assert shard == Shard(0, of_kind("boxes.yaml", "StatefulSet")["spec"]["replicas"])
    service = of_kind("triton.yaml", "Service")
    (endpoint,) = parse_triton(options["--backend"]).endpoints
    assert endpoint.startswith(f"{service['metadata']['name']}.")
    assert int(endpoint.rpartition(":")[2]) in {port["port"] for port in service["spec"]["ports"]}
    assert options["--serve"].endswith(f":{box['ports'][0]['containerPort']}")


def test_the_readiness_of_a_box_is_a_program_that_compiles():
    words = container("boxes.yaml", "StatefulSet")["readinessProbe"]["exec"]["command"]
    assert words[:2] == ["python", "-c"]
    compile(words[2], "probe", "exec")
    assert "/readyz" in words[2]


def test_servers_have_a_place_for_compiled_engines():
    assert ENGINE_CACHE in {mount["mountPath"] for mount in container("triton.yaml", "Deployment")["volumeMounts"]}


def test_the_real_server_knows_its_options_probes_and_metrics(triton_server, make_bundle, tmp_path):
    root = triton_server.triton_root(triton_server.VENV)
    started = container("triton.yaml", "Deployment")
    options = {word.partition("=")[0] for word in started["command"][1:]}
    assert options <= documented_options(root / "bin" / "tritonserver", "--help")
    repository = tmp_path / "repository"
    export_repository(make_bundle(tmp_path / "tiny"), repository)
    ours = [word for word in started["command"][1:] if "--model-repository" not in word]
    with triton_server.TritonServer(repository, ours, log=tmp_path / "log") as server:
        for probe in ("startup", "readiness", "liveness"):
            path = started[f"{probe}Probe"]["httpGet"]["path"]
            with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}{path}", timeout=10) as answer:
                assert answer.status == 200
        with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
    (rule,) = adapter_rules()
    used = set(re.findall(r"nv_\w+", rule["metricsQuery"] + rule["seriesQuery"]))
    assert used == {"nv_inference_queue_duration_us", "nv_inference_request_success"}
    for name in used:
        assert re.search(rf"^{name}\{{.*\}} \d", metrics, re.MULTILINE)
