"""Instrumentations of libraries load beside ours, and their spans stand below our SERVER span."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployment.apps import SECRETS
from deployment.conftest import Extra
from deployment.serving import GUNICORN, REQUESTS, Run, defaults, served
from receivers.otlp_http import attributes

NAMES = ("dbapi", "sqlite3", "redis", "celery")
PACKAGES = tuple(f"opentelemetry-instrumentation-{each}" for each in NAMES)
APP = f"""
import os, sqlite3
import redis
from celery import Celery
from celery.contrib.testing.worker import start_worker
from flask import Flask, jsonify, request

app = Flask(__name__)
cache = redis.Redis(port=int(os.environ["REDIS_PORT"]))
tasks = Celery("shop", broker="memory://", backend="cache+memory://")
tasks.conf.broker_transport_options = {{"polling_interval": 0.01}}

@tasks.task(name="sell")
def sell(number):
    return number + 1

worker = start_worker(tasks, pool="solo", perform_ping_check=False)
worker.__enter__()

@app.post("/echo/<int:number>")
def echo(number):
    database = sqlite3.connect("shop.db")
    database.cursor().execute("SELECT 1 WHERE 'password={SECRETS["body"]}' <> ''").fetchall()
    database.close()
    cache.set("seen", number)
    assert sell.delay(number).get(timeout=30, interval=0.01) == number + 1
    response = jsonify(request.get_json())
    response.set_cookie("basket", os.environ["PLANTED"])
    return response
"""
# A server that speaks Redis's protocol, in case Redis itself is not there.
FAKE_REDIS = """
import sys
from fakeredis import TcpFakeServer
TcpFakeServer(("127.0.0.1", int(sys.argv[1]))).serve_forever()
"""


@pytest.fixture
def redis_port(installed: Path, tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "redis"
    folder.mkdir()
    (folder / "fake.py").write_text(FAKE_REDIS)
    command = (
        ["redis-server", "--port", "{port}"]
        if shutil.which("redis-server")
        else ["python", "fake.py", "{port}"]
    )
    with served(folder, command, defaults(installed)) as (_, port):
        yield str(port)


@pytest.mark.parametrize("distro", ["spantap", "distro"])
def test_spans_of_libraries(
    distro: str, installed: Path, extra: Extra, redis_port: str, tmp_path: Path
) -> None:
    """sqlite3, Redis and Celery: each request has one span of each below its SERVER span."""
    theirs = distro == "distro"
    (tmp_path / "app.py").write_text(APP)

    run = Run(
        tmp_path,
        "",
        [*GUNICORN, "app:app"],
        {
            "PYTHONPATH": extra.path(*PACKAGES, *(["opentelemetry-distro"] if theirs else [])),
            "OTEL_PYTHON_DISTRO": distro,
            "OTEL_PYTHON_CONFIGURATOR": "configurator" if theirs else "spantap",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_PYTHON_SPANTAP_SQLITE_PATH": "spantap.db",
            "REDIS_PORT": redis_port,
        },
        binaries=installed,
    )

    run.assert_answered()
    run.assert_stored("/echo/<int:number>")
    run.assert_exported()
    spans = {span.span_id: span for span in run.spans}
    for server in run.server_spans:
        below = [span for span in run.spans if span.parent_span_id == server.span_id]
        assert all(span.trace_id == server.trace_id for span in below)
        assert sorted(span.name for span in below) == ["SELECT", "SET", "apply_async/sell"], run.log
    consumed = [span for span in run.spans if span.name == "run/sell"]
    assert len(consumed) == REQUESTS
    assert {spans[span.parent_span_id].name for span in consumed} == {"apply_async/sell"}
    statements = {str(attributes(span).get("db.statement")) for span in run.spans if span.name == "SELECT"}
    if not theirs:  # who has another distro export the spans has them exported as they are
        assert statements == {"SELECT 1 WHERE 'password=[REDACTED]' <> ''"}
        run.assert_clean()


BROKEN = """
class Broken:
    is_instrumented_by_opentelemetry = False

    def instrument(self, **options):
        raise RuntimeError("no")
"""


def test_one_that_fails_stops_no_other(installed: Path, extra: Extra, tmp_path: Path) -> None:
    """An instrumentation that raises is told in one line; those after it load, ours among them."""
    package = tmp_path / "broken"
    (package / "broken-1.dist-info").mkdir(parents=True)
    (package / "broken-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (package / "broken-1.dist-info/entry_points.txt").write_text(
        "[opentelemetry_instrumentor]\nabroken = broken:Broken\n"
    )
    (package / "broken.py").write_text(BROKEN)

    run = Run(
        tmp_path,
        "flask",
        [*GUNICORN, "app:app"],
        {"PYTHONPATH": str(package), "OTEL_TRACES_EXPORTER": "otlp,spantap_sqlite"},
        binaries=installed,
    )

    run.assert_answered()
    run.assert_stored("/echo/<int:number>")
    run.assert_exported()
    assert run.log.count("loading the instrumentation of abroken: RuntimeError") == 1
    assert "Traceback" not in run.log
