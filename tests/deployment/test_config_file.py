"""OTEL_CONFIG_FILE: the SDK is set up from a file, by opentelemetry-configuration, and we attach to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployment.apps import ROUTES
from deployment.conftest import Extra
from deployment.serving import GUNICORN, UVICORN, Run

PACKAGE = "opentelemetry-configuration"
COMMANDS = {
    "fastapi": [*UVICORN, "app:app"],
    "flask": [*GUNICORN, "app:app"],
    "django": [*GUNICORN, "app:app"],
    "asgi": [*UVICORN, "app:app"],
}
PIPELINE = """
file_format: "1.0"
propagator: {composite: [{tracecontext: }, {baggage: }]}  # without any, FastAPI's own telemetry breaks
resource:
  attributes:
    - {name: service.name, value: zero}
tracer_provider:
  processors:
    - batch:
        schedule_delay: 100
        exporter:
          otlp_http:
            endpoint: ${OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces
"""
STORE = {"OTEL_PYTHON_SPANTAP_SQLITE_PATH": "spantap.db"}


def run_with(
    folder: Path,
    app: str,
    text: str | None,
    installed: Path,
    environ: dict[str, str],
    *,
    delivered: bool = False,
) -> Run:
    if text is not None:
        (folder / "otel.yaml").write_text(text)
    return Run(
        folder,
        app,
        COMMANDS[app],
        {"OTEL_CONFIG_FILE": "otel.yaml", **environ},
        binaries=installed,
        delivered_first=delivered,
    )


@pytest.mark.parametrize("app", list(COMMANDS))
def test_captured(app: str, installed: Path, extra: Extra, tmp_path: Path) -> None:
    """One row, and one SERVER span through the pipeline of the file."""
    run = run_with(
        tmp_path, app, PIPELINE, installed, {**STORE, "PYTHONPATH": extra.path(PACKAGE)}, delivered=True
    )

    run.assert_answered()
    run.assert_stored(ROUTES.get(app))
    run.assert_exported()
    run.assert_clean()


def test_no_propagator(installed: Path, extra: Extra, tmp_path: Path) -> None:
    """A file that names none means that no trace comes in: each request begins its own."""
    text = "\n".join(line for line in PIPELINE.splitlines() if not line.startswith("propagator"))

    run = run_with(
        tmp_path, "asgi", text, installed, {**STORE, "PYTHONPATH": extra.path(PACKAGE)}, delivered=True
    )

    run.assert_answered()
    run.assert_stored(None)
    run.assert_exported()


def test_a_store_of_ours_in_the_file(installed: Path, extra: Extra, tmp_path: Path) -> None:
    """`spantap_sqlite` is an exporter there, too; our own queue writes there already, and each row once."""
    pipeline = PIPELINE + "    - batch: {exporter: {spantap_sqlite: {path: spantap.db}}}\n"

    run = run_with(
        tmp_path, "flask", pipeline, installed, {**STORE, "PYTHONPATH": extra.path(PACKAGE)}, delivered=True
    )

    run.assert_answered()
    run.assert_stored(ROUTES["flask"])
    run.assert_exported()
    run.assert_clean()


def test_settings_of_ours_in_the_file(installed: Path, extra: Extra, tmp_path: Path) -> None:
    """The file may give them as options of the instrumentation."""
    options = (
        "instrumentation/development: {python: {spantap: {sqlite_path: spantap.db, request_bodies: false, "
        "policies: {sqlite: {fields: ['-response_body']}}}}}\n"
    )

    run = run_with(
        tmp_path, "flask", PIPELINE + options, installed, {"PYTHONPATH": extra.path(PACKAGE)}, delivered=True
    )

    run.assert_answered()
    assert len(run.stored) == len(run.answers), run.log
    run.assert_exported("response")
    assert {each.request.body.content for each in run.stored} == {None}
    assert {each.response.body.content for each in run.stored} == {None}


MISTAKES = {
    "no package": (PIPELINE, "opentelemetry-configuration is not installed: pip install"),
    "no file": (None, "there is no such file"),
    "not YAML": ("tracer_provider: [", "cannot be used"),
    "no such exporter": (PIPELINE.replace("otlp_http", "carrier_pigeon"), "cannot be used"),
}


@pytest.mark.parametrize("name", list(MISTAKES))
def test_a_mistake(name: str, installed: Path, extra: Extra, tmp_path: Path) -> None:
    """The app runs uncaptured, and one error says what is wrong with the file."""
    text, remedy = MISTAKES[name]
    path = "" if name == "no package" else extra.path(PACKAGE)

    run = run_with(
        tmp_path,
        "flask",
        text,
        installed,
        {**STORE, "PYTHONPATH": path},
    )

    run.assert_answered()
    assert run.spans == []
    assert not (tmp_path / "spantap.db").exists()
    assert run.log.count("OTEL_CONFIG_FILE = 'otel.yaml'") == 1, run.log
    assert remedy in run.log
    assert "captures nothing; the app runs without it" in run.log
    assert "Traceback" not in run.log or name == "not YAML"  # that one logs it itself


@pytest.mark.parametrize("text", ['file_format: "1.0"\n', PIPELINE + "disabled: true\n"])
def test_a_file_without_traces(text: str, installed: Path, extra: Extra, tmp_path: Path) -> None:
    """A file that sets up no tracing, or switches the SDK off: the app runs untouched, which is said once."""
    run = run_with(tmp_path, "flask", text, installed, {**STORE, "PYTHONPATH": extra.path(PACKAGE)})

    run.assert_answered()
    assert run.spans == []
    assert not (tmp_path / "spantap.db").exists()
    assert "Traceback" not in run.log
    assert run.log.count("OTEL_CONFIG_FILE sets up no tracing\nspantap captures nothing") == 1
