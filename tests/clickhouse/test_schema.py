"""What the tables of `deploy/clickhouse/schema.sql` keep, and for how long."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind

from clickhouse.database import DEPLOY, Database
from clickhouse.expected import as_row
from clickhouse.exporter import Row, moment, rows_of
from exchanges import exchange
from spantap.codec.attributes import encode
from spantap.model import Body, Error, Exchange, Headers, Identity, Peer, Request, Response, Timing
from spantap.otel.protobuf import encode_spans

pytest.importorskip("chdb", reason="needs chdb, which is large: make clickhouse")

SCHEMA = (DEPLOY / "schema.sql").read_text()
DAY = 86_400 * 10**9
RESOURCE = Resource({"service.name": "shop", "deployment.environment.name": "test"})


def row_of(each: Exchange) -> Row:
    """What the exporter inserts for an exchange."""
    span = ReadableSpan(
        f"{each.request.method} {each.route}",
        context=SpanContext(int(each.trace_id, 16), int(each.span_id, 16), is_remote=False),
        resource=RESOURCE,
        attributes=encode(each),
        kind=SpanKind.CLIENT if each.direction == "outbound" else SpanKind.SERVER,
        start_time=each.timing.start,
        end_time=each.timing.end,
    )
    (row,) = rows_of(ExportTraceServiceRequest.FromString(encode_spans([span])))
    return row


def ago(days: float, span_id: int) -> Exchange:
    """An exchange of some time ago."""
    start = time.time_ns() - int(days * DAY)
    return exchange(timing=Timing(start, None, start + 5), span_id=f"{span_id:016x}")


def full() -> Exchange:
    """An exchange with a value for everything a collector gets."""
    start = time.time_ns()
    return exchange(
        direction="outbound",
        timing=Timing(start, start + 10, start + 20),
        client=Peer("10.0.0.9", 4711),
        server=Peer("pay.example", 443),
        route="/pay/{id}",
        endpoint="pay.charge",
        identity=Identity("u-1", "8f3a", "ada@example.org", "acme", "s-1", "phone"),
        error=Error("TimeoutError", "no answer from the bank"),
        incomplete="timeout",
        metadata={"order": 7, "tags": ["a", "b"]},
        metrics={"total": 12.5, "items": 3.0},
        redactions={"card": 2, "key": 1},
        weight=1 / 0.03,
        capture_reason="rate",
        request=Request(
            method="PURGE",
            scheme="https",
            path="/pay/7",
            query="a=%C3%BC&b=[REDACTED]",
            resends=2,
            headers=Headers([("accept", "a/b"), ("x-tag", 'one "two"'), ("x-tag", "<three> & ü\\")]),
            body=Body(content='{"café":"☕ \\u0000 <&>"}\n', size=70000, truncated=True),
        ),
        response=Response(status=None, body=Body(size=9, withheld="binary")),
    )


@pytest.mark.parametrize("kind", ["ours", "the exporter's own table", "nothing kept of spans"])
def test_every_field(kind: str, tmp_path: Path) -> None:
    """An exchange has every fact of its span in its columns, whoever made the table of spans."""
    schema = SCHEMA
    if kind == "nothing kept of spans":
        spans = re.compile(r",\n    INDEX idx_trace_id.*?ENGINE = MergeTree\n.*?;", re.DOTALL)
        schema = spans.sub("\n)\nENGINE = Null;", SCHEMA, count=1)
    elif kind == "the exporter's own table":
        schema = EXPORTERS + SCHEMA
    wanted = full()
    with Database(tmp_path, schema) as database:
        database.insert([row_of(wanted)])

        rows = database.answer(
            "exchange", start=moment(wanted.timing.start), trace_id=wanted.trace_id, span_id=wanted.span_id
        )
        kept = database.ask("SELECT count() AS n FROM otel_traces")[0]["n"]

    assert rows == [as_row(wanted)]
    assert int(kept) == (0 if kind == "nothing kept of spans" else 1)


# As a release of the exporter before text indexes makes it, in short.
EXPORTERS = """
CREATE TABLE otel_traces (
    Timestamp DateTime64(9), TraceId String, SpanId String, ParentSpanId String, TraceState String,
    SpanName LowCardinality(String), SpanKind LowCardinality(String), ServiceName LowCardinality(String),
    ResourceAttributes Map(LowCardinality(String), String), ScopeName String, ScopeVersion String,
    SpanAttributes Map(LowCardinality(String), String), Duration UInt64,
    StatusCode LowCardinality(String), StatusMessage String,
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String),
                   Attributes Map(LowCardinality(String), String)),
    Links Nested (TraceId String, SpanId String, TraceState String,
                  Attributes Map(LowCardinality(String), String)),
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (ServiceName, SpanName, toDateTime(Timestamp));
"""


def test_spans_that_are_no_exchanges(tmp_path: Path) -> None:
    """They are kept as spans, and nowhere else."""
    plain = {**row_of(full()), "SpanAttributes": {"http.request.method": "GET"}}
    with Database(tmp_path) as database:
        database.insert([plain])

        counts = {
            table: int(database.ask(f"SELECT count() AS n FROM {table}")[0]["n"])
            for table in ("otel_traces", "exchanges", "exchange_contents", "otel_traces_trace_id_ts")
        }

    assert counts == {"otel_traces": 1, "exchanges": 0, "exchange_contents": 0, "otel_traces_trace_id_ts": 1}


def test_how_long_it_is_kept(tmp_path: Path) -> None:
    """Spans go after three days, headers and bodies after seven, the facts of an exchange after thirty."""
    days = {1: 2, 2: 5, 3: 20, 4: 40}  # span id: age
    with Database(tmp_path) as database:
        for span_id, age in days.items():
            database.insert([row_of(ago(age, span_id))])
        left = {}
        for table, column in (
            ("otel_traces", "SpanId"),
            ("exchange_contents", "span_id"),
            ("exchanges", "span_id"),
        ):
            database.run(f"OPTIMIZE TABLE {table} FINAL")
            left[table] = {int(row["id"], 16) for row in database.ask(f"SELECT {column} AS id FROM {table}")}

    assert left == {"otel_traces": {1}, "exchange_contents": {1, 2}, "exchanges": {1, 2, 3}}


def test_what_comes_twice_is_one_row_in_the_end(tmp_path: Path) -> None:
    """An exchange delivered again leaves no second row after a merge."""
    first = full()
    another = replace(first, span_id="00000000000000aa")
    with Database(tmp_path) as database:
        database.insert([row_of(first)])
        database.insert([row_of(first), row_of(another)])
        for table in ("exchanges", "exchange_contents"):
            database.run(f"OPTIMIZE TABLE {table} FINAL")
            assert int(database.ask(f"SELECT count() AS n FROM {table}")[0]["n"]) == 2
