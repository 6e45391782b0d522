"""How many bytes an exchange has, in every form it takes, and how long it takes to write it so.

    PYTHONPATH=tests .venv/bin/python benchmarks/sizes.py [--requests 5000] [--preset default]

Varied traffic (`varied.py`) goes through a real app. What reaches an OTLP receiver, a SQLite store, a file
of JSON lines and the spool is measured as it is there. Times are of this process's CPU, the median of
seven rounds: trust their ratios.
"""

from __future__ import annotations

import argparse
import gzip
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import varied
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from receivers.otlp_http import OTLPReceiver
from spantap.codec.attributes import encode
from spantap.codec.jsonl import to_line
from spantap.codec.record import to_record
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange
from spantap.otel.protobuf import encode_spans

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SAMPLE = 1000  # exchanges that times are measured with


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--preset", default="default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        batches = [
            batch
            for chunk in captured(
                arguments.requests,
                preset=arguments.preset,
                sqlite_path=str(folder / "store.db"),
                jsonl_path=str(folder / "store.jsonl"),
            )
            for batch in chunk
        ]
        some = min(arguments.requests, 2000)
        with multiprocessing.get_context("spawn").Pool(1) as another:  # a process has one capture
            spooled = another.apply(spool_bytes, (folder / "spool", some, arguments.preset))
        exchanges = SQLiteSink(folder / "store.db").read(None)
        count = len(exchanges)
        stored = {
            "JSON lines": (folder / "store.jsonl").stat().st_size / count,
            "SQLite file": sum(each.stat().st_size for each in folder.glob("store.db*")) / count,
            f"spool, {some} of them": spooled,
        }
    print(f"{count} exchanges in {len(batches)} OTLP requests, preset {arguments.preset}\n")
    sizes(exchanges, batches, stored)
    times(exchanges[:SAMPLE])


def captured(count: int, chunk: int = 500, **settings: Any) -> Iterator[list[bytes]]:
    """Send the varied traffic; the OTLP requests that arrived, after each so many exchanges.

    Raises:
        AssertionError: something was lost.
    """
    import spantap

    with OTLPReceiver() as receiver:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.url
        os.environ["OTEL_SERVICE_NAME"] = "shop-api"
        handle = spantap.configure(**settings)
        send = varied.sender(spantap.instrument_app(varied.app()))
        for number, request in enumerate(varied.traffic(count), 1):
            send(request)
            if number % chunk == 0 or number == count:
                handle.flush(60)
                yield receiver.take()
        for name, destination in handle.stats().destinations.items():
            assert destination.exported == count, (name, destination)
        handle.shutdown()


def spool_bytes(folder: Path, count: int, preset: str) -> float:
    """Bytes on disk for each exchange that a collector does not take."""
    import spantap

    with OTLPReceiver() as receiver:
        receiver.status = 503
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.url
        handle = spantap.configure(preset=preset, spool_dir=str(folder))
        send = varied.sender(spantap.instrument_app(varied.app()))
        for request in varied.traffic(count):
            send(request)
        handle.flush(2)
        handle.shutdown(2)
        stats = handle.stats()
        assert stats.destinations["otlp"].spooled == count, stats
        files = [each for each in folder.rglob("*") if each.is_file()]
        return sum(each.stat().st_size for each in files) / count


def sizes(exchanges: Sequence[Exchange], batches: Sequence[bytes], stored: dict[str, float]) -> None:
    """Print the table of bytes."""
    count = len(exchanges)
    singles = sorted(len(encode_spans([as_span(each)])) for each in exchanges)
    bodies = [len(half.body.content or "") for each in exchanges for half in (each.request, each.response)]
    headers = [
        len(name) + len(value)
        for each in exchanges
        for half in (each.request, each.response)
        for name, values in half.headers.items()
        for value in values
    ]
    rows = {
        "bodies as kept (text)": sum(bodies) / count,
        "headers as kept (names and values)": sum(headers) / count,
        "OTLP protobuf, in batches as sent": sum(map(len, batches)) / count,
        "... gzip": sum(len(gzip.compress(each)) for each in batches) / count,
        "... zstd": sum(len(zstd.compress(each)) for each in batches) / count,
        "OTLP protobuf, one exchange a request: median": singles[count // 2],
        "... 99 of 100 are smaller than": singles[count * 99 // 100],
        "... the largest": singles[-1],
        **stored,
    }
    print("| bytes of an exchange | |\n|---|---|")
    for name, number in rows.items():
        print(f"| {name} | {number:,.0f} |")


def times(exchanges: Sequence[Exchange]) -> None:
    """Print the table of microseconds."""
    spans = [as_span(each) for each in exchanges]
    batch = encode_spans(spans)
    steps: dict[str, Callable[[], object]] = {
        "attributes of the span": lambda: [encode(each) for each in exchanges],
        "OTLP protobuf of these": lambda: encode_spans(spans),
        "gzip of that": lambda: gzip.compress(batch),
        "zstd of that": lambda: zstd.compress(batch),
        "a JSON line": lambda: [to_line(each) for each in exchanges],
        "the record of a row": lambda: [orjson.dumps(to_record(each)) for each in exchanges],
    }
    print("\n| microseconds an exchange | |\n|---|---|")
    for name, step in steps.items():
        print(f"| {name} | {_microseconds(step) / len(exchanges):.1f} |")


def as_span(exchange: Exchange) -> ReadableSpan:
    """The span that carries an exchange, as a collector gets it."""
    return ReadableSpan(
        f"{exchange.request.method} {exchange.route}",
        context=SpanContext(
            int(exchange.trace_id, 16), int(exchange.span_id, 16), is_remote=False, trace_flags=TraceFlags(1)
        ),
        resource=_RESOURCE,
        attributes=encode(exchange),
        kind=SpanKind.SERVER,
        start_time=exchange.timing.start,
        end_time=exchange.timing.end,
    )


_RESOURCE = Resource({"service.name": "shop-api", "telemetry.sdk.language": "python"})


def _microseconds(step: Callable[[], object]) -> float:
    rounds = []
    for _ in range(7):
        start = time.process_time()
        step()
        rounds.append(time.process_time() - start)
    return statistics.median(rounds) * 1e6


if __name__ == "__main__":
    main()
