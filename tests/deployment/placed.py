"""A cell of the matrix on the disk: its app, its environment, its command."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployment.apps import APPS, HANDLERS, IN_CODE, IN_CODE_ASGI, IN_SETTINGS, django_project
from deployment.cells import SETUPS, Cell
from deployment.environments import Environments, Versions
from deployment.serving import BOTH, INSTRUMENT

CHOICE = ("OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR")
# What the OpenTelemetry Operator sets in a container, and what its user adds: a store. The distro is ours.
OPERATOR = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_TRACES_EXPORTER": "otlp,spantap_sqlite",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_PROPAGATORS": "tracecontext,baggage",
    "OTEL_TRACES_SAMPLER": "parentbased_always_on",
    "OTEL_RESOURCE_ATTRIBUTES": "k8s.container.name=shop,k8s.namespace.name=default",
}


@dataclass(frozen=True)
class Placed:
    """How to start it.

    Attributes:
        command: the server, with ``{port}`` in it.
        environ: the variables of its way, beside the default ones of a set-up without code.
        binaries: where its commands are.
        under: what the server is started with.
        without: of the default variables, those that are not set.
    """

    command: list[str]
    environ: dict[str, str]
    binaries: Path
    under: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


def place(cell: Cell, folder: Path, environments: Environments) -> Placed:
    """Write the app of a cell there and say how it is started; a server that is not there skips the test."""
    setup = SETUPS[cell.setup]
    app = _write_app(cell, folder)
    command = [each.format(app=app, port="{port}") for each in setup.command]
    placed = switched_on(cell.way, command, environments, cell.versions)
    if setup.adapter:  # nobody tells a function of AWS Lambda that it ends: all is to be sent at once
        placed.environ["AWS_LAMBDA_FUNCTION_NAME"] = "shop"
        placed.environ["OTEL_PYTHON_SPANTAP_FAAS_FLUSH_TIMEOUT"] = "60"
    if cell.way == "PYTHONPATH" and "gevent" in cell.setup:
        placed.environ["OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"] = "patch_all"
        # The SDK's own threads for them leave a traceback as they end.
        placed.environ.update(OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
    return placed


def switched_on(
    way: str, command: list[str], environments: Environments, versions: Versions = "latest"
) -> Placed:
    """How a command is started with the capture switched on; one that is not there skips the test.

    Args:
        way: one of `WAYS`; in code it is the app's business.
        command: with ``{port}`` in it.
        environments: where it is installed.
        versions: of the frameworks.
    """
    binaries = environments.bare(versions) if way == "PYTHONPATH" else environments.installed(versions)
    if not (binaries / command[0]).exists():
        pytest.skip(f"{command[0]} could not be built here")
    if way == "opentelemetry-instrument":
        return Placed(command, dict(BOTH), binaries, under=(INSTRUMENT,))
    if way == "spantap run":
        return Placed(command, {}, binaries, under=("spantap", "run", "--"), without=CHOICE)
    if way == "PYTHONPATH":
        ours = environments.injected()
        hook = ours / "opentelemetry/instrumentation/auto_instrumentation"
        return Placed(command, {**OPERATOR, "PYTHONPATH": f"{hook}{os.pathsep}{ours}"}, binaries)
    return Placed(command, {"OTEL_PYTHON_SPANTAP_SQLITE_PATH": "spantap.db"}, binaries, without=CHOICE)


def _write_app(cell: Cell, folder: Path) -> str:
    """Write it; what the server is told to serve."""
    setup, in_code = SETUPS[cell.setup], cell.way == "in code"
    if "manage.py" in setup.command:
        django_project(folder)
        if in_code:
            with (folder / "shop/settings.py").open("a") as settings:
                settings.write(IN_SETTINGS)
        return ""
    asynchronous = cell.framework == "django" and "starlette" in setup.frameworks
    name = "asgi" if asynchronous else "app"
    text = APPS[cell.framework]
    if in_code:
        text += IN_CODE_ASGI if asynchronous else IN_CODE
    if setup.adapter:
        text += HANDLERS[setup.adapter].format(app=name)
        gateway = Path(__file__).with_name("lambda_gateway.py")
        (folder / "gateway.py").write_text(gateway.read_text())
    (folder / "app.py").write_text(text)
    return f"app:{name}"
