"""The settings of stores, seen in what is stored."""

from __future__ import annotations

import csv
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.util._importlib_metadata import entry_points

import spantap
from asgi_client import call, responding, scope
from exchanges import exchange
from spantap.codec.attributes import encode
from spantap.export.archives import archives
from spantap.export.csv import CSVSink
from spantap.export.http import HTTPSink
from spantap.export.jsonl import JSONLSink
from spantap.export.sink import Sink
from spantap.export.sqlite import SQLiteSink
from spantap.model import ConfigurationError, Exchange, Timing
from spantap.settings import read
from store_writer import numbered

PROVIDER: Any = TracerProvider(shutdown_on_exit=False)


def captured(*paths: str, **settings: Any) -> spantap.Stats:
    """Capture requests, deliver them, and stop."""
    handle = spantap.configure(tracer_provider=PROVIDER, **settings)
    try:
        app = spantap.instrument_app(responding(b"{}"))
        for path in paths:
            call(app, scope("GET", path))
        assert handle.flush(30)
        return handle.stats()
    finally:
        handle.shutdown(1)


def recent(number: int) -> Exchange:
    start = time.time_ns() - 10**9 + number
    return exchange(span_id=f"{number + 1:016x}", timing=Timing(start, None, start + 1))


@pytest.mark.setting("csv_path", "sql_url")
def test_csv_and_sql_beside_each_other(tmp_path: Path) -> None:
    """Both hold every exchange."""
    url = f"sqlite:///{tmp_path / 'flat.db'}"
    captured("/a", "/b", csv_path=tmp_path / "t.csv", sql_url=url)

    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with closing(sqlite3.connect(tmp_path / "flat.db")) as connection:
        stored = connection.execute(
            "SELECT method, path, query, CAST(status AS TEXT) FROM spantap_exchanges ORDER BY start_ns"
        ).fetchall()
    assert [(each["method"], each["path"], each["query"], each["status"]) for each in rows] == [
        ("GET", "/a", "", "200"),
        ("GET", "/b", "", "200"),
    ]
    assert stored == [("GET", "/a", None, "200"), ("GET", "/b", None, "200")]


@pytest.mark.setting("store_max_age")
def test_what_is_too_old_goes(tmp_path: Path) -> None:
    """From every store, with the first batch of a process, and it is counted."""
    stores: list[Any] = [SQLiteSink(tmp_path / "t.db"), JSONLSink(tmp_path / "t.jsonl")]
    for each in stores:
        each.write([numbered(1), numbered(2)])
        each.close()

    stats = captured(
        "/new", store_max_age="12h", sqlite_path=tmp_path / "t.db", jsonl_path=tmp_path / "t.jsonl"
    )

    assert [[each.request.path for each in store.read()] for store in stores] == [["/new"], ["/new"]]
    assert {name: each.expired for name, each in stats.destinations.items()} == {"sqlite": 2, "jsonl": 2}


@pytest.mark.setting("store_max_rows")
def test_no_more_rows(tmp_path: Path) -> None:
    """The newest stay."""
    store = SQLiteSink(tmp_path / "t.db")
    store.write([recent(each) for each in range(10)])
    store.close()

    stats = captured("/new", store_max_rows=4, sqlite_path=tmp_path / "t.db")

    assert store.count() == 4
    assert store.read()[0].request.path == "/new"
    assert stats.destinations["sqlite"].expired == 7


@pytest.mark.setting("store_max_bytes", "rotate_max_bytes", "rotate_max_age")
def test_files_are_set_aside_and_deleted(tmp_path: Path) -> None:
    """By size and by age; all of them together stay within what is allowed."""
    aside = JSONLSink(tmp_path / "aside.jsonl")
    aside.write([numbered(each) for each in range(3)])
    aside.close()
    captured("/new", jsonl_path=aside.path, rotate_max_age="1h")
    assert len(archives(aside.path)) == 1
    assert len(aside.read()) == 4

    path = tmp_path / "t.csv"
    size = len(CSVSink(path).line(recent(1)))
    for _ in range(4):
        store = CSVSink(path)
        store.write([recent(each) for each in range(5)])
        store.close()
        captured("/new", csv_path=path, rotate_max_bytes=size * 3, store_max_bytes=size * 12)
        assert sum(each.stat().st_size for each in [path, *archives(path)]) <= size * 12


def test_an_app_that_says_how_long_to_keep_and_has_no_store() -> None:
    """What has no effect is an error; objects bring their own terms."""
    sink: Sink = HTTPSink("http://127.0.0.1:9/")

    with pytest.raises(ConfigurationError) as wrong:
        spantap.configure(destinations=[sink], store_max_rows=9, rotate_max_age="1d")
    assert [each.setting for each in wrong.value.problems] == [
        "OTEL_PYTHON_SPANTAP_STORE_MAX_ROWS",
        "OTEL_PYTHON_SPANTAP_ROTATE_MAX_AGE",
    ]


def test_a_store_without_dates_cannot_tell_what_is_old(tmp_path: Path) -> None:
    """A retention and a policy without the date: an error; with it, the columns are those of its fields."""
    settings: dict[str, Any] = {"csv_path": tmp_path / "t.csv", "store_max_rows": 9}

    with pytest.raises(ConfigurationError, match="name the field date"):
        spantap.configure(policies="csv: fields=path,status", **settings)
    captured("/a", policies="csv: fields=path,status,date", **settings)
    head = (tmp_path / "t.csv").read_text().splitlines()[0]
    assert head == "path,status,time,trace_id,span_id,start_ns,end_ns"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"store_max_age": "soon"}, "such as 12h or 30d"),
        ({"store_max_age": "-1d"}, "such as 12h or 30d"),
        ({"store_max_age": "nan"}, "such as 12h or 30d"),
        ({"store_max_rows": "0"}, "1 or more"),
        ({"store_max_bytes": "1e9"}, "1 or more"),
        ({"store_max_bytes": 100, "rotate_max_bytes": 100}, "use less than STORE_MAX_BYTES, which is 100"),
        ({"sql_url": "postgresql+asyncpg://u:hunter2@h/d"}, "asyncio"),
        ({"sql_url": "hunter2"}, "use a URL such as"),
        ({"csv_path": "/no/such/folder/t.csv"}, "create it first"),
    ],
)
def test_mistakes(settings: dict[str, Any], says: str) -> None:
    """Each is told with its remedy, and no secret."""
    with pytest.raises(ConfigurationError, match=says) as wrong:
        read(settings, {})
    assert "hunter2" not in str(wrong.value)


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    """Neither by the settings nor by the destination's name."""
    url = "postgresql+psycopg://ada:hunter2@127.0.0.1:9/db"
    loaded = read({"sql_url": url}, {})
    handle = spantap.configure(sql_url=url, sqlite_path=tmp_path / "t.db", tracer_provider=PROVIDER)
    try:
        told = f"{loaded.settings!r}{loaded.rows()!r}{handle.stats()!r}{handle.report()!r}"
    finally:
        handle.shutdown(0)
    assert "hunter2" not in told


@pytest.mark.parametrize("name", ["spantap_csv", "spantap_jsonl", "spantap_sqlite", "spantap_sql"])
def test_somebody_elses_pipeline(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter of that name writes exchanges, on the terms of the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_PYTHON_SPANTAP_STORE_MAX_ROWS", "5")
    monkeypatch.setenv("OTEL_PYTHON_SPANTAP_SQL_URL", f"sqlite:///{tmp_path / 'flat.db'}")
    (found,) = entry_points(group="opentelemetry_traces_exporter", name=name)
    exporter = found.load()()
    made = exchange()
    context = SpanContext(int(made.trace_id, 16), int(made.span_id, 16), False, TraceFlags(1))
    span = ReadableSpan(
        name="POST",
        context=context,
        attributes=encode(made),
        start_time=made.timing.start,
        end_time=made.timing.end,
    )

    exporter.export([span])
    exporter.shutdown()

    (stored,) = exporter.sink.read()
    assert (stored.span_id, stored.request.path) == (made.span_id, "/users/7")
    assert exporter.sink.retention.max_rows == 5
    monkeypatch.setenv("OTEL_PYTHON_SPANTAP_STORE_MAX_ROWS", "many")
    with pytest.raises(ConfigurationError, match="STORE_MAX_ROWS = 'many'"):
        found.load()()
