"""Several destinations at once, one of them in trouble: nobody else waits, and the counts are exact."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import spantap
from asgi_client import call, responding, scope
from receivers.http import OK, Answer, HTTPReceiver, Request, free_port
from receivers.websocket import receiving
from spantap.export.sqlite import SQLiteSink

COUNT = 1000
WAIT = 60.0
SECONDS = float(os.environ.get("SPANTAP_OUTAGE_SECONDS", "0"))  # a destination stays away at least
NAMES = ("otlp", "http", "websocket", "sqlite")


@dataclass
class Places:
    """Four destinations, each of which can come later than the others.

    Attributes:
        come: name -> makes it come.
        ids: name -> tells the span ids it has, once for each time it got one.
        settings: where they are.
    """

    come: dict[str, Callable[[], None]]
    ids: dict[str, Callable[[], list[str]]]
    settings: dict[str, Any]

    def has_all(self, name: str) -> bool:
        deadline = time.monotonic() + WAIT
        while len(set(self.ids[name]())) < COUNT and time.monotonic() < deadline:
            time.sleep(0.02)
        return len(set(self.ids[name]())) == COUNT


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    ports = {name: free_port() for name in ("otlp", "http", "websocket")}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{ports['otlp']}")
    store = tmp_path / "store.db"
    SQLiteSink(store).write([])  # the file and its table
    with ExitStack() as running:
        blocker = running.enter_context(closing(sqlite3.connect(store, check_same_thread=False)))
        blocker.execute("BEGIN IMMEDIATE")  # nobody else writes
        there: dict[str, Any] = {}

        def http(name: str) -> None:
            there[name] = running.enter_context(HTTPReceiver(port=ports[name]))

        def websocket() -> None:
            there["websocket"] = running.enter_context(receiving(port=ports["websocket"]))

        def of_http() -> list[str]:
            batches = there["http"].taken if "http" in there else []
            return [each["span_id"] for batch in batches for each in orjson.loads(batch.body)]

        yield Places(
            come={
                "otlp": lambda: http("otlp"),
                "http": lambda: http("http"),
                "websocket": websocket,
                "sqlite": blocker.rollback,
            },
            ids={
                "otlp": lambda: _of_otlp(there["otlp"].taken if "otlp" in there else []),
                "http": of_http,
                "websocket": lambda: there["websocket"].ids if "websocket" in there else [],
                "sqlite": lambda: [each.span_id for each in SQLiteSink(store).read(COUNT * 2)],
            },
            settings={
                "http_endpoint": f"http://127.0.0.1:{ports['http']}",
                "websocket_endpoint": f"ws://127.0.0.1:{ports['websocket']}",
                "sqlite_path": store,
            },
        )


def _of_otlp(requests: list[Request]) -> list[str]:
    return [
        span.span_id.hex()
        for request in requests
        for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans
        for scope_spans in resource.scope_spans
        for span in scope_spans.spans
    ]


@pytest.mark.matrix
@pytest.mark.parametrize("late", NAMES)
def test_one_is_away(late: str, places: Places) -> None:
    """The others have 1,000 of 1,000 while it is away; once it is there it has them too, each once."""
    for name in NAMES:
        if name != late:
            places.come[name]()
    handle = spantap.configure(**places.settings)
    app = spantap.instrument_app(responding(b"{}"))
    for number in range(COUNT):
        assert call(app, scope("GET", f"/{number}"))[0]["status"] == 200

    assert all(places.has_all(name) for name in NAMES if name != late)
    while_away = handle.stats().destinations
    assert places.ids[late]() == []
    time.sleep(SECONDS)
    places.come[late]()
    assert handle.flush(WAIT)
    stats = handle.stats().destinations
    handle.shutdown(5)

    assert (while_away[late].exported, while_away[late].queued) == (0, COUNT)
    assert set(places.ids[late]()) == set(places.ids["http"]())
    for name in NAMES:
        each = stats[name]
        assert (each.captured, each.exported, each.queued, dict(each.dropped)) == (COUNT, COUNT, 0, {})
        assert len(places.ids[name]()) == COUNT


@pytest.mark.matrix
def test_a_collector_that_holds_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that takes a batch and does not answer holds no request: a thousand end meanwhile."""
    released, asked = threading.Event(), threading.Event()

    def hold(request: Request) -> Answer:
        asked.set()
        released.wait(WAIT)
        return OK

    with HTTPReceiver() as collector, HTTPReceiver() as otlp:
        collector.decide = hold
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url)
        handle = spantap.configure(http_endpoint=collector.url, http_flush_interval=0, http_timeout=WAIT)
        app = spantap.instrument_app(responding(b"{}"))
        call(app, scope("GET", "/first"))
        assert asked.wait(WAIT)
        for number in range(COUNT - 1):
            assert call(app, scope("GET", f"/{number}"))[0]["status"] == 200

        during = handle.stats().destinations["http"]
        assert (during.captured, during.queued, during.exported) == (COUNT, COUNT, 0)
        deadline = time.monotonic() + WAIT
        while len(_of_otlp(otlp.taken)) < COUNT and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(_of_otlp(otlp.taken)) == COUNT  # and no other destination waits for it
        released.set()
        assert handle.flush(WAIT)
        assert handle.stats().destinations["http"].exported == COUNT
        handle.shutdown(5)
