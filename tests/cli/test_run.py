"""`spantap run` as it is typed: real servers, real stores, the streams and signals of the command."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from following import KINDS
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
def running(
    folder: Path, name: str, *options: str, **environ: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The app of a folder under `spantap run`, listening; killed if it is still there at the end."""
    (folder / "app.py").write_text(APP)
    (folder / "bare.py").write_text(ASGI)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = subprocess.Popen(
        [SPANTAP, "run", *options, "--", *(word.format(port=port) for word in COMMANDS[name])],
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
    return ask(port, "POST", "/echo", BODY)


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
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


@pytest.mark.parametrize(("store", "kind"), [("traffic.db", "sqlite"), ("traffic.jsonl", "jsonl")])
def test_a_store_may_be_named(tmp_path: Path, store: str, kind: str) -> None:
    """`--store` counts before the environment, its ending says which kind, and there is no other store."""
    path = {"OTEL_PYTHON_SPANTAP_" + ("SQLITE_PATH" if kind == "sqlite" else "JSONL_PATH"): "else"}
    with running(tmp_path, "a script", "--store", store, **path) as (server, port):
        assert echo(port)[0] == 200
        server.send_signal(signal.SIGTERM)
        server.wait(60)

    sink = KINDS[kind](tmp_path / store)
    assert isinstance(sink, SQLiteSink | JSONLSink)
    assert len(list(sink.read())) == 1
    assert {each.name for each in tmp_path.iterdir()} - {"__pycache__"} == {"app.py", "bare.py", store}


@pytest.mark.parametrize("store", ["traffic.db", "traffic.jsonl"])
@pytest.mark.parametrize("name", ["a script", "gunicorn"])
def test_tail_shows_what_happens_under_run(tmp_path: Path, store: str, name: str) -> None:
    """Started before the server, in another process, it shows each request while the server goes on."""
    tail = subprocess.Popen(
        [SPANTAP, "tail", store, "--json", "--status", "2xx"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    watchdog = threading.Timer(120, tail.kill)
    watchdog.start()
    try:
        assert tail.stdout
        assert tail.stderr
        assert tail.stderr.readline() == f"spantap tail: {store} is not there yet; waiting for it\n".encode()
        with running(tmp_path, name, "--store", store) as (server, port):
            for _ in range(3):
                assert echo(port)[0] == 200
                assert ask(port, "GET", "/nope")[0] == 404
                record = json.loads(tail.stdout.readline())
                assert (record["request"]["path"], record["response"]["status"]) == ("/echo", 200)
                assert "correct-horse" not in str(record)
            assert server.poll() is None
        tail.send_signal(signal.SIGINT)
        assert tail.wait(60) == 130
    finally:
        watchdog.cancel()
        tail.kill()
        tail.communicate()


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

    # Its authors' version of SQLAlchemy is not the newest, which OpenTelemetry says on stderr.
    without = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "sqlalchemy"}
    done = run(tmp_path, "--", sys.executable, "-c", script, **without)

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
        (["--", "no-such-command"], 127, "no-such-command: not found"),
        (["--", "no/such/command"], 127, "no/such/command: not found"),
        (["--", "notes.txt/x"], 127, "notes.txt/x: not found"),
        (["--", ""], 2, "give what to run"),
        (["--", "\x1b]0;x"], 127, "\\x1b]0;x: not found"),
        (["--", "./notes.txt"], 126, "./notes.txt: Permission denied"),
        (["--", "./moved.sh"], 126, "./moved.sh: the interpreter in its first line is not there"),
        (["--"], 2, "give what to run"),
        ([], 2, "give what to run"),
        (["--no-such", "--", "true"], 2, "--no-such"),
        (["--store=no/such/folder/x.db", "--", "true"], 2, "--store = 'no/such/folder/x.db': the directory"),
        (["--store=.", "--", "true"], 2, "--store = '.': is a directory"),
        (["--store=notes.txt", "--", "true"], 2, "--store = 'notes.txt': is there and no SQLite file"),
        (["--store=s.jsonl", "--", "true"], 2, "--store = 's.jsonl': is a SQLite file"),
    ],
)
def test_what_cannot_be_run(words: list[str], status: int, said: str, tmp_path: Path) -> None:
    """A command that is missing, no program, or not given is told in one line, with a shell's status."""
    (tmp_path / "notes.txt").write_text("not a program")
    (tmp_path / "moved.sh").write_text("#!/no/such/interpreter\n")
    (tmp_path / "moved.sh").chmod(0o755)
    (tmp_path / "s.jsonl").write_bytes(b"SQLite format 3\0")

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


def test_a_working_directory_on_the_path_stays_there(tmp_path: Path) -> None:
    """An empty entry in PYTHONPATH means it; none is added where there was none."""
    script = "import os; print(os.environ['PYTHONPATH'].split(os.pathsep)[1:])"

    def seen(**environ: str) -> str:
        return run(tmp_path, "--", sys.executable, "-c", script, **environ).stdout

    assert seen(PYTHONPATH=":/a") == "['', '/a']\n"
    assert seen(PYTHONPATH="") == seen() == "[]\n"


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    """That of the option beside those of the settings."""
    done = run(tmp_path, "--store=no/x.db", "--", "touch", "started", OTEL_PYTHON_SPANTAP_PRESET="ful")

    assert done.returncode == 2
    assert done.stderr.startswith("spantap: 2 wrong settings\n")
    assert "--store" in done.stderr
    assert "OTEL_PYTHON_SPANTAP_PRESET" in done.stderr
    assert not (tmp_path / "started").exists()


def test_a_command_beside_ours_is_pointed_at(tmp_path: Path) -> None:
    """A server of the virtual environment that is not active: where it is."""
    done = run(tmp_path, "--", "gunicorn", PATH="/no/such/folder")

    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == f"spantap run: gunicorn: not found on PATH; there is {BIN / 'gunicorn'}\n"


@pytest.mark.parametrize(
    ("listed", "store"),
    [("", "spantap.db"), ("otlp", "spantap.db"), ("none", ""), ("console", ""), ("spantap_jsonl", "")],
)
def test_the_default_store_is_not_forced_on_anybody(tmp_path: Path, listed: str, store: str) -> None:
    """Who lists exporters of another kind, or none at all, gets what is listed."""
    script = "echo ${OTEL_PYTHON_SPANTAP_SQLITE_PATH##*/}"

    done = run(tmp_path, "--", "sh", "-c", script, OTEL_TRACES_EXPORTER=listed)

    assert (done.returncode, done.stdout) == (0, f"{store}\n")


def test_a_closed_pipe_ends_the_command_as_ever(tmp_path: Path) -> None:
    """`spantap run -- yes | head` ends: SIGPIPE is not ignored in the command though it is in Python."""
    done = run(tmp_path, "--", "sh", "-c", "kill -PIPE $$; echo survived")

    assert (done.returncode, done.stdout) == (-signal.SIGPIPE, "")


def test_in_a_terminal_it_says_where_to_look(tmp_path: Path) -> None:
    """One line on stderr, with the command to watch it."""
    pty = pytest.importorskip("pty")
    ours, its = pty.openpty()
    words = [SPANTAP, "run", "--store", "my traffic.jsonl", "--", "true"]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=its, timeout=60
    )
    os.close(its)
    said = os.read(ours, 4096).decode()
    os.close(ours)

    assert (done.returncode, done.stdout) == (0, b"")
    assert said == "spantap: capturing into 'my traffic.jsonl'; to watch: spantap tail 'my traffic.jsonl'\r\n"
