"""The manifests in `deploy/kubernetes` say what Kubernetes and spantap understand."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from collector.conftest import wanted
from spantap.settings import PREFIX, read

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "deploy" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
KUBERNETES = "1.34"
# Where the Operator's `config/crd/bases` is; docs/containers.md tells of it.
CRDS = os.environ.get("SPANTAP_OPERATOR_CRDS")


def documents(file: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(file.read_text()) if each]


OURS = [each for file in FILES for each in documents(file)]


def named(kind: str) -> list[dict[str, Any]]:
    return [each for each in OURS if each["kind"] == kind]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_they_are_well_written(file: Path) -> None:
    """yamllint finds nothing: no key twice, no surprise in a value."""
    rules = YamlLintConfig(
        "{extends: default, rules: {line-length: {max: 120}, truthy: {check-keys: false}}}"
    )

    assert [str(problem) for problem in linter.run(file.read_text(), rules)] == []


@pytest.mark.parametrize(
    "resource",
    [each for each in OURS if "opentelemetry.io" not in each["apiVersion"]],
    ids=lambda each: f"{each['kind']} {each['metadata']['name']}",
)
def test_kubernetes_would_take_them(resource: dict[str, Any]) -> None:
    """Each resource is valid by the schemas of Kubernetes, and has no field it does not know."""
    kubernetes_validate.validate(resource, KUBERNETES, strict=True)


@pytest.mark.skipif(
    not CRDS, reason="needs the Operator's definitions: SPANTAP_OPERATOR_CRDS, see docs/containers.md"
)
@pytest.mark.parametrize(
    "resource",
    [each for each in OURS if "opentelemetry.io" in each["apiVersion"]],
    ids=lambda each: f"{each['kind']} {each['metadata']['name']}",
)
def test_the_operator_would_take_them(resource: dict[str, Any]) -> None:
    """Each resource of the Operator's is valid by its definition, and has no field it does not know."""
    plural = f"{resource['kind'].lower()}s"
    text = (Path(CRDS or "") / f"opentelemetry.io_{plural}.yaml").read_text()
    definition = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # in C it takes a tenth
    version = resource["apiVersion"].partition("/")[2]
    (schema,) = [
        each["schema"]["openAPIV3Schema"]
        for each in definition["spec"]["versions"]
        if each["name"] == version
    ]

    jsonschema.validate(resource, strict(schema))


def strict(schema: Any) -> Any:
    """The same schema, in which an object may have no property that is not named."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    stricter = {name: strict(each) for name, each in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        stricter.setdefault("additionalProperties", False)
        if set(schema["properties"]) >= {"apiVersion", "kind", "metadata"}:
            stricter["properties"]["metadata"] = {"type": "object"}
    return stricter


def variables() -> list[tuple[str, dict[str, str]]]:
    """The environments the manifests give to apps."""
    found = []
    for each in OURS:
        if each["kind"] == "Instrumentation":
            found.append((each["metadata"]["name"], each["spec"]["python"]["env"]))
        elif each["kind"] == "Deployment":
            containers = each["spec"]["template"]["spec"]["containers"]
            found += [(container["name"], container.get("env", [])) for container in containers]
    return [(name, {each["name"]: each["value"] for each in env}) for name, env in found if env]


@pytest.mark.parametrize(("name", "environ"), variables())
def test_the_settings_in_them_are_ours(name: str, environ: dict[str, str]) -> None:
    """Every variable of ours in them is a setting, and its value one that is allowed."""
    ours = {variable: value for variable, value in environ.items() if variable.startswith(PREFIX)}
    assert ours, name

    read({}, environ)


def test_what_refers_to_what() -> None:
    """Services, volumes and annotations name what is there."""
    (agent,) = named("DaemonSet")
    pod = agent["spec"]["template"]
    (service,) = named("Service")
    (container,) = pod["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    endpoint = f"http://{service['metadata']['name']}.{service['metadata']['namespace']}:4318"

    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert {each["port"]: ports[each["targetPort"]] for each in service["spec"]["ports"]} == {
        4317: 4317,
        4318: 4318,
    }
    assert endpoint in [environ["OTEL_EXPORTER_OTLP_ENDPOINT"] for _, environ in variables()]
    for each in named("DaemonSet") + named("Deployment"):
        inside = each["spec"]["template"]["spec"]
        mounted = [mount["name"] for one in inside["containers"] for mount in one.get("volumeMounts", [])]
        assert sorted(mounted) == sorted(volume["name"] for volume in inside.get("volumes", []))
    asked = [each["spec"]["template"]["metadata"]["annotations"] for each in named("Deployment")]
    assert {
        "instrumentation.opentelemetry.io/inject-python": named("Instrumentation")[0]["metadata"]["name"]
    } in asked
    assert {
        "sidecar.opentelemetry.io/inject": named("OpenTelemetryCollector")[0]["metadata"]["name"]
    } in asked


def test_the_agent_is_told_what_its_file_asks_for() -> None:
    """Every variable the DaemonSet sets for its collector is one that deploy/agent.yaml reads."""
    (container,) = named("DaemonSet")[0]["spec"]["template"]["spec"]["containers"]
    asked = set(re.findall(r"\$\{env:(\w+)", (ROOT / "deploy" / "agent.yaml").read_text()))

    assert {each["name"] for each in container["env"]} <= asked
    assert container["args"] == ["--config=/etc/otelcol/agent.yaml"]


def test_a_collector_takes_their_configurations(tmp_path: Path) -> None:
    """A real Collector finds nothing wrong with the sidecar's configuration and the agent's variables."""
    sidecar = tmp_path / "sidecar.yaml"
    sidecar.write_text(yaml.safe_dump(named("OpenTelemetryCollector")[0]["spec"]["config"]))
    (agent,) = named("DaemonSet")[0]["spec"]["template"]["spec"]["containers"]
    told = {each["name"]: each["value"] for each in agent["env"]}

    for file, more in ((sidecar, {}), (ROOT / "deploy" / "agent.yaml", told)):
        environ = {**os.environ, **more, "QUEUE_DIRECTORY": str(tmp_path)}
        command = [str(wanted()), "validate", f"--config={file}"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
