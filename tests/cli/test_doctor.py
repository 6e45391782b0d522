"""`spantap doctor` as a user runs it: beside real servers, stores and collectors."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spantap
from asgi_client import call, responding, scope
from receivers.http import HTTPReceiver
from receivers.otlp_grpc import receiving
from receivers.otlp_http import OTLPReceiver
from receivers.rates import RatesServer
from spantap.export.sqlite import SQLiteSink

BIN = Path(sys.executable).parent
SPANTAP = str(BIN / "spantap")
SECRET = "correct-horse-battery"
PASSWORD = "u53r-p4ssw0rd"
NOWHERE = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://user:{PASSWORD}@127.0.0.1:9",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
}
APP = """
from flask import Flask, request
app = Flask(__name__)

@app.post("/echo")
def echo():
    return {"got": request.get_json()}
"""


def environment(folder: Path, **changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHONPATH"))}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "HOME": str(folder), **changes}


def doctor(folder: Path, *arguments: str, **environ: str) -> tuple[int, str, str]:
    """Its exit status, and what it prints."""
    done = subprocess.run(
        [SPANTAP, "doctor", *arguments],
        cwd=folder,
        env=environment(folder, **environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def found(folder: Path, *arguments: str, **environ: str) -> tuple[int, dict[str, Any]]:
    """Its exit status, and what it found, from --json."""
    status, output, errors = doctor(folder, "--json", *arguments, **environ)
    assert errors == ""
    return status, json.loads(output)


def named(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (row,) = [each for each in rows if each["name"] == name]
    return row


@contextmanager
def workers(folder: Path, **environ: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Two gunicorn workers under `spantap run`, listening."""
    (folder / "app.py").write_text(APP)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [SPANTAP, "run", "--", "gunicorn", "--workers=2", f"--bind=127.0.0.1:{port}", "app:app"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(folder, **environ),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        until(lambda: listens(port))
        yield server, port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(20)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def echo(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        body = json.dumps({"password": SECRET})
        connection.request("POST", f"/echo?token={SECRET}", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())) == (200, {"got": {"password": SECRET}})
    finally:
        connection.close()


def counted(processes: list[dict[str, Any]], destination: str, what: str) -> int:
    return sum(each["facts"]["destinations"][destination][what] for each in processes)


def test_running_processes_are_asked_through_their_store(tmp_path: Path) -> None:
    """Two workers, a store that takes all and a collector that is not there: who captured what, and waits."""
    with workers(tmp_path, **NOWHERE) as (server, port):
        for _ in range(12):
            echo(port)

        def waits() -> bool:
            processes = found(tmp_path)[1]["processes"]
            failing = all(each["facts"]["destinations"]["otlp"]["failing"] for each in processes)
            return failing and counted(processes, "otlp", "queued") == 12

        until(waits)
        status, findings = found(tmp_path)
        text = doctor(tmp_path)[1]
        server.send_signal(signal.SIGTERM)
        server.wait(30)

    assert status == 1
    processes = findings["processes"]
    assert 1 <= len(processes) <= 2  # the kernel decides which worker gets a request
    assert sum(each["facts"]["captured"] for each in processes) == 12
    assert counted(processes, "sqlite", "exported") == 12
    for each in processes:
        assert each["running"] is True
        instrumented = each["facts"]["instrumented"]
        assert {"flask", "requests", "urllib"} <= set(instrumented)
        assert len(instrumented) == len(set(instrumented))  # OpenTelemetry's own are named with ours
        assert each["facts"]["collector"] == "http://REDACTED:REDACTED@127.0.0.1:9/v1/traces"
        assert each["facts"]["settings"] == [
            {
                "name": "sqlite_path",
                "value": str(tmp_path / "spantap.db"),
                "source": "environment (OTEL_PYTHON_SPANTAP_SQLITE_PATH)",
            }
        ]
    assert [each["what"] for each in findings["problems"]] == [
        f"process {each['pid']}, otlp: takes nothing (Connection refused), {each['facts']['captured']} wait"
        for each in processes
    ]
    assert "; it takes nothing: Connection refused" in text
    stored = b"".join(each.read_bytes() for each in tmp_path.glob("spantap.db*"))
    for secret in (SECRET, PASSWORD):
        assert secret not in text + json.dumps(findings)
        assert secret.encode() not in stored


@pytest.mark.matrix
def test_what_is_on_disk_is_told(tmp_path: Path) -> None:
    """With a spool doctor tells what waits there, and what an earlier process has left."""
    spool = {"OTEL_PYTHON_SPANTAP_SPOOL_DIR": str(tmp_path / "spool")}
    with workers(tmp_path, **NOWHERE, **spool) as (server, port):
        for _ in range(5):
            echo(port)
        until(lambda: counted(found(tmp_path)[1]["processes"], "otlp", "spooled") == 5)
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(30)
    with workers(tmp_path, **NOWHERE, **spool) as (server, port):
        echo(port)

        def adopted() -> int:
            facts = [each["facts"] for each in found(tmp_path)[1]["processes"]]
            return sum(each["destinations"]["otlp"]["adopted"]["captured"] for each in facts)

        until(lambda: adopted() == 5)
        text = doctor(tmp_path)[1]

    assert "of earlier processes" in text
    assert "5 on disk" in text


def test_a_process_that_ended_left_its_last_counts(tmp_path: Path) -> None:
    """However short it was: after SIGTERM the report is complete, and its losses are not today's problem."""
    with workers(tmp_path, **NOWHERE) as (server, port):
        for _ in range(5):
            echo(port)
        server.send_signal(signal.SIGTERM)
        server.wait(30)

    status, findings = found(tmp_path)
    assert (status, findings["problems"]) == (0, [])
    processes = findings["processes"]
    assert [each["running"] for each in processes] == [False] * len(processes)
    assert counted(processes, "sqlite", "exported") == 5
    assert counted(processes, "sqlite", "queued") == 0
    assert counted(processes, "otlp", "queued") == 5
    assert "5 never sent" in doctor(tmp_path)[1] or len(processes) > 1
    assert named(findings["destinations"], "sqlite")["says"].startswith("5 exchanges, ")


def test_every_setting_says_who_set_it(tmp_path: Path) -> None:
    """Environment, file and default; and the standard variables that have an effect."""
    (tmp_path / "spantap.toml").write_text('preset = "portable"\ndebug = false\n')

    status, findings = found(
        tmp_path,
        OTEL_PYTHON_SPANTAP_HEADERS="off",
        OTEL_PYTHON_SPANTAP_EXCLUDE_URLS="/health",
        OTEL_SERVICE_NAME="shop",
    )

    assert status == 0
    rows = findings["settings"]
    assert named(rows, "headers") == {
        "name": "headers",
        "value": "false",
        "source": "environment (OTEL_PYTHON_SPANTAP_HEADERS)",
    }
    assert named(rows, "preset")["source"] == f"file ({tmp_path / 'spantap.toml'})"
    assert named(rows, "query") == {"name": "query", "value": "true", "source": "default"}
    assert [(each["name"], each["value"]) for each in findings["standard"]] == [("OTEL_SERVICE_NAME", "shop")]
    assert findings["captured"] == {
        "requests": "start line, query, bodies up to 2048 bytes",
        "responses": "start line, bodies up to 2048 bytes",
        "never paths": "/health",
        "never methods": "OPTIONS",
        "unsampled": "kept in stores, not sent to collectors",
    }
    assert list(tmp_path.iterdir()) == [tmp_path / "spantap.toml"], "looking leaves nothing behind"


def test_wrong_settings_are_told_as_configure_tells_them(tmp_path: Path) -> None:
    """Exit status 2, every mistake at once, and nothing else."""
    status, output, errors = doctor(
        tmp_path, OTEL_PYTHON_SPANTAP_PRESET="huge", OTEL_PYTHON_SPANTAP_QUEUE_MAX_ITEMS="none"
    )

    assert (status, output) == (2, "")
    assert errors == (
        "spantap: 2 wrong settings\n"
        "  - OTEL_PYTHON_SPANTAP_PRESET = 'huge': use one of default, portable, full, metadata\n"
        "  - OTEL_PYTHON_SPANTAP_QUEUE_MAX_ITEMS = 'none': use a whole number from 1 to 10000000\n"
    )


def test_it_shows_no_secret(tmp_path: Path) -> None:
    """Passwords in URLs, headers and attributes of the resource stay where they are."""
    with OTLPReceiver() as receiver:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url.replace("://", f"://user:{PASSWORD}@"),
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{SECRET},x-tenant=blue",
            "OTEL_RESOURCE_ATTRIBUTES": f"team=web,api_key={SECRET}",
        }
        texts = doctor(tmp_path, **environ), doctor(tmp_path, "--json", **environ)

    assert [each[0] for each in texts] == [0, 0]
    for _, output, errors in texts:
        assert SECRET not in output + errors
        assert PASSWORD not in output + errors
        assert "authorization=..., x-tenant=..." in output
        assert "team=web" in output
    assert receiver.deliveries, "the collector was asked"
    assert receiver.spans() == []


def test_a_collector_that_answers(tmp_path: Path) -> None:
    """By HTTP and by gRPC, as the exporter would ask it."""
    with OTLPReceiver() as receiver:
        by_http = found(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    with receiving() as grpc_receiver:
        by_grpc = found(
            tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT=grpc_receiver.url,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        )

    assert by_http[0] == by_grpc[0] == 0
    assert by_http[1]["destinations"] == [
        {
            "name": "otlp (http/protobuf)",
            "target": f"{receiver.url}/v1/traces",
            "answers": True,
            "says": "answers",
        }
    ]
    assert named(by_grpc[1]["destinations"], "otlp (grpc)")["answers"] is True


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_that_does_not_answer(protocol: str, tmp_path: Path) -> None:
    """Exit status 1, within seconds, and the remedy names the variable."""
    status, output, errors = doctor(
        tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_EXPORTER_OTLP_PROTOCOL=protocol
    )

    assert (status, errors) == (1, "")
    assert f"wrong: otlp ({protocol}) http://127.0.0.1:9" in output
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in output


def test_who_wins_under_opentelemetry_instrument(tmp_path: Path) -> None:
    """Distro, configurator and each instrumentation, and what keeps spantap out."""
    findings = found(tmp_path, OTEL_PYTHON_DISTRO="spantap", OTEL_PYTHON_CONFIGURATOR="spantap")[1]
    zero_code = findings["zero_code"]
    assert zero_code["distro"] == {"name": "spantap", "why": "OTEL_PYTHON_DISTRO"}
    assert zero_code["configurator"] == {"name": "spantap", "why": "OTEL_PYTHON_CONFIGURATOR"}
    assert zero_code["instrumentations"]["spantap"] == "loads"
    assert zero_code["instrumentations"]["flask"] == "spantap captures it instead"
    assert zero_code["instrumentations"]["requests"] == "loads"

    status, findings = found(
        tmp_path,
        OTEL_PYTHON_DISTRO="nobody",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="redis, spantap",
        OTEL_SDK_DISABLED="true",
    )
    assert status == 1
    assert [each["what"].partition(":")[0] for each in findings["problems"]] == [
        "OTEL_PYTHON_DISTRO",
        "OTEL_SDK_DISABLED is true",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS names spantap",
    ]
    assert findings["zero_code"]["instrumentations"]["flask"] == "loads"


def test_a_store_that_is_none(tmp_path: Path) -> None:
    """A file that is missing, or no SQLite file, is said to be so; nothing is made or changed."""
    other = tmp_path / "notes.db"
    other.write_text("not a database at all, but long enough to be taken for one" * 20)
    before = other.read_bytes()

    missing = found(tmp_path, "missing.db")
    wrong = found(tmp_path, "notes.db")

    assert missing[0] == wrong[0] == 1
    assert missing[1]["problems"][0]["what"] == "missing.db: no such store"
    assert wrong[1]["problems"][0]["what"] == "notes.db cannot be read: file is not a database"
    assert other.read_bytes() == before
    assert list(tmp_path.iterdir()) == [other]


def test_an_older_store_has_no_reports(tmp_path: Path) -> None:
    """Written before processes reported: shown as it is."""
    db = tmp_path / "spantap.db"
    SQLiteSink(db).write([])
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("DROP TABLE processes")

    status, findings = found(tmp_path)

    assert (status, findings["processes"]) == (0, [])


def test_debug_tells_all_that_happens_and_no_values(tmp_path: Path) -> None:
    """Settings, app, destinations, batches, errors and the end, by process; no secret, no path, no body."""
    with workers(tmp_path, OTEL_PYTHON_SPANTAP_DEBUG="true", **NOWHERE) as (server, port):
        echo(port)
        until(lambda: "otlp: 0 sent, 0 lost, 1 to be tried again" in (tmp_path / "log").read_text())
        server.send_signal(signal.SIGTERM)
        server.wait(30)

    log = (tmp_path / "log").read_text()
    for said in (
        "set: debug by environment (OTEL_PYTHON_SPANTAP_DEBUG)",
        "destination otlp",
        "tracing with a provider of spantap's own",
        "flask: spantap captures it instead",
        "instrumenting flask",
        "sqlite: 1 spans to send, 0 more queued",
        "sqlite: opened",
        "sqlite: 1 sent, 0 lost, 0 to be tried again, in ",
        "sqlite: closed",
        "the process ends: delivering what is queued",
    ):
        assert re.search(rf"spantap\[\d+\] DEBUG: .*{re.escape(said)}", log), said
    ours = "\n".join(line for line in log.splitlines() if " spantap[" in line)
    for value in (SECRET, PASSWORD, "/echo", "127.0.0.1"):
        assert value not in ours
    assert SECRET not in log
    assert PASSWORD not in log


def test_remote_destinations_are_asked(tmp_path: Path) -> None:
    """An HTTP and a WebSocket collector: whether they answer, by name and address, without their secrets."""
    secret = {
        "OTEL_PYTHON_SPANTAP_HTTP_TOKEN": PASSWORD,
        "OTEL_PYTHON_SPANTAP_HTTP_HEADERS": f"X-Key={PASSWORD}",
        "OTEL_PYTHON_SPANTAP_WEBSOCKET_ENDPOINT": f"ws://user:{PASSWORD}@127.0.0.1:9/in",
    }
    with HTTPReceiver() as receiver:
        status, findings = found(tmp_path, OTEL_PYTHON_SPANTAP_HTTP_ENDPOINT=receiver.url, **secret)

    assert status == 1
    http, streamed = (named(findings["destinations"], name) for name in ("http", "websocket"))
    assert (http["answers"], http["target"], http["says"]) == (True, f"{receiver.url}/", "answers")
    assert (streamed["answers"], streamed["target"]) == (False, "ws://127.0.0.1:9/in")
    assert streamed["says"] == "Connection refused"
    assert [request.body for request in receiver.requests] == [b"[]"]
    assert PASSWORD not in json.dumps(findings)


def test_what_is_masked_is_told(tmp_path: Path) -> None:
    """The names and kinds of values that are looked for, and what the settings add and leave out."""
    names = {"OTEL_PYTHON_SPANTAP_REDACT_KEYS": "nick", "OTEL_PYTHON_SPANTAP_KEEP_KEYS": "sid, pin"}

    masked = found(tmp_path, **names)[1]["masked"]

    assert masked["your names"] == "nick"
    assert masked["never masked"] == "sid, pin"
    assert {"card", "jwt", "bearer"} <= set(masked["values"].split(", "))


def test_sampling_is_told_and_its_rates_are_asked(tmp_path: Path) -> None:
    """What is kept of what; a service that hands out rates is asked, and what it answers is looked at."""
    server = RatesServer()
    environ = {
        "OTEL_PYTHON_SPANTAP_CAPTURE_SAMPLE_RATE": "0.1",
        "OTEL_PYTHON_SPANTAP_CAPTURE_RATES": "user:42=1,path:/x/*=0",
        "OTEL_PYTHON_SPANTAP_CAPTURE_RATES_URL": server.url,
    }
    try:
        status, findings = found(tmp_path, **environ)
        assert (status, findings["problems"]) == (0, [])
        assert findings["captured"]["sampling"] == (
            f"0.1 of them, error always; user:42=1; path:/x/*=0; until there are others from {server.url}"
        )

        server.answers = [(200, {}, b'{"sample_rate": 1000}')]
        status, findings = found(tmp_path, **environ)
        assert status == 1
        (problem,) = findings["problems"]
        assert problem["what"] == (
            f"rates from {server.url}: not usable: sample_rate: use a number from 0 to 100"
        )
        assert "docs/sampling.md" in problem["remedy"]
    finally:
        server.close()


def test_what_sampling_left_out_is_counted(tmp_path: Path) -> None:
    """A process tells how many exchanges it left out beside those it kept."""
    handle = spantap.configure(
        sqlite_path=tmp_path / "spantap.db",
        tracer_provider=TracerProvider(shutdown_on_exit=False),
        capture_sample_rate=0,
    )
    try:
        for status in (200, 200, 200, 500):
            call(spantap.instrument_app(responding(b"{}", status=status)), scope("GET", "/a"))
    finally:
        handle.shutdown(30)

    assert "captured 1, 3 left out by sampling" in doctor(tmp_path)[1]


def test_what_a_policy_left_out_is_counted(tmp_path: Path) -> None:
    """Each destination tells what its policy left out, and that is no loss; settings show the policy."""
    handle = spantap.configure(
        sqlite_path=tmp_path / "spantap.db",
        jsonl_path=tmp_path / "errors.jsonl",
        tracer_provider=TracerProvider(shutdown_on_exit=False),
        policies={"jsonl": {"on_status_codes": ["5xx"]}},
    )
    try:
        for status in (200, 500, 200):
            call(spantap.instrument_app(responding(b"{}", status=status)), scope("GET", "/a"))
    finally:
        handle.shutdown(30)

    status, text, _ = doctor(
        tmp_path, OTEL_PYTHON_SPANTAP_POLICIES="otlp: fields=-bodies; otlp: skip_on_exception"
    )
    assert status == 0
    assert "1 of 1 taken, 0 queued; left out by its policy: 2" in text
    assert "jsonl: on_status_codes=5xx  keyword" in text
    assert "otlp: skip_on_exception; otlp: fields=-bodies  environment" in text
