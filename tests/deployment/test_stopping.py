"""Requests, then the end of the server, at once: whatever stops it, nothing is lost."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from receivers import websocket
from receivers.http import HTTPReceiver, Request
from spantap.export.sqlite import SQLiteSink

ROOT = Path(__file__).parent.parent.parent
REQUESTS = 25

UVICORN = ["uvicorn", "--port={port}", "--log-level=warning"]
GUNICORN = ["gunicorn", "--bind=127.0.0.1:{port}", "--log-level=warning"]
SERVERS = {
    "uvicorn": [*UVICORN, "examples.fastapi_app:app"],
    "uvicorn without lifespan": [*UVICORN, "--lifespan=off", "examples.fastapi_app:app"],
    "uvicorn, Django": [*UVICORN, "examples.django_app:asgi"],
    "uvicorn workers": [*UVICORN, "--workers=2", "examples.fastapi_app:app"],
    "gunicorn sync": [*GUNICORN, "--workers=2", "examples.flask_app:app"],
    "gunicorn gthread": [*GUNICORN, "--threads=4", "examples.django_app:wsgi"],
    "gunicorn preload": [*GUNICORN, "--preload", "--workers=2", "examples.flask_app:app"],
    "gunicorn recycling": [*GUNICORN, "--max-requests=5", "examples.flask_app:app"],
    "gunicorn uvicorn worker": [
        *GUNICORN,
        "--worker-class=uvicorn_worker.UvicornWorker",
        "examples.fastapi_app:app",
    ],
    "gunicorn preload, four": [*GUNICORN, "--preload", "--workers=4", "examples.flask_app:app"],
    "flask run": ["flask", "--app", str(ROOT / "examples/flask_app.py"), "run", "--port={port}"],
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(name: str, folder: Path, **environ: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    module, *arguments = [each.format(port=port) for each in SERVERS[name]]
    server = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        # gunicorn keeps a control socket at home: one for each server, please.
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder), **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield server, port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # workers too
        server.wait(20)


def post(port: int, number: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        body = json.dumps({"name": f"user-{number}", "password": "correct-horse"})
        connection.request("POST", "/login", body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


# gunicorn's answer to SIGINT is the quick shutdown: its workers raise SystemExit wherever they
# are, in the middle of our own work too, and uvicorn's worker does not stop at all.
CASES = [
    (name, stop)
    for name in SERVERS
    for stop in (signal.SIGTERM, signal.SIGINT)
    if not (stop is signal.SIGINT and name.startswith("gunicorn")) and name != "gunicorn preload, four"
]


@pytest.mark.parametrize(("name", "stop"), CASES)
def test_nothing_is_lost(name: str, stop: signal.Signals, tmp_path: Path) -> None:
    """Every request that was answered before the server was told to stop is in the store, once."""
    with served(name, tmp_path) as (server, port):
        answered = [post(port, number) for number in range(REQUESTS)]
        server.send_signal(stop)
        server.wait(20)

    assert answered == [200] * REQUESTS
    users = sorted(str(each.identity.user) for each in SQLiteSink(tmp_path / "spantap.db").read(limit=1000))
    assert users == sorted(f"user-{number}" for number in range(REQUESTS))


def test_a_thousand_to_several_places(tmp_path: Path) -> None:
    """Four forked workers, 1,000 requests, SIGTERM: each destination has each exchange, and none twice."""
    with HTTPReceiver() as otlp, HTTPReceiver() as http, websocket.receiving() as streamed:
        places = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url,
            "OTEL_PYTHON_SPANTAP_HTTP_ENDPOINT": http.url,
            "OTEL_PYTHON_SPANTAP_WEBSOCKET_ENDPOINT": streamed.url,
            "OTEL_PYTHON_SPANTAP_SQLITE_PATH": str(tmp_path / "store.db"),
        }
        with (
            served("gunicorn preload, four", tmp_path, **places) as (server, port),
            ThreadPoolExecutor(8) as clients,
        ):
            answered = list(clients.map(lambda number: post(port, number), range(1000)))
            server.send_signal(signal.SIGTERM)
            server.wait(60)

        assert answered == [200] * 1000
        stored = SQLiteSink(tmp_path / "store.db").read(limit=5000)
        ids = sorted(each.span_id for each in stored)
        assert len(set(ids)) == 1000 == len({each.identity.user for each in stored})
        assert sorted(streamed.ids) == ids
        posted = [each["span_id"] for batch in http.taken for each in orjson.loads(batch.body)]
        assert sorted(posted) == ids
        assert sorted(_span_ids(otlp.taken)) == ids


def _span_ids(requests: list[Request]) -> list[str]:
    return [
        span.span_id.hex()
        for request in requests
        for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans
        for scope_spans in resource.scope_spans
        for span in scope_spans.spans
    ]
