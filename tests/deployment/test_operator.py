"""What the OpenTelemetry Operator makes of deploy/Dockerfile.autoinstrumentation, without a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from deploy.dockerfile import instructions
from deployment.environments import ROOT, made_once, pip
from deployment.serving import UVICORN, Run

DOCKERFILE = ROOT / "deploy" / "Dockerfile.autoinstrumentation"
INSTRUMENTATION = ROOT / "deploy" / "kubernetes" / "instrumentation.yaml"


def test_captured(installed: Path, shared: Path, tmp_path: Path) -> None:
    """An app without spantap is captured by what the image holds, put where the Operator puts it."""
    python = shared / "without" / "bin" / "python"
    copied = shared / "otel-auto-instrumentation-python"
    with made_once(copied) as wanted:
        if wanted:
            (wheel,) = shared.glob("spantap-*.whl")
            (install,) = (
                each.words for each in instructions(DOCKERFILE) if each.rest.startswith("pip install")
            )
            end = install.index("&&")
            arguments = [
                str(copied) if word == "/autoinstrumentation" else str(wheel) if word == "." else word
                for word in install[2:end]
            ]
            pip("install", "-c", shared / "pins", *arguments, python=installed / "python")
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", python.parent.parent], check=True)
            pip("install", "--no-compile", "fastapi", "uvicorn", python=python)
    instrumentation, _ = yaml.safe_load_all(INSTRUMENTATION.read_text())
    said = {each["name"]: each["value"] for each in instrumentation["spec"]["python"]["env"]}
    del said["OTEL_EXPORTER_OTLP_ENDPOINT"]
    for rate in ("SAMPLE_RATE", "ALWAYS_ON"):  # here, all of them
        del said[f"OTEL_PYTHON_SPANTAP_CAPTURE_{rate}"]

    run = Run(
        tmp_path,
        "fastapi",
        [*UVICORN, "app:app"],
        {
            **said,
            # As injectPythonSDKToContainer of the Operator has it.
            "PYTHONPATH": os.pathsep.join(
                [str(copied / "opentelemetry/instrumentation/auto_instrumentation"), str(copied)]
            ),
            "OTEL_TRACES_EXPORTER": "otlp,spantap_sqlite",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        },
        binaries=python.parent,
        under=(),
    )

    run.assert_answered()
    run.assert_stored("/echo/{number}")
    run.assert_exported()
    run.assert_clean()
    assert {each.path for each in run.delivered} == {"/v1/traces"}
