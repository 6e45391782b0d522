"""What ClickHouse makes of exchanges: bytes on disk by table and column, inserts, and every query's time.

    PYTHONPATH=tests .venv/bin/python benchmarks/clickhouse_sizes.py [--rows 50000] [--preset default]

Needs chdb, ClickHouse in a wheel (`make clickhouse` installs it). The varied traffic of `varied.py` goes
through a real app; what arrives over OTLP is inserted as the Collector's exporter does, 5000 rows at a time,
into the tables of `deploy/clickhouse/schema.sql`. Sizes are after merging everything to one part.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sizes import captured

from clickhouse.database import Database
from clickhouse.exporter import Row, rows_of

BATCH = 5000
TABLES = ("otel_traces", "exchanges", "exchange_contents", "otel_traces_trace_id_ts")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--preset", default="default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, Database(Path(scratch) / "ch") as database:
        sent, spent = filled(database, arguments.rows, arguments.preset)
        (version,) = database.ask("SELECT version() AS version")
        print(
            f"ClickHouse {version['version']}, {arguments.rows} exchanges, preset {arguments.preset}, ",
            end="",
        )
        print(f"{sent / arguments.rows:,.0f} bytes of OTLP each\n")
        print(
            f"inserted, a second of CPU, JSON parsed: {arguments.rows / spent:,.0f} rows with the views, ",
            end="",
        )
        print(f"{arguments.rows / plainly(database, arguments.rows):,.0f} into otel_traces alone\n")
        for table in TABLES:
            database.run(f"OPTIMIZE TABLE {table} FINAL")
        sizes(database, arguments.rows)
        times(database)
    print(f"\nlargest resident memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def filled(database: Database, count: int, preset: str) -> tuple[int, float]:
    """Insert so many exchanges; their bytes of OTLP, and the seconds of CPU the inserts took."""
    sent, spent = 0, 0.0
    rows: list[Row] = []
    for chunk in captured(count, preset=preset):
        sent += sum(map(len, chunk))
        for body in chunk:
            rows += rows_of(ExportTraceServiceRequest.FromString(body))
        while len(rows) >= BATCH:
            spent += inserted(database, rows[:BATCH])
            del rows[:BATCH]
    if rows:
        spent += inserted(database, rows)
    return sent, spent


def inserted(database: Database, rows: list[Row]) -> float:
    """Insert a batch; the seconds of CPU it took, of all of ClickHouse's threads."""
    statement = database.inserting(rows)
    start = time.process_time()
    database.run(statement)
    return time.process_time() - start


def plainly(database: Database, count: int) -> float:
    """The seconds of CPU so many rows take where nobody looks at them, by those of ten batches."""
    database.run("CREATE TABLE plain AS otel_traces")
    spent, done = 0.0, 0
    for number in range(min(10, count // BATCH)):
        rows = database.ask(
            f"SELECT * FROM otel_traces ORDER BY TraceId LIMIT {BATCH} OFFSET {number * BATCH}"
        )
        statement = database.inserting(rows, "plain")
        start = time.process_time()
        database.run(statement)
        spent, done = spent + time.process_time() - start, done + len(rows)
    database.run("DROP TABLE plain SYNC")
    return spent * count / done


def sizes(database: Database, count: int) -> None:
    """Print bytes an exchange by table, and the columns that have most of them."""
    print("| table | bytes an exchange | of these indexes | uncompressed |\n|---|---|---|---|")
    for row in database.ask(
        "SELECT table, sum(bytes_on_disk) AS bytes, sum(data_uncompressed_bytes) AS raw,"
        " sum(secondary_indices_compressed_bytes + primary_key_size) AS indexes FROM system.parts"
        " WHERE active AND database = 'otel' GROUP BY table ORDER BY bytes DESC"
    ):
        numbers = (int(row[name]) / count for name in ("bytes", "indexes", "raw"))
        print(f"| {row['table']} | " + " | ".join(f"{number:,.0f}" for number in numbers) + " |")
    print("\n| column | bytes an exchange | uncompressed |\n|---|---|---|")
    for row in database.ask(
        "SELECT table || '.' || column AS name, sum(column_data_compressed_bytes) AS bytes,"
        " sum(column_data_uncompressed_bytes) AS raw FROM system.parts_columns"
        " WHERE active AND database = 'otel' GROUP BY name ORDER BY bytes DESC LIMIT 16"
    ):
        print(f"| {row['name']} | {int(row['bytes']) / count:,.1f} | {int(row['raw']) / count:,.1f} |")


def times(database: Database) -> None:
    """Print how long each query takes over all there is: the first time, and the best of three after it."""
    ((first, last),) = [
        (row["first"], row["last"])
        for row in database.ask("SELECT min(start) AS first, max(start) + 1 AS last FROM exchanges")
    ]
    one = database.ask("SELECT start, trace_id, span_id FROM exchanges ORDER BY start LIMIT 1 OFFSET 1000")[0]
    (word,) = database.ask(
        "SELECT arrayElement(splitByNonAlpha(response_body), 12) AS word FROM exchange_contents"
        " WHERE length(response_body) > 500 LIMIT 1"
    )
    span = {"since": first, "until": last, "service": "", "size": 50}
    anything = {
        "method": "",
        "route": "",
        "path": "",
        "user": "",
        "status_from": 0,
        "status_to": 999,
        "slower": 0,
    }
    asked: dict[str, tuple[str, dict[str, object]]] = {
        "newest": ("newest", {**span, **anything}),
        "newest of a user": ("newest", {**span, **anything, "user": "u-1234"}),
        "newest that failed": ("newest", {**span, **anything, "status_from": 500}),
        "exchange": ("exchange", dict(one)),
        "trace": ("trace", {"trace_id": one["trace_id"]}),
        "errors_by_route": ("errors_by_route", span),
        "latency_by_route": ("latency_by_route", span),
        "over_time": ("over_time", {"since": first, "until": last, "service": "", "seconds": 10}),
        "top_users": ("top_users", span),
        "search, a word": ("search", {**span, "text": word["word"]}),
        "search, not there": ("search", {**span, "text": "xyzzy plugh"}),
    }
    print("\n| query | rows | first, ms | best, ms |\n|---|---|---|---|")
    for title, (name, parameters) in asked.items():
        taken = []
        for _ in range(4):
            start = time.perf_counter()
            rows = database.answer(name, **parameters)
            taken.append((time.perf_counter() - start) * 1000)
        print(f"| {title} | {len(rows)} | {taken[0]:.0f} | {min(taken[1:]):.0f} |")


if __name__ == "__main__":
    main()
