"""`opentelemetry-instrument` around apps that have never heard of spantap."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from receivers.otlp_http import OTLPReceiver, server_spans
from spantap.export.sqlite import SQLiteSink

BIN = Path(sys.executable).parent
REQUESTS = 10

APPS = {
    "fastapi": """
from fastapi import FastAPI, Request
app = FastAPI()

@app.post("/echo/{number}")
async def echo(number: int, request: Request):
    return await request.json()
""",
    "flask": """
from flask import Flask, request
app = Flask(__name__)

@app.post("/echo/<int:number>")
def echo(number):
    return request.get_json()
""",
    "django": """
import json
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x")

def echo(request, number):
    return JsonResponse(json.loads(request.body))

urlpatterns = [path("echo/<int:number>", echo)]
app = get_wsgi_application()
asgi = get_asgi_application()
""",
    "asgi": """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError("no lifespan")
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
""",
    "wsgi": """
def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
""",
}
UVICORN = ["uvicorn", "--log-level=warning", "--port={port}"]
GUNICORN = ["gunicorn", "--log-level=warning", "--bind=127.0.0.1:{port}"]
ROUTES = {"fastapi": "/echo/{number}", "flask": "/echo/<int:number>", "django": "/echo/<int:number>"}
CASES = {
    "fastapi on uvicorn": ("fastapi", [*UVICORN, "app:app"]),
    "django on uvicorn": ("django", [*UVICORN, "app:asgi"]),
    "asgi on uvicorn": ("asgi", [*UVICORN, "app:app"]),
    "wsgi on uvicorn": ("wsgi", [*UVICORN, "--interface=wsgi", "app:app"]),
    "flask on gunicorn": ("flask", [*GUNICORN, "app:app"]),
    "django on gunicorn": ("django", [*GUNICORN, "--threads=2", "app:app"]),
    "wsgi on gunicorn, preloaded": ("wsgi", [*GUNICORN, "--preload", "--workers=2", "app:app"]),
    "asgi on hypercorn": ("asgi", ["hypercorn", "--bind=127.0.0.1:{port}", "app:app"]),
    "asgi on daphne": ("asgi", ["daphne", "-p", "{port}", "app:app"]),
    "asgi on granian": ("asgi", ["granian", "--interface=asgi", "--port={port}", "app:app"]),
    "wsgi on granian": ("wsgi", ["granian", "--interface=wsgi", "--port={port}", "app:app"]),
    "wsgi on waitress": ("wsgi", ["waitress-serve", "--listen=127.0.0.1:{port}", "app:app"]),
    "flask run": ("flask", ["flask", "--app=app", "run", "--port={port}"]),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def post(port: int, number: int) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        body = json.dumps({"n": number, "password": "correct-horse"})
        connection.request("POST", f"/echo/{number}", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Run:
    """A server under `opentelemetry-instrument`, asked REQUESTS times and stopped."""

    def __init__(self, folder: Path, app: str, command: list[str], **environ: str) -> None:
        (folder / "app.py").write_text(APPS[app])
        port = free_port()
        arguments = [each.format(port=port) for each in command]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [BIN / "opentelemetry-instrument", *arguments],
                cwd=folder,
                env={
                    **os.environ,
                    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
                    "OTEL_PYTHON_DISTRO": "spantap",
                    "OTEL_PYTHON_CONFIGURATOR": "spantap",
                    "OTEL_SERVICE_NAME": "zero",
                    "HOME": str(folder),
                    **environ,
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, (folder / "log").read_text()
                    time.sleep(0.05)
            self.answers = [post(port, number) for number in range(REQUESTS)]
            server.terminate()
            server.wait(20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait(20)
        self.log = (folder / "log").read_text()

    def assert_answered(self) -> None:
        for number, (status, body) in enumerate(self.answers):
            assert status == 200
            assert json.loads(body) == {"n": number, "password": "correct-horse"}


@pytest.mark.parametrize("name", list(CASES))
def test_captured_without_a_line_of_code(name: str, tmp_path: Path) -> None:
    """Each request is answered as ever, is one row with both bodies, clean, and one SERVER span at OTLP."""
    app, command = CASES[name]
    if shutil.which(command[0], path=str(BIN)) is None:
        pytest.skip(f"needs {command[0]}: pip install {command[0]}")

    with OTLPReceiver() as receiver:
        run = Run(
            tmp_path,
            app,
            command,
            OTEL_TRACES_EXPORTER="otlp,spantap_sqlite",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        )
        spans = server_spans(receiver.spans())
        sent = b"".join(receiver.bodies)

    run.assert_answered()
    stored = SQLiteSink(tmp_path / "spantap.db").read()
    assert sorted(each.request.path for each in stored) == [f"/echo/{number}" for number in range(REQUESTS)]
    for exchange in stored:
        number = int(exchange.request.path.removeprefix("/echo/"))
        shown = {"n": number, "password": "[REDACTED]"}
        assert json.loads(str(exchange.request.body.content)) == shown
        assert json.loads(str(exchange.response.body.content)) == shown
        assert exchange.route == ROUTES.get(app)
        assert exchange.service == "zero"
    assert sorted(span.span_id.hex() for span in spans) == sorted(each.span_id for each in stored)
    assert b"correct-horse" not in sent + (tmp_path / "spantap.db").read_bytes()


def test_wrong_settings_leave_the_app_running(tmp_path: Path) -> None:
    """The app is served as if spantap were not there, and the log names every mistake."""
    run = Run(
        tmp_path,
        "fastapi",
        [*UVICORN, "app:app"],
        OTEL_PYTHON_SPANTAP_PRESET="huge",
        OTEL_TRACES_EXPORTER="otlp,carrier_pigeon",
    )

    run.assert_answered()
    assert "2 wrong settings" in run.log
    assert "OTEL_PYTHON_SPANTAP_PRESET = 'huge'" in run.log
    assert "carrier_pigeon" in run.log
    assert "Traceback" not in run.log
    assert not (tmp_path / "spantap.db").exists()


def test_sdk_disabled(tmp_path: Path) -> None:
    """With OTEL_SDK_DISABLED the app is served and nothing is captured."""
    run = Run(tmp_path, "fastapi", [*UVICORN, "app:app"], OTEL_SDK_DISABLED="true")

    run.assert_answered()
    assert not (tmp_path / "spantap.db").exists()


def test_our_instrumentation_can_be_disabled(tmp_path: Path) -> None:
    """OTEL_PYTHON_DISABLED_INSTRUMENTATIONS means for us what it means for all."""
    run = Run(tmp_path, "fastapi", [*UVICORN, "app:app"], OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="spantap")

    run.assert_answered()
    assert not (tmp_path / "spantap.db").exists()
