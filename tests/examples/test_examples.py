"""Each example is run as its first line says, by a real server, and a real client talks to it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spantap.export.http import HTTPSink
from spantap.export.sqlite import SQLiteSink
from store_writer import numbered

ROOT = Path(__file__).parent.parent.parent
PASSWORD = "correct-horse-battery"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def commands(port: int) -> dict[str, list[str]]:
    python = [sys.executable, "-m"]
    return {
        "fastapi": [*python, "uvicorn", "examples.fastapi_app:app", f"--port={port}"],
        "flask": [*python, "flask", "--app", str(ROOT / "examples/flask_app.py"), "run", f"--port={port}"],
        "django": [
            sys.executable,
            str(ROOT / "examples/django_app.py"),
            "runserver",
            f"127.0.0.1:{port}",
            "--noreload",
        ],
        "django under gunicorn": [
            *python,
            "gunicorn",
            "examples.django_app:wsgi",
            f"--bind=127.0.0.1:{port}",
        ],
        "django under uvicorn": [*python, "uvicorn", "examples.django_app:asgi", f"--port={port}"],
    }


def post(port: int) -> tuple[int, bytes]:
    body = json.dumps({"name": "ada", "password": PASSWORD})
    deadline = time.monotonic() + 20
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", "/login", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        finally:
            connection.close()


@pytest.mark.parametrize("name", list(commands(0)))
def test_example(name: str, tmp_path: Path) -> None:
    """The client gets its answer; the store has the exchange, with user and bodies, without the password."""
    port = free_port()
    server = subprocess.Popen(
        commands(port)[name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        status, body = post(port)
        store = SQLiteSink(tmp_path / "spantap.db")
        deadline = time.monotonic() + 10
        while not store.path.exists() or not store.read():
            assert time.monotonic() < deadline, "nothing was stored"
            time.sleep(0.05)
    finally:
        server.terminate()
        server.wait(20)

    assert status == 200
    assert json.loads(body) == {"hello": "ada", "access_token": "not for your eyes"}
    (exchange,) = store.read()
    assert exchange.identity.user == "ada"
    assert exchange.route == "/login"
    assert json.loads(str(exchange.request.body.content)) == {"name": "ada", "password": "[REDACTED]"}
    assert json.loads(str(exchange.response.body.content)) == {"hello": "ada", "access_token": "[REDACTED]"}
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert PASSWORD.encode() not in stored


def test_the_receiver_takes_what_is_sent() -> None:
    """The forty lines of a collector get each exchange once, count what comes twice, and turn others away."""
    port = free_port()
    command = [sys.executable, str(ROOT / "examples/http_receiver.py"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        try:
            sink = HTTPSink(f"http://s3cret@127.0.0.1:{port}/", compression="gzip")
            deadline = time.monotonic() + 20
            while sink.probe(5) is not None and time.monotonic() < deadline:
                time.sleep(0.05)
            assert sink.probe(5) is None

            assert sink.write([numbered(1), numbered(2)]) == {}
            assert sink.write([numbered(2), numbered(3)]) == {"duplicate": 1}
            assert HTTPSink(f"http://127.0.0.1:{port}/").probe(5) == "answers 401"
            sink.close()
        finally:
            receiver.kill()
        assert receiver.stdout is not None
        assert receiver.stdout.read() == "POST /users/7 201\n" * 3
