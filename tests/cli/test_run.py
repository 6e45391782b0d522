from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from receivers.otlp_http import OTLPReceiver, server_spans
from spantap.export.jsonl import JSONLSink
from spantap.export.sqlite import SQLiteSink

BIN = Path(sys.executable).parent
SPANTAP = str(BIN / "spantap")
APP = """
from flask import Flask, request
app = Flask(__name__)

@app.post("/echo")
def echo():
    return {"got": request.get_json()}

if __name__ == "__main__":
    import sys
    app.run(port=int(sys.argv[1]))
"""
ASGI = """
async def app(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
BODY = '{"password":"correct-horse","n":1}'
COMMANDS = {
    "a script": [sys.executable, "app.py", "{port}"],
    "a module": [sys.executable, "-m", "flask", "run", "--port={port}"],
    "gunicorn": ["gunicorn", "--bind=127.0.0.1:{port}", "app:app"],
    "uvicorn": ["uvicorn", "--port={port}", "--lifespan=off", "bare:app"],
}


def environment(folder: Path, **changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHONPATH"))}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "HOME": str(folder), **changes}


@contextmanager
def running(folder: Path, name: str, **environ: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The app of a folder under `spantap run`, listening; killed if it is still there at the end."""
    (folder / "app.py").write_text(APP)
    (folder / "bare.py").write_text(ASGI)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = subprocess.Popen(
        [SPANTAP, "run", "--", *(word.format(port=port) for word in COMMANDS[name])],
        cwd=folder,
        env=environment(folder, **environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 30
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
            os.killpg(server.pid, signal.SIGKILL)
        server.communicate(timeout=20)


def echo(port: int) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/echo", BODY, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_captured_as_it_is(name: str, tmp_path: Path) -> None:
    """Whatever runs a Python web app: the client gets its bytes, ./spantap.db gets each exchange, clean."""
    with running(tmp_path, name) as (server, port):
        answers = [echo(port) for _ in range(5)]
        server.send_signal(signal.SIGTERM)
        server.wait(20)

    assert {status for status, _ in answers} == {200}
    assert all(b"correct-horse" in body for _, body in answers)
    exchanges = SQLiteSink(tmp_path / "spantap.db").read()
    assert [each.request.body.content for each in exchanges] == ['{"password":"[REDACTED]","n":1}'] * 5
    assert b"correct-horse" not in (tmp_path / "spantap.db").read_bytes()


def test_the_collector_gets_it_too(tmp_path: Path) -> None:
    """With an endpoint set, each exchange is in the store and at the collector."""
    with OTLPReceiver() as receiver:
        with running(tmp_path, "a script", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as (server, port):
            assert echo(port)[0] == 200
            server.send_signal(signal.SIGTERM)
            server.wait(20)

        assert len(server_spans(receiver.spans())) == 1
    assert len(SQLiteSink(tmp_path / "spantap.db").read()) == 1


def test_a_store_that_is_set_is_the_only_one(tmp_path: Path) -> None:
    """Who has chosen a store gets no second one."""
    lines = tmp_path / "traffic.jsonl"
    with running(tmp_path, "a script", OTEL_PYTHON_SPANTAP_JSONL_PATH=str(lines)) as (server, port):
        assert echo(port)[0] == 200
        server.send_signal(signal.SIGTERM)
        server.wait(20)

    assert len(list(JSONLSink(lines).read())) == 1
    assert not (tmp_path / "spantap.db").exists()


def run(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SPANTAP, "run", *words],
        cwd=folder,
        env=environment(folder, **environ),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_streams_and_exit_status_are_the_commands(tmp_path: Path) -> None:
    """What it prints, how it exits, what it can import: as without us."""
    script = "import sys; print(sys.path[0] == '', sys.stdin.closed); sys.exit(7)"

    done = run(tmp_path, "--", sys.executable, "-c", script)

    assert (done.returncode, done.stdout, done.stderr) == (7, "True False\n", "")


def test_a_signal_ends_it_as_it_would(tmp_path: Path) -> None:
    """The command is the process that was started: a signal sent to it is the command's."""
    script = "import signal, os; os.kill(os.getppid(), 0); os.kill(os.getpid(), signal.SIGKILL)"

    assert run(tmp_path, "--", sys.executable, "-c", script).returncode == -signal.SIGKILL


def test_wrong_settings_stop_before_the_command_starts(tmp_path: Path) -> None:
    """One error that names every mistake, status 2, and nothing has run."""
    done = run(
        tmp_path,
        "--",
        "touch",
        "started",
        OTEL_PYTHON_SPANTAP_PRESET="ful",
        OTEL_PYTHON_SPANTAP_QUEUE_MAX_ITEMS="none",
    )

    assert done.returncode == 2
    assert "OTEL_PYTHON_SPANTAP_PRESET" in done.stderr
    assert "OTEL_PYTHON_SPANTAP_QUEUE_MAX_ITEMS" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--", "no-such-command"], 127, "no-such-command: No such file or directory"),
        (["--", "./notes.txt"], 126, "./notes.txt: Permission denied"),
        (["--"], 2, "give what to run"),
        (["--db=no/such/folder/x.db", "--", "true"], 2, "SQLITE_PATH"),
    ],
)
def test_what_cannot_be_run(words: list[str], status: int, said: str, tmp_path: Path) -> None:
    """A command that is missing, no program, or not given is told in one line, with a shell's status."""
    (tmp_path / "notes.txt").write_text("not a program")

    done = run(tmp_path, *words)

    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_set_already_stays(tmp_path: Path) -> None:
    """A distro and a path of the user's own are not replaced."""
    script = (
        "import os; print(os.environ['OTEL_PYTHON_DISTRO'], os.environ['PYTHONPATH'].split(os.pathsep)[1:])"
    )

    done = run(tmp_path, "--", sys.executable, "-c", script, OTEL_PYTHON_DISTRO="mine", PYTHONPATH="/a:/b")

    assert "mine ['/a', '/b']" in done.stdout
