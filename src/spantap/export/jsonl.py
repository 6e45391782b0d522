"""Exchanges as JSON lines appended to a file; several processes may share it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from spantap.codec.jsonl import from_line, to_line
from spantap.export.lines import LinesSink
from spantap.model import Exchange

_BLOCK: Final = 1 << 20  # bytes read at a time


class JSONLSink(LinesSink):
    """Appends one line per exchange: its record (docs/record.schema.json) as JSON.

    Attributes:
        name: ``jsonl``.
    """

    name = "jsonl"

    def line(self, exchange: Exchange) -> bytes:
        """The record, and a newline."""
        return to_line(exchange)

    def begin(self, descriptor: int) -> bytes:
        """The end of the line that a process could not finish; nothing otherwise."""
        found = os.fstat(descriptor)
        torn = stat.S_ISREG(found.st_mode) and found.st_size
        return b"\n" if torn and os.pread(descriptor, 1, found.st_size - 1) != b"\n" else b""

    def backwards(self, path: Path) -> Iterator[Exchange]:
        """The exchanges of one file, the last first; what cannot be read is left out."""
        with path.open("rb") as file:
            for line in _backwards(file):
                exchange = _decoded(line)
                if exchange is not None:
                    yield exchange

    def count(self, blocks: Iterable[bytes]) -> int:
        """How many lines there are."""
        return sum(block.count(b"\n") for block in blocks)

    def first(self, path: Path) -> int | None:
        """When the first exchange of a file that can be read was over."""
        with path.open("rb") as file:
            exchange = next(filter(None, map(_decoded, file)), None)
        return (exchange.timing.end or exchange.timing.start or None) if exchange else None


def _decoded(line: bytes) -> Exchange | None:
    try:
        return from_line(line) if line.strip() else None
    except ValueError:
        return None


def _backwards(file: BufferedReader) -> Iterator[bytes]:
    """The lines of a file, the last first; what has no newline yet is still being written."""
    position = file.seek(0, os.SEEK_END)
    begun, whole = b"", False
    while position:
        step = min(_BLOCK, position)
        position -= step
        file.seek(position)
        begun, *lines = (file.read(step) + begun).split(b"\n")
        if lines and not whole:
            whole = True
            lines.pop()
        yield from reversed(lines)
    if whole:
        yield begun
