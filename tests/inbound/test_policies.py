"""What each of several destinations gets, of real apps."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastapi import FastAPI
from flask import Flask, Response, abort, request
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import spantap
from over_the_wire import ask, served, wait_until
from policy_stores import DOORS, REQUESTS, stores
from receivers.http import HTTPReceiver, free_port
from receivers.otlp_http import OTLPReceiver, attributes
from receivers.websocket import receiving
from spantap import DestinationPolicy
from spantap.export.jsonl import JSONLSink
from spantap.export.memory import MemorySink
from spantap.export.search import Filter
from spantap.export.sqlite import SQLiteSink
from spantap.export.websocket import WebSocketSink
from spantap.model import Exchange
from spantap.otel import exporters
from spantap.otel.exporter import SinkExporter

TESTS = Path(__file__).parent.parent
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
HEADERS = {"User-Agent": AGENT, "Referer": "http://before/"}


def hello() -> str:
    return "hello"


def boom() -> str:
    raise ValueError("boom")


def late() -> Iterator[str]:
    yield "some"
    raise ValueError("late")


def flask() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/hello", "hello", lambda: f"hello {len(request.data)}", methods=["GET", "POST"])
    app.add_url_rule("/abort", "abort", lambda: abort(404))
    app.add_url_rule("/boom", "boom", boom)
    app.add_url_rule("/late", "late", lambda: Response(late(), mimetype="text/plain"))
    return app


def flask_that_propagates() -> Flask:
    app = flask()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app


def gone() -> str:
    raise HTTPException(404)


def fastapi() -> Any:
    app = FastAPI()
    for name, view in (("hello", hello), ("abort", gone), ("boom", boom)):
        app.get(f"/{name}", name=name)(view)
    return app


def starlette() -> Any:
    async def told(request: Any) -> Any:
        view = {"/hello": hello, "/abort": gone, "/boom": boom}[request.url.path]
        return PlainTextResponse(view())

    return Starlette(routes=[Route(f"/{name}", told, name=name) for name in ("hello", "abort", "boom")])


def wsgi() -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/boom":
            boom()
        status = "200 OK" if environ["PATH_INFO"] == "/hello" else "404 Not Found"
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"ok"]

    return app


def asgi() -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/boom":
            boom()
        status = 200 if scope["path"] == "/hello" else 404
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


WSGI = (flask, flask_that_propagates, wsgi)


class Played:
    """Requests to an app, and what came of them."""

    def __init__(self) -> None:
        self.handle: spantap.Handle | None = None

    def play(self, make: Callable[[], Any], *requests: Any, **settings: Any) -> list[bytes]:
        """What the clients got."""
        self.handle = spantap.configure(**settings)
        with served(spantap.instrument_app(make()), wsgi=make in WSGI) as port:
            answers = [ask(port, *([each] if isinstance(each, str) else each)) for each in requests]
            self.handle.tap.wait_for_open(30)
        assert self.handle.flush(30)
        return answers

    def left_out(self) -> dict[str, int]:
        """Destination -> what its policy left out; the rest it has got, and nothing is lost."""
        assert self.handle is not None
        stats = self.handle.stats()
        for each in stats.destinations.values():
            assert (each.exported, each.dropped) == (each.captured, {})
        return {name: each.left_out for name, each in stats.destinations.items()}


@pytest.fixture
def played() -> Iterator[Played]:
    made = Played()
    yield made
    if made.handle is not None:
        made.handle.shutdown(5)


def paths(records: Sequence[Exchange]) -> list[str]:
    return [each.request.path for each in records]


ALL = ["/hello", "/abort", "/unknown", "/boom", "/late"]
# flask-traffic's LogPolicy as its documentation has it: words -> whose rows there are.
LOG_POLICY: dict[str, tuple[dict[str, Any], list[str]]] = {
    "default": ({}, ALL),
    "only_on_exception": ({"only_on_exception": True}, ["/boom", "/late"]),
    "skip_on_exception": ({"skip_on_exception": True}, ["/hello", "/abort", "/unknown"]),
    "on_endpoints": ({"on_endpoints": ["hello"]}, ["/hello"]),
    "on_endpoints, of an exception": ({"on_endpoints": ["hello", "boom"]}, ["/hello", "/boom"]),
    "skip_endpoints": ({"skip_endpoints": ["hello", "late"]}, ["/abort", "/unknown", "/boom"]),
    "on_status_codes": ({"on_status_codes": [404]}, ["/abort", "/unknown"]),
    "skip_status_codes": ({"skip_status_codes": {500, "none"}}, ["/hello", "/abort", "/unknown", "/late"]),
    "status codes as text": ({"on_status_codes": ["200"]}, ["/hello", "/late"]),
    "the exceptions of an endpoint": ({"on_endpoints": ["boom"], "only_on_exception": True}, ["/boom"]),
    "all but one's exceptions": ({"skip_endpoints": ["boom"], "only_on_exception": True}, ["/late"]),
    "skip wins": ({"on_status_codes": ["4xx", "5xx"], "skip_status_codes": ["500"]}, ["/abort", "/unknown"]),
}


@pytest.mark.parametrize("make", [flask, flask_that_propagates])
def test_log_policy(make: Callable[[], Any], played: Played) -> None:
    """Every filter holds for exceptions, too, whether Flask hands them on or not; nothing is there twice."""
    sinks = stores(LOG_POLICY)

    answers = played.play(make, *ALL, destinations=list(sinks.values()))

    assert {name: paths(sink.read()[::-1]) for name, sink in sinks.items()} == {
        name: wanted for name, (_, wanted) in LOG_POLICY.items()
    }
    assert [each.split(b" ")[1] for each in answers] == [b"200", b"404", b"404", b"500", b"200"]
    left_out = played.left_out()
    assert sorted(left_out.values()) == sorted(5 - len(wanted) for _, wanted in LOG_POLICY.values())
    (boomed,) = sinks["only_on_exception"].read()[1:]
    assert boomed.error is not None
    assert (boomed.error.type, boomed.error.message) == ("ValueError", "boom")


@pytest.mark.parametrize("make", [flask, fastapi, starlette, wsgi, asgi])
def test_every_door(make: Callable[[], Any], played: Played) -> None:
    """Each word means the same on every door; without a framework there are no endpoints."""
    sinks = stores(DOORS)

    played.play(make, *REQUESTS, destinations=list(sinks.values()))

    wanted = {name: expected for name, (_, expected) in DOORS.items()}
    if make in (wsgi, asgi):
        wanted |= {"on_endpoints": [], "skip_endpoints": list(REQUESTS)}
    assert {name: paths(sink.read()[::-1]) for name, sink in sinks.items()} == wanted
    assert sum(played.left_out().values()) == sum(4 - len(each) for each in wanted.values())


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_django(kind: str, tmp_path: Path) -> None:
    """The same on Django's doors."""
    done = subprocess.run(
        [sys.executable, TESTS / "inbound" / "django_policies.py", kind],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    assert json.loads(done.stdout) == {name: expected for name, (_, expected) in DOORS.items()}


class Addresses:
    """A user's own destination: a CSV with a column for each field its policy keeps."""

    name = "addresses"

    def __init__(self, path: Path) -> None:
        self.target = str(path)
        self.policy = DestinationPolicy(fields=["remote_address"])
        self.path = path
        self.seen: list[Exchange] = []

    def write(self, exchanges: Sequence[Exchange]) -> None:
        self.seen += exchanges
        with self.path.open("a", newline="") as file:
            columns = {"remote_address": lambda each: each.client.address}
            writer = csv.writer(file)
            writer.writerows([columns[name](each) for name in self.policy.kept or ()] for each in exchanges)

    def close(self) -> None:
        pass


class Own(MemorySink):
    """A subclass that knows nothing of policies."""

    def __init__(self) -> None:
        self.kept: list[Exchange] = []

    target = "own"

    def write(self, exchanges: Sequence[Exchange]) -> None:
        self.kept += exchanges


def test_errors_here_the_rest_there(tmp_path: Path, played: Played) -> None:
    """Errors in JSON lines, all else in SQLite, addresses alone in a CSV, everything in a subclass of old."""
    errors = JSONLSink(tmp_path / "errors.jsonl", policy=DestinationPolicy(on_status_codes=["5xx"]))
    rest = SQLiteSink(tmp_path / "rest.db", policy=DestinationPolicy(skip_status_codes=["5xx"]))
    addresses, own = Addresses(tmp_path / "a.csv"), Own()

    played.play(
        flask,
        ("/hello", HEADERS, b'{"n": 1}'),
        ("/abort", HEADERS),
        ("/boom", HEADERS),
        destinations=[errors, rest, addresses, own],
    )

    assert paths(list(errors.read())) == ["/boom"]
    assert paths(rest.read()[::-1]) == ["/hello", "/abort"]
    assert rest.read()[1].request.body.content == '{"n": 1}'
    assert (tmp_path / "a.csv").read_text().splitlines() == ["127.0.0.1"] * 3
    told = str(addresses.seen)
    assert not any(each in told for each in ("hello", "boom", "Firefox", "before", "POST", "404", '"n"'))
    assert paths(own.kept) == ["/hello", "/abort", "/boom"]
    assert played.left_out() == {"jsonl": 2, "sqlite": 1, "addresses": 0, "memory": 0}


@pytest.mark.setting("policies")
def test_by_environment_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, played: Played) -> None:
    """Policies come from the environment or, for all of them, from the file; an object's own goes before."""
    monkeypatch.chdir(tmp_path)
    Path("spantap.toml").write_text(
        'jsonl_path = "t.jsonl"\nsqlite_path = "t.db"\n'
        '[policies.jsonl]\non_status_codes = ["5xx", 404]\n'
        'fields = ["path", "status", "browser", "platform"]\n'
        "[policies.memory]\nonly_on_exception = true\n[policies.websocket]\nfields = ['date']\n"
    )
    governed, free = MemorySink(), MemorySink(policy=DestinationPolicy(include=["path:/hello"]))

    played.play(
        flask, *((path, HEADERS) for path in ("/hello", "/abort", "/boom")), destinations=[governed, free]
    )

    second, first = JSONLSink("t.jsonl").read()
    assert [(each.request.path, each.response.status) for each in (first, second)] == [
        ("/abort", 404),
        ("/boom", 500),
    ]
    assert (first.request.browser, first.request.platform) == ("Firefox", "Windows")
    assert (first.request.method, first.client.address, len(first.request.headers)) == ("", None, 0)
    assert (first.timing.start, first.timing.duration) == (0, 0)
    assert len(SQLiteSink("t.db").read()) == 3
    assert (paths(governed.read()), paths(free.read())) == (["/boom"], ["/hello"])
    assert played.handle is not None
    played.handle.shutdown(5)

    monkeypatch.setenv("OTEL_PYTHON_SPANTAP_POLICIES", "sqlite: skip_on_exception; sqlite: fields=-bodies")
    played.play(flask, ("/hello", {}, b'{"n": 1}'), "/boom")

    (hello,) = SQLiteSink("t.db").read(wanted=Filter(since=second.timing.end))[:1]
    assert (hello.request.path, hello.request.body.content) == ("/hello", None)
    assert (hello.request.body.withheld, hello.request.body.size) == ("switched-off", 8)
    assert len(SQLiteSink("t.db").read()) == 4
    assert len(list(JSONLSink("t.jsonl").read())) == 4  # the variable goes before the file, as a whole


def test_a_collector_gets_every_span_and_of_some_the_record(
    monkeypatch: pytest.MonkeyPatch, played: Played
) -> None:
    """What OTLP's policy leaves out is a span without a record there; other fields are nowhere in it."""
    memory = MemorySink()
    fields = "method,route,status,request_headers"
    with OTLPReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        played.play(
            flask,
            ("/hello?q=1", HEADERS, b"body"),
            ("/boom", HEADERS),
            destinations=[memory],
            policies=f"otlp: on_status_codes=5xx; otlp: fields={fields}",
        )
        assert played.left_out() == {"memory": 0, "otlp": 1}
        hello, boom = receiver.spans()

    assert attributes(hello) == {
        "http.request.method": "POST",
        "http.route": "/hello",
        "http.response.status_code": 200,
    }
    shown = attributes(boom)
    assert shown["http.request.header.user-agent"] == [AGENT]
    assert {name for name in shown if not name.startswith("http.request.header.")} == {
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "spantap.record.version",
        "spantap.response.body.withheld",
    }
    assert (boom.name, list(boom.events), boom.status.message) == ("GET /boom", [], "")
    assert [each.request.path for each in memory.read()] == ["/boom", "/hello"]
    assert memory.read()[1].request.body.content == "body"


def test_collectors_of_records(monkeypatch: pytest.MonkeyPatch, played: Played) -> None:
    """HTTP and WebSocket collectors get what their policies say, in records as the schema has them."""
    with HTTPReceiver() as http, receiving() as websocket:
        policy = DestinationPolicy(skip_on_exception=True, fields=["status"])
        sink = WebSocketSink(websocket.url, policy=policy)
        by_name = "http: only_on_exception\nhttp: fields=path,exception"
        monkeypatch.setenv("OTEL_PYTHON_SPANTAP_POLICIES", by_name)
        played.play(flask, "/hello", "/boom", destinations=[sink], http_endpoint=http.url)
        assert played.left_out() == {"websocket": 1, "http": 1}

        (boom,), (streamed,) = posted(http), websocket.messages

    schema = json.loads((TESTS.parent / "docs" / "record.schema.json").read_text())
    for record in (boom, streamed):
        jsonschema.validate(record, schema)
    assert boom["request"] == {"method": "", "scheme": "", "path": "/boom"}
    assert boom["error"] == {"type": "ValueError", "message": "boom"}
    assert "status" not in boom["response"]
    assert streamed["request"]["path"] == ""
    assert streamed["response"]["status"] == 200


def test_what_lay_on_disk_is_reduced_as_well(tmp_path: Path, played: Played) -> None:
    """What was left in the spool goes without the fields its destination does not get."""
    port = free_port()
    settings: dict[str, Any] = {
        "http_endpoint": f"http://127.0.0.1:{port}",
        "spool_dir": tmp_path / "spool",
        "policies": {"http": {"on_status_codes": [200], "fields": ["path", "status"]}},
    }
    played.handle = spantap.configure(**settings)
    with served(spantap.instrument_app(flask()), wsgi=True) as app:
        ask(app, "/hello", HEADERS, b"body")
        ask(app, "/abort")
        played.handle.tap.wait_for_open(30)
    assert played.handle.shutdown(0.5)  # nobody takes it, but it is on disk

    with HTTPReceiver(port=port) as receiver:
        played.play(flask, "/abort", "/hello", **settings)
        wait_until(lambda: len(posted(receiver)) == 2)

    for record in posted(receiver):
        assert record["request"] == {
            "method": "",
            "scheme": "",
            "path": "/hello",
            **({"body": {"withheld": "switched-off"}} if "body" in record["request"] else {}),
        }
        assert (record["start"], record["response"]["status"]) == (0, 200)
        assert "client" not in record


def posted(receiver: HTTPReceiver) -> list[dict[str, Any]]:
    return [record for request in receiver.requests for record in json.loads(request.body)]


@pytest.mark.parametrize(
    ("policy", "taken", "left_out"),
    [
        (None, {"http.request.body.content", "user_agent.original", "spantap.record.version"}, set()),
        ("otlp: fields=-bodies", {"http.request.body.size"}, {"http.request.body.content"}),
        ("otlp: on_status_codes=5xx", {"http.response.status_code"}, {"spantap.record.version"}),
    ],
)
def test_spans_the_app_exports_itself(
    policy: str | None, taken: set[str], left_out: set[str], played: Played
) -> None:
    """On a tracer provider of the app's own OTLP's policy says what is written on its spans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    memory = MemorySink()

    played.play(
        flask,
        ("/hello", HEADERS, b"body"),
        destinations=[memory],
        tracer_provider=provider,
        policies=policy,
    )

    (span,) = exporter.get_finished_spans()
    names = set(span.attributes or {})
    assert taken <= names
    assert not left_out & names
    assert memory.read()[0].request.body.content == "body"


class Failing(DestinationPolicy):
    def takes(self, exchange: Exchange) -> bool:
        if exchange.request.path == "/abort":
            raise ZeroDivisionError
        return super().takes(exchange)


def test_a_policy_that_fails(played: Played) -> None:
    """An exchange for which somebody's policy raises does not go there; nobody else notices."""
    governed, free = MemorySink(policy=Failing(skip_on_exception=True)), MemorySink()

    answers = played.play(flask, "/hello", "/abort", "/boom", destinations=[governed, free])

    assert [each.split(b" ")[1] for each in answers] == [b"200", b"404", b"500"]
    assert paths(governed.read()) == ["/hello"]
    assert len(free.read()) == 3
    assert played.handle is not None
    first, _ = played.handle.stats().destinations.values()
    assert (first.captured, first.exported, first.dropped, first.left_out) == (2, 1, {"policy_failed": 1}, 1)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"policies": {"sqllite": {"fields": ["date"]}}}, "no such destination; did you mean sqlite"),
        ({"policies": "memory: fields=date,dat"}, "policies, memory.fields = 'dat': there is no such field"),
        (
            {"headers": False, "policies": "otlp: exclude=user-agent:x"},
            "of otlp = user-agent: headers",
        ),
        (
            {"preset": "metadata", "policies": "sqlite: fields=date,browser"},
            "sqlite = browser: headers",
        ),
        (
            {"include": ["status:404"], "exclude": ["status:4xx"]},
            "include = 'status:404': exclude leaves out",
        ),
    ],
)
def test_policies_that_cannot_work(
    settings: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot match, or is for nobody, is told at the start."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(spantap.ConfigurationError, match=told):
        spantap.configure(**settings)


def test_destinations_that_cannot_work(tmp_path: Path) -> None:
    """A policy that is none, and one destination with two policies, are told at the start."""
    with pytest.raises(spantap.ConfigurationError, match="policy of odd has to be a DestinationPolicy"):
        spantap.configure(destinations=[Odd()])
    errors = SQLiteSink(tmp_path / "a.db", policy=DestinationPolicy(on_status_codes=["5xx"]))
    with pytest.raises(spantap.ConfigurationError, match=r"a\.db: it is there twice, with different"):
        spantap.configure(destinations=[errors, SQLiteSink(tmp_path / "a.db")])


def test_in_somebody_elses_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our exporters by name take their policy from the environment, and say what is wrong with it."""
    monkeypatch.setenv("OTEL_PYTHON_SPANTAP_POLICIES", "jsonl: only_on_exception; jsonl: fields=path")
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = exporters.JSONLExporter(str(tmp_path / "t.jsonl"))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    own = SinkExporter(memory := MemorySink(policy=DestinationPolicy(skip_on_exception=True)))
    provider.add_span_processor(SimpleSpanProcessor(own))
    handle = spantap.configure(destinations=[MemorySink()], tracer_provider=provider, policies={})
    with served(spantap.instrument_app(flask()), wsgi=True) as port:
        for each in ("/hello", "/boom"):
            ask(port, each)
        handle.tap.wait_for_open(30)
    handle.shutdown(5)

    (boom,) = JSONLSink(tmp_path / "t.jsonl").read()
    assert (boom.request.path, boom.request.method, boom.response.status) == ("/boom", "", None)
    assert paths(memory.read()) == ["/hello"]
    monkeypatch.setenv("OTEL_PYTHON_SPANTAP_POLICIES", "jsonl: only")
    with pytest.raises(spantap.ConfigurationError, match=r"POLICIES, jsonl\.only = True: there is no"):
        exporters.JSONLExporter(str(tmp_path / "t.jsonl"))


class Odd(MemorySink):
    name = "odd"

    def __init__(self) -> None:
        super().__init__()
        self.policy = "all"  # type: ignore[assignment]
