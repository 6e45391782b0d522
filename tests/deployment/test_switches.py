"""What turns the capture off, wholly or in part, on purpose or by mistake: the app is served as ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployment.serving import BOTH, GUNICORN, UVICORN, Run, said_by

WRONG = {
    "OTEL_PYTHON_SPANTAP_PRESET": "huge",
    "OTEL_PYTHON_SPANTAP_SQLLITE_PATH": "traffic.db",
    "OTEL_TRACES_EXPORTER": "otlp,carrier_pigeon",
    "OTEL_METRICS_EXPORTER": "abacus",
    "OTEL_LOGS_EXPORTER": "console,papyrus",
    "OTEL_PYTHON_ID_GENERATOR": "dice",
}


def assert_untouched(run: Run, folder: Path) -> None:
    run.assert_answered()
    assert run.spans == []
    assert run.stored == []
    assert not list(folder.glob("*.db*"))
    assert not list(folder.glob("*.jsonl*"))
    assert "Traceback" not in run.log


@pytest.mark.parametrize("configurator", ["spantap", ""], ids=["our configurator", "no configurator"])
def test_wrong_settings(configurator: str, installed: Path, tmp_path: Path) -> None:
    """The app runs uncaptured, and one error names every mistake, once in each process."""
    run = Run(
        tmp_path,
        "flask",
        [*GUNICORN, "app:app"],
        {**WRONG, "OTEL_PYTHON_CONFIGURATOR": configurator},
        binaries=installed,
    )

    assert_untouched(run, tmp_path)
    ours = WRONG if configurator else list(WRONG)[:3]  # the others are the SDK's, and it is not set up
    assert run.log.count(f"{len(ours)} wrong settings") == 1, run.log
    for name in ours:
        assert run.log.count(name) == 1, run.log
    for value in ("'huge'", "carrier_pigeon", *(("'abacus'", "'papyrus'", "'dice'") if configurator else ())):
        assert value in run.log
    assert "traffic.db" not in run.log  # the value of an unknown setting may be a secret
    assert "captures nothing; the app runs without it" in run.log


def test_wrong_settings_are_told_in_each_process(installed: Path, tmp_path: Path) -> None:
    """Two workers and their parent say it once each."""
    run = Run(
        tmp_path,
        "asgi",
        [*UVICORN, "--workers=2", "app:app"],
        {"OTEL_PYTHON_SPANTAP_PRESET": "huge"},
        binaries=installed,
    )

    assert_untouched(run, tmp_path)
    # Python's resource tracker is one more process that starts anew.
    assert 3 <= run.log.count("OTEL_PYTHON_SPANTAP_PRESET = 'huge'") <= 4, run.log


def test_what_the_sdk_cannot_be_set_up_with(installed: Path, tmp_path: Path) -> None:
    """A mistake that only the SDK knows of is told in one line, with the place; the app runs uncaptured."""
    run = Run(
        tmp_path,
        "flask",
        [*GUNICORN, "app:app"],
        {**BOTH, "OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "smoke"},
        binaries=installed,
    )

    assert_untouched(run, tmp_path)
    assert run.log.count("spantap failed while setting up OpenTelemetry's SDK: RuntimeError at ") == 1
    assert len(run.log.splitlines()) == 1


def test_sdk_disabled(installed: Path, tmp_path: Path) -> None:
    """OTEL_SDK_DISABLED=true: nothing is captured, nothing is written, nothing is said."""
    run = Run(
        tmp_path,
        "fastapi",
        [*UVICORN, "app:app"],
        {**BOTH, **WRONG, "OTEL_SDK_DISABLED": "true"},
        binaries=installed,
    )

    assert_untouched(run, tmp_path)
    assert run.delivered == []
    assert "spantap" not in run.log
    assert run.log.strip() == ""


def test_our_instrumentation_is_disabled(installed: Path, tmp_path: Path) -> None:
    """OTEL_PYTHON_DISABLED_INSTRUMENTATIONS means for us what it means for all."""
    run = Run(
        tmp_path,
        "wsgi",
        [*GUNICORN, "app:app"],
        {**BOTH, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "spantap"},
        binaries=installed,
    )

    assert_untouched(run, tmp_path)


def test_only_traces_are_sent(installed: Path, tmp_path: Path) -> None:
    """No exporter of metrics or logs is named: none is made, and nobody complains."""
    run = Run(tmp_path, "fastapi", [*UVICORN, "app:app"], BOTH, binaries=installed)

    run.assert_answered()
    assert {each.path for each in run.delivered} == {"/v1/traces"}
    assert run.log.strip() == ""


def test_metrics_that_are_asked_for_are_sent(installed: Path, tmp_path: Path) -> None:
    """OTEL_METRICS_EXPORTER and OTEL_LOGS_EXPORTER mean what they mean everywhere."""
    said = said_by(
        tmp_path,
        """
from opentelemetry import metrics
from opentelemetry._logs import get_logger, SeverityNumber
metrics.get_meter("shop").create_counter("sold").add(3)
get_logger("shop").emit(body="sold out", severity_number=SeverityNumber.WARN)
""",
        {"OTEL_METRICS_EXPORTER": "console", "OTEL_LOGS_EXPORTER": "console"},
        binaries=installed,
    )

    assert '"name": "sold"' in said
    assert '"body": "sold out"' in said


IN_MEMORY = """
import threading, time, urllib.request
import waitress
from opentelemetry import trace
from spantap.export.memory import MemorySink

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"password": "correct-horse-7Wq", "n": 1}']

server = waitress.create_server(app, port=0)
threading.Thread(target=server.run, daemon=True).start()
for number in range(10):
    urllib.request.urlopen(f"http://127.0.0.1:{server.effective_port}/items/{number}").read()
memory = MemorySink.of_process()
deadline = time.monotonic() + 30
def answered():
    return [each for each in memory.read() if each.direction == "inbound"]

while len(answered()) < 10 and time.monotonic() < deadline:
    time.sleep(0.1)
trace.get_tracer_provider().force_flush()
for exchange in sorted(answered(), key=lambda each: each.request.path):
    print(exchange.request.path, exchange.response.body.content)
"""


# The app sets the SDK up itself, as any distro may: it makes the exporter from its name.
BY_THE_SDK = """
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
_OTelSDKConfigurator().configure()
"""


@pytest.mark.parametrize("configurator", ["spantap", "none of ours"])
def test_memory(configurator: str, installed: Path, tmp_path: Path) -> None:
    """OTEL_TRACES_EXPORTER=spantap_memory keeps each exchange once, whoever drives the exporter."""
    said = said_by(
        tmp_path,
        ("" if configurator == "spantap" else BY_THE_SDK) + IN_MEMORY,
        {"OTEL_TRACES_EXPORTER": "spantap_memory", "OTEL_PYTHON_CONFIGURATOR": configurator},
        binaries=installed,
    )

    kept = [line for line in said.splitlines() if line.startswith("/")]
    assert kept == [f'/items/{number} {{"password": "[REDACTED]", "n": 1}}' for number in range(10)], said
    assert not list(tmp_path.glob("spantap.*"))
