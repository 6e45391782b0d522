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
        variants(database, arguments.rows)
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
    """Print what each query reads of all there is, and the best of four times it takes."""
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
    print("\n| query | rows | rows read | MB read | ms |\n|---|---|---|---|---|")
    for title, (name, parameters) in asked.items():
        taken = []
        for _ in range(4):
            start = time.perf_counter()
            rows = database.answer(name, **parameters)
            taken.append((time.perf_counter() - start) * 1000)
            if len(taken) == 1:  # afterwards it remembers what it need not read
                read, volume = database.read
        print(f"| {title} | {len(rows)} | {read:,} | {volume / 1e6:.1f} | {min(taken):.0f} |")


VARIANTS = {
    "as it is": "(start, trace_id, span_id)",
    "by route within five minutes": "(toStartOfFiveMinutes(start), service, route, start)",
    "with an index of words": "(start, trace_id, span_id)",
}
WORDS = "TYPE text(tokenizer = 'splitByNonAlpha', preprocessor = lower({0}))"


def variants(database: Database, count: int) -> None:
    """Print what `exchange_contents` would be in another order, and with an index of the words in bodies."""
    print("\n| contents | bytes an exchange | CPU us to copy one | no such word, ms |\n|---|---|---|---|")
    for title, order in VARIANTS.items():
        database.run(
            "CREATE TABLE variant AS exchange_contents"
            f" ENGINE = MergeTree PRIMARY KEY {order} ORDER BY {order} SETTINGS index_granularity = 1024"
        )
        for column in ("request_body", "response_body") if "words" in title else ():
            database.run(f"ALTER TABLE variant ADD INDEX of_{column} {column} {WORDS.format(column)}")
        start = time.process_time()
        database.run("INSERT INTO variant SELECT * FROM exchange_contents")
        database.run("OPTIMIZE TABLE variant FINAL")
        spent = time.process_time() - start
        (size,) = database.ask(
            "SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND table = 'variant'"
        )
        found = "hasAllTokens(response_body, 'xyzzyplugh')"
        if "words" not in title:
            found = "positionCaseInsensitiveUTF8(response_body, 'xyzzyplugh') > 0"
        start = time.perf_counter()
        database.ask(f"SELECT span_id FROM variant WHERE {found}")
        waited = (time.perf_counter() - start) * 1000
        print(f"| {title} | {int(size['bytes']) / count:,.0f} | {spent / count * 1e6:.0f} | {waited:.0f} |")
        database.run("DROP TABLE variant SYNC")


if __name__ == "__main__":
    main()
