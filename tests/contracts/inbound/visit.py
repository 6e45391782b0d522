"""One visit to one door: start a server, say the same things to it, stop it, look at what is left.

Every visit asks the same questions in the same order, so that what two doors or two modes answered
can be laid side by side. Each request carries its name in the query (``case=first``), which is how
its spans and its record are found again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from contracts.inbound.apps import answers
from contracts.inbound.placements import ASGI_DOORS, OWN_PROVIDER, WITHOUT_US
from receivers.otlp_http import OTLPReceiver, attributes
from spantap.testing.wire import Answer, Connection, ask, request, until

TESTS: Final = Path(__file__).parents[2]
SAMPLED: Final = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
UNSAMPLED: Final = ("11111111aaaaaaaa22222222bbbbbbbb", "33333333cccccccc")
QUERY_SECRET: Final = "query-secret-1470"
SECRETS: Final = (
    QUERY_SECRET,
    "header-secret-2581",
    "cookie-sent-3692",
    "body-secret-4703",
    "4111111111111111",
    "answered-token-8642",
    "cookie-secret-9753",
    "boom-password-7531",
)
CROWD: Final = tuple(f"crowd{number:02}" for number in range(20))
_CASE: Final = re.compile(r"[?&]?case=([\w-]+)")
_STOP: Final = 20.0  # seconds a server has to end


@dataclass(frozen=True)
class SeenSpan:
    """A span, wherever it was seen."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str | None
    status: str
    attributes: Mapping[str, Any]

    @property
    def case(self) -> str | None:
        """Which request it belongs to."""
        for name in ("url.query", "http.target", "http.url", "url.full"):
            if found := _CASE.search(str(self.attributes.get(name, ""))):
                return found[1]
        return None


@dataclass
class Visit:
    """What a client saw of a server, and what was found after the server had gone.

    Attributes:
        door, mode, server: who was visited.
        answers: case -> what the client got.
        held: case -> pieces a held-back stream had delivered before it was released.
        marks: what happened inside the app.
        spans: every span, at the OTLP receiver or in the file of the app's own exporter.
        records: every row of the SQLite store.
        otlp, store, exported: the bytes of it all, for whoever looks for secrets.
        log: what the server wrote to its standard error.
        exit_code: how it ended.
    """

    door: str
    mode: str
    server: str
    answers: dict[str, Answer] = field(default_factory=dict)
    held: dict[str, bytes | None] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)
    spans: list[SeenSpan] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    otlp: bytes = b""
    store: bytes = b""
    exported: bytes = b""
    log: str = ""
    exit_code: int | None = None

    @property
    def sent(self) -> list[str]:
        """The cases, in order."""
        return list(self.answers)

    def server_spans(self, case: str) -> list[SeenSpan]:
        """The SERVER spans of a case."""
        return [span for span in self.spans if span.kind == "SERVER" and span.case == case]

    def span(self, case: str) -> SeenSpan:
        """The one SERVER span of a case."""
        (span,) = self.server_spans(case)
        return span

    def records_of(self, case: str) -> list[dict[str, Any]]:
        """The records of a case."""
        return [
            each for each in self.records if f"case={case}" in each["request"].get("query", "").split("&")
        ]

    def record(self, case: str) -> dict[str, Any]:
        """The one record of a case."""
        (record,) = self.records_of(case)
        return record


def pay(door: str, mode: str, directory: Path, server: str | None = None) -> Visit:
    """Visit a door in a mode; everything about it is over when this returns."""
    visit = Visit(door, mode, server or ("uvicorn" if door in ASGI_DOORS else "gunicorn"))
    with OTLPReceiver() as receiver:
        with serving(visit, directory, receiver.url) as port:
            (_switching if mode == "switched" else _conversation)(visit, port)
        _collect(visit, directory, receiver)
    return visit


@contextlib.contextmanager
def serving(visit: Visit, directory: Path, otlp: str) -> Iterator[int]:
    """A server process for the time of the block; yields its port."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TESTS), environment.get("PYTHONPATH")]))
    environment["PYTHONHASHSEED"] = "0"  # Flask's `Allow` header is made from a set
    if visit.mode not in WITHOUT_US:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp
        environment["OTEL_PYTHON_SPANTAP_SQLITE_PATH"] = str(directory / "records.db")
    log = directory / "log.txt"
    command = [sys.executable, "-m", "contracts.inbound.serve", visit.door, visit.mode]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [*command, "--directory", str(directory), "--server", visit.server],
            env=environment,
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line.strip().isdigit():
                raise AssertionError(f"{visit.door} {visit.mode} does not start:\n{log.read_text()}")
            yield int(line)
            process.stdin.close()
            visit.exit_code = process.wait(_STOP)
        except Exception as error:
            raise AssertionError(f"{visit.door} {visit.mode}: {error!r}\n{log.read_text()}") from error
        finally:
            process.kill()
    visit.log = log.read_text()


def post(case: str, headers: Mapping[str, str] | None = None, *, last: bool = False) -> bytes:
    """The POST every door answers, full of secrets."""
    body = {"note": f"note of {case}", "password": "body-secret-4703", "card": "4111111111111111"}
    return request(
        "POST",
        f"/echo/{case}?case={case}&token={QUERY_SECRET}",
        {
            "Content-Type": "application/json",
            "X-Case": case,
            "Authorization": "Bearer header-secret-2581",
            "Cookie": "sid=cookie-sent-3692",
            **(headers or {}),
        },
        json.dumps(body).encode(),
        last=last,
    )


def traceparent(trace_id: str, span_id: str, *, sampled: bool) -> dict[str, str]:
    """The header of a client that traces."""
    return {"traceparent": f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}"}


def get(case: str, path: str, more: str = "", method: str = "GET") -> bytes:
    """A request without a body."""
    return request(method, f"{path}?case={case}{more}", {"X-Case": case})


def _conversation(visit: Visit, port: int) -> None:
    said = visit.answers
    asked = {
        "first": post("first"),
        "second": post("second"),
        "empty": get("empty", "/empty"),
        "head": get("head", "/echo", method="HEAD"),
        "get": get("get", "/echo"),
        "last": post("last", last=True),
    }
    if visit.server == "wsgiref":  # closes every connection
        said.update({case: ask(port, data) for case, data in asked.items()})
    else:
        with Connection(port) as connection:
            said.update({case: connection.ask(data) for case, data in asked.items()})
            assert connection.rest() == b"", "the server had more to say than it announced"
    said["parent"] = ask(port, post("parent", traceparent(*SAMPLED, sampled=True)))
    said["unsampled"] = ask(port, post("unsampled", traceparent(*UNSAMPLED, sampled=False)))
    for case in ("big", "boom", "who", "file", "nowhere", "stream", "halfway"):
        said[case] = ask(port, get(case, f"/{case}"))
    said["health"] = ask(port, get("health", "/healthz"))
    said["wrong"] = ask(port, get("wrong", "/ignore"))
    said["ignore"] = ask(port, request("POST", "/ignore?case=ignore", {"X-Case": "ignore"}, b"x" * 1000))
    with Connection(port) as connection:
        expecting = {"Expect": "100-continue", "Content-Length": "9"}
        connection.send(request("POST", "/ignore?case=expect", expecting))
        said["expect"] = connection.answer("POST", b"on demand")
    said["chunked"] = ask(
        port,
        request(
            "POST",
            "/echo/chunked?case=chunked",
            {"Transfer-Encoding": "chunked", "Content-Type": "application/json"},
        )
        + b'9\r\n{"note": \r\n9\r\n"in bits"\r\n1\r\n}\r\n0\r\n\r\n',
    )
    if visit.door == "wsgi":
        said["written"] = ask(port, get("written", "/written"))
        said["closing"] = ask(port, get("closing", "/closing"))
    _held(visit, port)
    _gone(visit, port)
    with ThreadPoolExecutor(len(CROWD)) as crowd:
        said.update(zip(CROWD, crowd.map(lambda case: ask(port, post(case)), CROWD), strict=True))
    visit.marks = _marks(port)


def _held(visit: Visit, port: int) -> None:
    """A stream that makes its second piece only after the client has had the first."""
    with Connection(port) as connection:
        connection.send(get("held", "/stream", "&held=1"))
        head = connection.head()
        chunked = b"transfer-encoding: chunked" in head.lower()
        first = connection.piece() if chunked else connection.exactly(len(answers.PIECES[0]))
        visit.held["held"] = first
        time.sleep(0.05)
        ask(port, request("GET", "/-/release?case=held"))
        rest = connection.rest_of(chunked=chunked)
        visit.answers["held"] = Answer(head, b"", (first or b"", *rest), True, int(head.split(b" ", 2)[1]))


def _gone(visit: Visit, port: int) -> None:
    """A client that leaves in the middle of a stream."""
    with Connection(port) as connection:
        connection.send(get("gone", "/stream", "&endless=1"))
        head = connection.head()
        connection.piece()
        connection.leave()
    visit.answers["gone"] = Answer(head, b"", (), False, int(head.split(b" ", 2)[1]))
    until(lambda: any(mark.startswith("gone ") for mark in _marks(port)), 10)


def _switching(visit: Visit, port: int) -> None:
    """Capture goes on, once more, and off, under a server that keeps serving."""
    said = visit.answers
    said["before"] = ask(port, post("before"))
    ask(port, request("GET", "/-/instrument"))
    said["on"] = ask(port, post("on"))
    ask(port, request("GET", "/-/instrument"))
    said["twice"] = ask(port, post("twice"))
    with Connection(port) as connection:
        connection.send(get("across", "/stream", "&held=1"))
        chunked = b"transfer-encoding: chunked" in connection.head().lower()
        ask(port, request("GET", "/-/uninstrument"))
        ask(port, request("GET", "/-/release?case=across"))
        connection.rest_of(chunked=chunked)
    said["off"] = ask(port, post("off"))
    said["boom-off"] = ask(port, get("boom-off", "/boom"))
    ask(port, request("GET", "/-/instrument"))
    said["again"] = ask(port, post("again"))


def _marks(port: int) -> list[str]:
    marks: list[str] = json.loads(ask(port, request("GET", "/-/marks")).content)
    return marks


def _collect(visit: Visit, directory: Path, receiver: OTLPReceiver) -> None:
    visit.otlp = b"".join(receiver.bodies)
    if visit.mode in OWN_PROVIDER:
        lines = directory / "spans.jsonl"
        visit.exported = lines.read_bytes() if lines.exists() else b""
        for each in map(json.loads, visit.exported.splitlines()):
            fields = {name: each[name] for name in SeenSpan.__dataclass_fields__}
            visit.spans.append(SeenSpan(**fields))
    else:
        for span in receiver.spans():
            visit.spans.append(
                SeenSpan(
                    name=span.name,
                    kind=_KINDS[span.kind],
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent=span.parent_span_id.hex() or None,
                    status=_STATUSES[span.status.code],
                    attributes=attributes(span),
                )
            )
    store = directory / "records.db"
    if store.exists():
        with contextlib.closing(sqlite3.connect(store)) as connection:
            rows = connection.execute("SELECT record FROM exchanges ORDER BY rowid").fetchall()
        visit.records = [json.loads(record) for (record,) in rows]
        visit.store = store.read_bytes()


_KINDS: Final = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES: Final = ("UNSET", "OK", "ERROR")
