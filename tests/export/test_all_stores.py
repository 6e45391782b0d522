"""Every store behind a real server: all the exchanges, whatever happens to the stores."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from waitress.server import create_server

import spantap
from services.servers import Server
from spantap.export.csv import CSVSink
from spantap.export.jsonl import JSONLSink
from spantap.export.retention import Retention, Rotation
from spantap.export.sql import SQLSink
from spantap.export.sqlite import SQLiteSink
from store_writer import numbered

PROVIDER: Any = TracerProvider(shutdown_on_exit=False)


def app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


@contextmanager
def serving(**settings: Any) -> Iterator[tuple[int, spantap.Handle]]:
    """The app behind waitress, captured; its port."""
    handle = spantap.configure(tracer_provider=PROVIDER, **settings)
    server: Any = create_server(spantap.instrument_app(app), host="127.0.0.1", port=0, threads=8)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.effective_port, handle
    finally:
        server.close()
        thread.join(30)
        handle.shutdown(1)


def ask(port: int, name: str, count: int) -> list[int]:
    """So many requests over one connection; the statuses of those answered as they should be."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    statuses = []
    for number in range(count):
        connection.request("GET", f"/{name}/{number}")
        response = connection.getresponse()
        if response.read() == b"hello":
            statuses.append(response.status)
    connection.close()
    return statuses


def ask_at_once(port: int, count: int, meanwhile: Callable[[], None] = lambda: None) -> list[int]:
    """Eight threads, so many requests each."""
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda name=f"t{each}": statuses.extend(ask(port, name, count)))
        for each in range(8)
    ]
    for each in threads:
        each.start()
    meanwhile()
    for each in threads:
        each.join(300)
    return statuses


def stored(sink: Any) -> list[str]:
    """The paths in a store, sorted."""
    return sorted(each.request.path for each in sink.read(None))


def asked(count: int) -> list[str]:
    return sorted(f"/t{thread}/{number}" for thread in range(8) for number in range(count))


def flushed(handle: spantap.Handle) -> None:
    """Everything is delivered, and the counts say so."""
    assert handle.flush(120)
    for name, each in handle.stats().destinations.items():
        assert each.captured == each.exported, (name, each)


def four_thousand(sinks: list[Any]) -> None:
    """Eight threads, 500 requests each: every exchange is in each of the stores, once."""
    with serving(destinations=sinks) as (port, handle):
        statuses = ask_at_once(port, 500)
        flushed(handle)

    assert statuses == [200] * 4000
    for sink in sinks:
        assert stored(sink) == asked(500), sink.target
        sink.close()


def test_four_thousand_requests_in_files(tmp_path: Path) -> None:
    """Every kind of file has them all."""
    rotation = Rotation(max_rows=300)
    files = [
        JSONLSink(tmp_path / "t.jsonl", rotation=rotation),
        CSVSink(tmp_path / "t.csv", rotation=rotation),
    ]
    four_thousand([SQLiteSink(tmp_path / "t.db"), *files, SQLSink(f"sqlite:///{tmp_path / 'flat.db'}")])


@pytest.mark.matrix
def test_four_thousand_requests_in_databases(postgresql: str, mariadb: str) -> None:
    """So have the databases."""
    four_thousand([SQLSink(postgresql), SQLSink(mariadb)])


def test_what_a_store_does_is_not_traced(tmp_path: Path) -> None:
    """OpenTelemetry's instrumentation of SQLAlchemy sees the app's statements, and none of ours."""
    spans = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'app.db'}")
    sink = SQLSink(engine=engine, retention=Retention(max_rows=3))
    sink.write([numbered(each) for each in range(9)])
    instrumentor: Any = SQLAlchemyInstrumentor()
    # It says that it knows 2.0 only; the events it listens to are the same.
    instrumentor.instrument(engine=engine, tracer_provider=provider, skip_dep_check=True)
    try:
        with serving(destinations=[sink]) as (port, handle):
            ask(port, "t0", 9)
            flushed(handle)
            assert handle.stats().destinations["sql"].expired >= 6
        assert spans.get_finished_spans() == ()
        assert sink.read()
        assert spans.get_finished_spans()
    finally:
        instrumentor.uninstrument()
        engine.dispose()


@pytest.mark.parametrize("kind", ["postgresql", pytest.param("mariadb", marks=pytest.mark.matrix)])
def test_a_database_restarted_in_the_middle(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Requests are unharmed, the other store is not held up, and every exchange arrives, once."""
    server: Server = request.getfixturevalue(f"own_{kind}")
    sink, beside = SQLSink(server.url), SQLiteSink(tmp_path / "t.db")

    def restart() -> None:
        deadline = time.monotonic() + 60
        while not handle.stats().destinations["sql"].exported and time.monotonic() < deadline:
            time.sleep(0.01)
        server.stop()
        while handle.stats().destinations["sql"].failing is None and time.monotonic() < deadline:
            time.sleep(0.01)
        server.start()

    with serving(destinations=[sink, beside]) as (port, handle):
        ask(port, "t0", 1)
        statuses = ask_at_once(port, 150, restart)
        flushed(handle)

    assert statuses == [200] * 1200
    assert stored(sink) == stored(beside) == sorted([*asked(150), "/t0/0"])
    sink.close()


def test_a_directory_that_nobody_may_write_to(tmp_path: Path) -> None:
    """What waits is counted, not lost; when the directory can be written it arrives."""
    folder = tmp_path / "stores"
    folder.mkdir()
    sinks: list[Any] = [
        SQLiteSink(folder / "t.db"),
        JSONLSink(folder / "t.jsonl"),
        CSVSink(folder / "t.csv"),
        SQLSink(f"sqlite:///{folder / 'flat.db'}"),
    ]
    folder.rename(tmp_path / "away")  # for root, to whom no directory is read-only
    if os.geteuid():
        (tmp_path / "away").rename(folder)
        folder.chmod(0o500)
    with serving(destinations=sinks) as (port, handle):
        assert ask(port, "t0", 20) == [200] * 20
        assert not handle.flush(0.5)
        waiting = handle.stats().destinations
        assert {name: (each.exported, each.queued) for name, each in waiting.items()} == {
            sink.name: (0, 20) for sink in sinks
        }
        assert all(each.failing for each in waiting.values())
        if os.geteuid():
            folder.chmod(0o700)
        else:
            (tmp_path / "away").rename(folder)
        flushed(handle)

    for sink in sinks:
        assert len(sink.read()) == 20
        sink.close()
