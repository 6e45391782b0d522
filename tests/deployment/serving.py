"""Apps run for real under `opentelemetry-instrument`, asked, stopped, and looked at."""

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deployment.apps import APPS, SECRETS
from receivers.otlp_http import OTLPReceiver, attributes, server_spans
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange

BIN = Path(sys.executable).parent
INSTRUMENT = "opentelemetry-instrument"
REQUESTS = 10
BOTH = {"OTEL_TRACES_EXPORTER": "otlp,spantap_sqlite"}  # a store and a collector

UVICORN = ["uvicorn", "--log-level=warning", "--port={port}"]
GUNICORN = ["gunicorn", "--log-level=warning", "--bind=127.0.0.1:{port}"]


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Answer:
    """What the client received."""

    status: int
    body: bytes
    cookie: str


def sent(number: int) -> dict[str, object]:
    """The JSON of the request with that number, its secret included."""
    return {"n": number, "password": SECRETS["body"]}


def post(port: int, number: int) -> Answer:
    """Send the request with that number, with a secret in every place."""
    return ask(port, "POST", f"/echo/{number}?api_key={SECRETS['query']}", json.dumps(sent(number)))


def post_again(port: int, number: int) -> Answer:
    """The same where workers come and go: one that goes may reset a connection it has not looked at."""
    try:
        return post(port, number)
    except (ConnectionResetError, BrokenPipeError):
        return post(port, number)


def ask(port: int, method: str, target: str, body: str | None = None) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {
            "Authorization": f"Bearer {SECRETS['authorization']}",
            "Cookie": f"trail={SECRETS['cookie']}",
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.read(), response.getheader("Set-Cookie") or "")
    finally:
        connection.close()


@contextmanager
def served(
    folder: Path, command: Sequence[str], environ: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server that is `running`, up and listening, and where.

    Args:
        folder: where it runs.
        command: with ``{port}`` where the port belongs.
        environ: as for `running`.
    """
    port = free_port()
    command = [each.format(port=port) for each in command]
    with running(folder, command, {"PLANTED": SECRETS["set-cookie"], **environ}) as server:
        wait_for(lambda: listens(port), lambda: (folder / "log").read_text())
        yield server, port


@contextmanager
def running(
    folder: Path, command: Sequence[str], environ: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in its own process group; what it says goes to `folder`/log.

    Args:
        folder: where it runs.
        command: it and its arguments.
        environ: beside our own environment; its PATH says where the command is.
    """
    # gunicorn keeps a control socket at home: one for each server, please.
    variables = {**os.environ, "HOME": str(folder), **environ}
    program, *arguments = command
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [shutil.which(program, path=variables["PATH"]) or program, *arguments],
            cwd=folder,
            env=variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # workers too
        process.wait(20)


def stopped(server: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    """Stop a program that is `running`, and wait for its end.

    Args:
        server: it.
        stop: SIGTERM goes to the first process alone, as from a supervisor or a container's runtime; SIGINT
            to all of them, as from a terminal; so does SIGKILL.
    """
    if stop is signal.SIGTERM:
        server.send_signal(stop)
    else:
        os.killpg(server.pid, stop)
    server.wait(60)


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wait_for(
    condition: Callable[[], object], explain: Callable[[], object] = str, seconds: float = 60
) -> None:
    """Until the condition holds.

    Args:
        condition: asked again and again.
        explain: says what is the matter when it never holds.
        seconds: when to give up.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)


def defaults(binaries: Path = BIN) -> dict[str, str]:
    """The variables of a zero-code set-up with our distro, and where its commands are."""
    return {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": "",
        "PYTHONDONTWRITEBYTECODE": "",  # what is installed is compiled by the first who imports it
        "OTEL_PYTHON_DISTRO": "spantap",
        "OTEL_PYTHON_CONFIGURATOR": "spantap",
        "OTEL_SERVICE_NAME": "zero",
    }


class Run:
    """An app under `opentelemetry-instrument`, asked REQUESTS times and stopped.

    Attributes:
        answers: what the client received.
        spans, server_spans: every span that came to the collector, and those of kind SERVER.
        stored: every exchange in ./spantap.db; none when there is no such file.
        log: what the server said.
        delivered: every body that came to the collector.
    """

    def __init__(
        self,
        folder: Path,
        app: str,
        command: Sequence[str],
        environ: Mapping[str, str] | None = None,
        *,
        binaries: Path = BIN,
        ask: Callable[[int, int], Answer] = post,
        without: Sequence[str] = (),
        under: Sequence[str] = (INSTRUMENT,),
        delivered_first: bool = False,
        stored_first: bool = False,
        stop: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Args:
        folder: where it runs and the store is.
        app: one of `APPS`, written to ./app.py; none when empty.
        command: the server.
        environ: beside the default variables.
        binaries: where the commands are.
        ask: sends the request with that number.
        without: of the default variables, those not to be set.
        under: what the server is started with.
        delivered_first: stop only when as many SERVER spans are with the collector. For the batch
            processor of OpenTelemetry: it loses what it has when uvicorn or waitress gets SIGTERM.
        stored_first: stop only when as many exchanges are in the store.
        stop: what it is stopped with: see `stopped`.
        """
        self._store = folder / "spantap.db"
        if app:
            (folder / "app.py").write_text(APPS[app])
        with OTLPReceiver() as receiver:
            variables = {**defaults(binaries), "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **(environ or {})}
            for each in without:
                del variables[each]
            with served(folder, [*under, *command], variables) as (server, port):
                self.answers = [ask(port, number) for number in range(REQUESTS)]
                if delivered_first:
                    wait_for(lambda: len(server_spans(receiver.spans())) >= REQUESTS, lambda: "no spans")
                if stored_first:
                    wait_for(lambda: len(self._rows()) >= REQUESTS, lambda: (folder / "log").read_text())
                stopped(server, stop)
            self.delivered = receiver.deliveries
            self.spans = receiver.spans()
            self.server_spans = server_spans(self.spans)
        self.log = (folder / "log").read_text()
        self.stored = self._rows()

    def _rows(self) -> list[Exchange]:
        return SQLiteSink(self._store).read() if self._store.exists() else []

    def assert_answered(self) -> None:
        """The client received what it would have received without us."""
        for number, answer in enumerate(self.answers):
            assert answer.status == 200, self.log
            assert json.loads(answer.body) == sent(number)
            assert SECRETS["set-cookie"] in answer.cookie

    def assert_stored(self, route: str | None) -> None:
        """One row for each request, with both bodies."""
        paths = sorted(each.request.path for each in self.stored)
        assert paths == [f"/echo/{number}" for number in range(REQUESTS)], self.log
        for exchange in self.stored:
            shown = {"n": int(exchange.request.path.removeprefix("/echo/")), "password": "[REDACTED]"}
            assert json.loads(str(exchange.request.body.content)) == shown
            assert json.loads(str(exchange.response.body.content)) == shown
            assert exchange.route == route
            assert exchange.service == "zero"

    def assert_exported(self, *bodies: str) -> None:
        """One SERVER span for each row, and the bodies are on it; both unless one is named."""
        spans = self.server_spans
        assert sorted(span.span_id.hex() for span in spans) == sorted(each.span_id for each in self.stored)
        for body in bodies or ("request", "response"):
            assert all(f"http.{body}.body.content" in attributes(span) for span in spans)

    def assert_clean(self, *, internal_spans: bool = True) -> None:
        """No secret has left: not to the store, not to the collector, not to the log.

        Args:
            internal_spans: those of kind INTERNAL are looked at, too.
        """
        left = b"".join(span.SerializeToString() for span in self.spans if internal_spans or span.kind != 1)
        left += b"".join(each.body for each in self.delivered if each.path != "/v1/traces")
        left += repr(self.stored).encode()
        for each in self._store.parent.glob("spantap.db*"):
            left += each.read_bytes()
        log = self.log.replace(SECRETS["query"], "")  # servers write the query into logs of their own
        leaked = [name for name, secret in SECRETS.items() if secret.encode() in left or secret in log]
        assert leaked == [], leaked


def said_by(
    folder: Path, code: str, environ: Mapping[str, str] | None = None, *, binaries: Path = BIN
) -> str:
    """What a script prints that runs under `opentelemetry-instrument`, errors included."""
    (folder / "script.py").write_text(code)
    done = subprocess.run(
        [binaries / INSTRUMENT, "python", "script.py"],
        cwd=folder,
        env={**os.environ, **defaults(binaries), **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
