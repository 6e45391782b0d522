"""Writes a hundred exchanges to a store: python -m store_writer KIND[:ROWS] PATH NUMBER [START].

A file of lines is set aside after so many ROWS.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from exchanges import START, exchange
from spantap.export.csv import CSVSink
from spantap.export.jsonl import JSONLSink
from spantap.export.lines import LinesSink
from spantap.export.outcome import TryLaterError
from spantap.export.retention import Rotation
from spantap.export.sql import SQLSink
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange, Timing

KINDS: Final[Mapping[str, Callable[[str | Path], SQLiteSink | LinesSink | SQLSink]]] = {
    "sqlite": SQLiteSink,
    "jsonl": JSONLSink,
    "csv": CSVSink,
    "sql": lambda url: SQLSink(str(url)),
}


def numbered(number: int, worker: int = 0) -> Exchange:
    """An exchange that differs from all others."""
    return exchange(
        span_id=f"{worker:08x}{number + 1:08x}",
        timing=Timing(START + number, None, START + number + 5 + worker),
    )


def write_many(kind: str, path: str, worker: int) -> None:
    """Twenty batches of five."""
    kind, _, rows = kind.partition(":")
    sink = KINDS[kind](path)
    if rows and isinstance(sink, LinesSink):
        sink = type(sink)(path, rotation=Rotation(max_rows=int(rows)))
    for batch in range(20):
        written = [numbered(batch * 5 + each, worker) for each in range(5)]
        for _ in range(100):  # as a queue does it
            with contextlib.suppress(TryLaterError):
                sink.write(written)
                break
    sink.close()


if __name__ == "__main__":
    start = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    while time.time() < start:  # not asleep: all processes are to begin within microseconds
        pass
    write_many(sys.argv[1], sys.argv[2], int(sys.argv[3]))
