"""Writes a hundred exchanges to a store: python -m store_writer KIND PATH NUMBER [START]."""

from __future__ import annotations

import sys
import time

from exchanges import START, exchange
from spantap.export.jsonl import JSONLSink
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange, Timing


def numbered(number: int, worker: int = 0) -> Exchange:
    """An exchange that differs from all others."""
    return exchange(
        span_id=f"{worker:08x}{number + 1:08x}",
        timing=Timing(START + number, None, START + number + 5 + worker),
    )


def write_many(kind: str, path: str, worker: int) -> None:
    """Twenty batches of five."""
    sink = SQLiteSink(path) if kind == "sqlite" else JSONLSink(path)
    for batch in range(20):
        sink.write([numbered(batch * 5 + each, worker) for each in range(5)])
    sink.close()


if __name__ == "__main__":
    start = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    while time.time() < start:  # not asleep: all processes are to begin within microseconds
        pass
    write_many(sys.argv[1], sys.argv[2], int(sys.argv[3]))
