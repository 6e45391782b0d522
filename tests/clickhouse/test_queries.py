"""What `deploy/clickhouse` answers is what the SQLite store has of the same exchanges."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import spantap
from clickhouse.database import Database, queries
from clickhouse.expected import as_row
from clickhouse.exporter import Row, moment, rows_of
from receivers.otlp_http import OTLPReceiver
from spantap.cli.serving import serving
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange

pytest.importorskip("chdb", reason="needs chdb, which is large: make clickhouse")

PASSWORD = "correct-horse-battery"
NOTES = ("Über den Fluss", 'said "no" & <left>', "plain", "river, then nothing")


def app() -> FastAPI:
    """Orders of which a tenth is kept, failures aside; notes with bodies; a page; faults."""
    api = FastAPI()

    @api.get("/orders/{number}")
    async def order(number: int) -> JSONResponse:
        if number % 4 == 3:
            await asyncio.sleep(0.02)
            return JSONResponse({"detail": "the warehouse is closed"}, 503)
        return JSONResponse({"number": number})

    @api.post("/notes", status_code=201)
    async def note(request: Request) -> Any:
        said = await request.json()
        spantap.current().user(request.headers["x-who"]).company("acme").metadata(
            words=len(said["text"].split())
        )
        spantap.current().metric("length", len(said["text"]))
        with spantap_tracer().start_as_current_span("save the note"):
            return {**said, "saved": True}

    @api.get("/page")
    def page() -> HTMLResponse:
        return HTMLResponse("<p>Nothing but a RIVER of words</p>")

    @api.get("/boom")
    def boom() -> None:
        raise ValueError("all is lost")

    return api


def spantap_tracer() -> Any:
    from opentelemetry import trace

    return trace.get_tracer("shop")


def traffic() -> Iterator[tuple[str, str, dict[str, str], str]]:
    """Method, target, headers and body of each request."""
    for number in range(80):
        yield "GET", f"/orders/{number}?api_key={PASSWORD}", {}, ""
    for number, text in enumerate(NOTES * 3):
        note = json.dumps({"text": text, "password": PASSWORD})
        yield "POST", "/notes", {"x-who": f"u-{number % 3}", "content-type": "application/json"}, note
    yield "GET", "/page", {"cookie": f"session={PASSWORD}"}, ""
    yield "GET", "/nowhere", {}, ""
    yield "GET", "/boom", {}, ""


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Exchange], list[Row]]:
    """What the SQLite store has, the latest first, and the rows the exporter would insert."""
    store = tmp_path_factory.mktemp("store") / "traffic.db"
    chance = random.Random(5)  # which trace ids are within the rate is a matter of the ids alone
    with OTLPReceiver() as receiver, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        patch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop,deployment.environment.name=test")
        handle = spantap.configure(sqlite_path=str(store), capture_rates="route:/orders/{number}=0.1")
        with serving(spantap.instrument_app(app())) as url:
            for method, target, headers, body in traffic():
                parent = f"00-{chance.getrandbits(128):032x}-{chance.getrandbits(64):016x}-01"
                connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
                connection.request(method, target, body or None, {**headers, "traceparent": parent})
                assert connection.getresponse().read()
                connection.close()
        handle.flush(30)
        handle.shutdown()
        rows = [
            row
            for delivery in receiver.deliveries
            for row in rows_of(ExportTraceServiceRequest.FromString(delivery.body))
        ]
    return SQLiteSink(store).read(None), rows


@pytest.fixture(scope="module")
def stored(captured: tuple[list[Exchange], list[Row]]) -> list[Exchange]:
    """The exchanges, the latest first."""
    return captured[0]


@pytest.fixture(scope="module")
def database(
    captured: tuple[list[Exchange], list[Row]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """ClickHouse with the same exchanges, every one delivered twice."""
    with Database(tmp_path_factory.mktemp("clickhouse")) as database:
        database.insert(captured[1])
        database.insert(captured[1])
        yield database


def window(stored: Sequence[Exchange]) -> dict[str, object]:
    """The parameters for all there is."""
    return {
        "since": moment(stored[-1].timing.start),
        "until": moment(stored[0].timing.start + 1),
        "service": "",
        "size": 1000,
    }


def failed(each: Exchange) -> bool:
    return (each.response.status or 0) >= 500 or each.response.status is None


def test_the_traffic_is_what_the_tests_need(stored: list[Exchange]) -> None:
    """There are weights, failures, users, child spans' parents, and no secret."""
    weights = Counter(each.weight for each in stored if each.route == "/orders/{number}")

    assert weights[1.0] == 20
    assert weights[10.0] >= 2
    assert PASSWORD not in str(stored)


FILTERS: dict[str, dict[str, object]] = {
    "all": {},
    "method": {"method": "POST"},
    "route": {"route": "/orders/{number}"},
    "path": {"path": "/o%"},
    "user": {"user": "u-1"},
    "status": {"status_from": 500, "status_to": 599},
    "slower": {"slower": 15},
    "service": {"service": "shop"},
    "another service": {"service": "else"},
    "several": {"route": "/notes", "user": "u-2", "status_from": 201, "status_to": 201},
    "size": {"size": 3},
}


@pytest.mark.parametrize("name", FILTERS)
def test_newest(name: str, database: Database, stored: list[Exchange]) -> None:
    """A list has the exchanges that fit, the latest first, each once."""
    anything = {
        "method": "",
        "route": "",
        "path": "",
        "user": "",
        "status_from": 0,
        "status_to": 999,
        "slower": 0,
    }
    wanted: dict[str, Any] = {**window(stored), **anything, **FILTERS[name]}

    rows = database.answer("newest", **wanted)

    fitting = [
        each
        for each in stored
        if wanted["method"] in ("", each.request.method)
        and wanted["route"] in ("", each.route)
        and each.request.path.startswith(wanted["path"].rstrip("%"))
        and wanted["user"] in ("", each.identity.user)
        and wanted["service"] in ("", each.service)
        and wanted["status_from"] <= (each.response.status or 0) <= wanted["status_to"]
        and each.timing.duration >= wanted["slower"] * 1e6
    ]
    assert bool(fitting) is (name != "another service")
    assert [(row["trace_id"], row["span_id"], row["start"]) for row in rows] == [
        (each.trace_id, each.span_id, moment(each.timing.start)) for each in fitting[: wanted["size"]]
    ]


def test_one_exchange(database: Database, stored: list[Exchange]) -> None:
    """Everything the store knows of an exchange is in its two rows, and nothing else."""
    for each in stored:
        (row,) = database.answer(
            "exchange", start=moment(each.timing.start), trace_id=each.trace_id, span_id=each.span_id
        )

        assert as_row(each) == row


def test_a_trace(database: Database, stored: list[Exchange]) -> None:
    """A trace has its spans from the beginning on, the one that is an exchange with what it was."""
    note = next(each for each in stored if each.route == "/notes")

    server, child = database.answer("trace", trace_id=note.trace_id)

    assert (server["span_id"], server["is_exchange"], server["kind"]) == (note.span_id, 1, "Server")
    assert (server["method"], server["path"], server["status"]) == ("POST", "/notes", 201)
    assert (server["user"], server["service"]) == (note.identity.user, "shop")
    assert server["milliseconds"] == pytest.approx(note.timing.duration / 1e6)
    assert (child["parent_span_id"], child["name"]) == (note.span_id, "save the note")
    assert (child["is_exchange"], child["method"]) == (0, "")
    assert database.answer("trace", trace_id="0" * 32) == []


def test_errors_by_route(database: Database, stored: list[Exchange]) -> None:
    """Requests and failures are what the weights add up to, also where most exchanges were left out."""
    requests: defaultdict[tuple[str, str], float] = defaultdict(float)
    failures: defaultdict[tuple[str, str], float] = defaultdict(float)
    for each in stored:
        requests[each.request.method, each.route or ""] += each.weight
        failures[each.request.method, each.route or ""] += each.weight * failed(each)

    rows = database.answer("errors_by_route", **window(stored))

    assert {(row["method"], row["route"]): (row["requests"], row["failed"]) for row in rows} == {
        name: (count, failures[name]) for name, count in requests.items()
    }
    for row in rows:
        assert row["error_rate"] == pytest.approx(row["failed"] / row["requests"])
    assert rows[0]["route"] == "/orders/{number}"


def test_latency_by_route(database: Database, stored: list[Exchange]) -> None:
    """Percentiles are those of all requests, not of those that were kept."""
    by_route: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for each in stored:
        by_route[each.route or ""].append((each.timing.duration / 1e6, each.weight))

    rows = {row["route"]: row for row in database.answer("latency_by_route", **window(stored))}

    assert rows.keys() == by_route.keys()
    for route, times in by_route.items():
        for level, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
            # The digest interpolates: it may be off by a tenth of the requests.
            least, most = quantile(times, level - 0.1), quantile(times, level + 0.1)
            assert least * 0.99 <= rows[route][name] <= most * 1.01, (route, name)
    orders = by_route["/orders/{number}"]
    kept_alone = quantile([(time, 1.0) for time, _ in orders], 0.5)
    assert rows["/orders/{number}"]["p50"] < 20 <= kept_alone


def quantile(times: Sequence[tuple[float, float]], level: float) -> float:
    """The time within which so many of the requests ended."""
    reached, wanted = 0.0, level * sum(weight for _, weight in times)
    for time, weight in sorted(times):
        reached += weight
        if reached >= wanted:
            return time
    return max(times)[0]


def test_over_time(database: Database, stored: list[Exchange]) -> None:
    """The intervals hold every request once, failures and refusals apart."""
    everything = {name: value for name, value in window(stored).items() if name != "size"}

    rows = database.answer("over_time", seconds=1, **everything)

    assert [row["time"] for row in rows] == sorted({row["time"] for row in rows})
    assert sum(row["requests"] for row in rows) == sum(each.weight for each in stored)
    assert sum(row["failed"] for row in rows) == sum(each.weight for each in stored if failed(each))
    assert sum(row["refused"] for row in rows) == 1


def test_top_users(database: Database, stored: list[Exchange]) -> None:
    """Those who ask most come first, with what they sent and got."""
    rows = database.answer("top_users", **window(stored))

    known = [each for each in stored if each.identity.user]
    assert {row["user"]: row["requests"] for row in rows} == Counter(each.identity.user for each in known)
    for row in rows:
        theirs = [each for each in known if each.identity.user == row["user"]]
        assert row["bytes"] == sum(each.request.body.size + each.response.body.size for each in theirs)
        assert (row["company"], row["failed"]) == ("acme", 0)
        assert row["last_seen"] == moment(theirs[0].timing.start)


@pytest.mark.parametrize("text", ["river", "ÜBER", '\\"no\\" & <left>', "warehouse", "no such text"])
def test_search(text: str, database: Database, stored: list[Exchange]) -> None:
    """A text is found in any body, whatever its case and signs."""
    rows = database.answer("search", text=text, **window(stored))

    def has(body: str | bytes | None) -> bool:
        return isinstance(body, str) and text.lower() in body.lower()

    assert [(row["span_id"], row["in_request"] == 1, row["in_response"] == 1) for row in rows] == [
        (each.span_id, has(each.request.body.content), has(each.response.body.content))
        for each in stored
        if has(each.request.body.content) or has(each.response.body.content)
    ]
    assert bool(rows) is (text != "no such text")


def test_every_query_has_a_test() -> None:
    """A query nobody verifies is not in the file."""
    asked = set(re.findall(r'answer\(\s*"(\w+)"', Path(__file__).read_text()))

    assert asked == set(queries())
