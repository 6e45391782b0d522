"""Reading a file of JSON lines as it grows: a store's, or what a collector writes (OTLP JSON)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Final

from spantap.codec import jsonl, otlp_json
from spantap.export.search import Filter
from spantap.model import Exchange

_BLOCK: Final = 1 << 20  # bytes read at a time
_OTLP: Final = (b'{"resourceSpans"', b'{"resourceMetrics"', b'{"resourceLogs"')


class JSONLReader:
    """Reads whole lines only: what has no newline yet is still being written.

    Attributes:
        empty: always false: an empty file is nobody's yet.
        unreadable: a line was left out because another release wrote it.
    """

    empty = False

    def __init__(self, path: Path, wanted: Filter, last: int | None) -> None:
        """Args:
        path: the file; it is opened at the first read.
        wanted: which exchanges to give.
        last: begin so many of them before the end; None begins with the first.
        """
        self.unreadable = False
        self._path = path
        self._wanted = wanted
        self._file: FileIO | None = None
        self._last = last
        self._offset = 0
        self._passed = 0  # exchanges of the first line that are not among the last ones

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode of the file it has open."""
        found = os.fstat(self._opened().fileno())
        return found.st_dev, found.st_ino

    def arrived(self) -> Iterator[Exchange]:
        """What came since the last call, oldest first; take all of it."""
        if self._last is not None:
            self._offset, self._last = self._start_of_last(self._last), None
        if self._size() < self._offset:
            self._offset = self._passed = 0  # emptied, and written anew
        begun = b""
        while block := self._read(self._offset + len(begun)):
            *lines, begun = (begun + block).split(b"\n")
            for line in lines:
                self._offset += len(line) + 1
                exchanges, self._passed = self._decoded(line)[self._passed :], 0
                yield from exchanges

    def left(self) -> Iterator[Exchange]:
        """What was written before the file was moved away."""
        return iter(()) if self._file is None else self.arrived()

    def close(self) -> None:
        """Close the file; the next `arrived` opens it again and goes on."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _start_of_last(self, count: int) -> int:
        """Where the last so many lines with a wanted exchange begin, looked for from the end."""
        position = end = start = self._size()
        begun, complete = b"", False
        while position:
            step = min(_BLOCK, position)
            position -= step
            lines = (self._read(position, step) + begun).split(b"\n")
            begun = lines.pop(0) if position else b""  # its beginning is further up
            for line in reversed(lines):
                end -= len(line)
                if not complete:  # what follows the last newline is new when it is whole
                    complete, start = True, end
                elif found := len(self._decoded(line)):
                    start, count = end, count - found
                if count <= 0:
                    self._passed = -count
                    return start
                end -= 1
        return start

    def _opened(self) -> FileIO:
        if self._file is None:
            self._file = self._path.open("rb", buffering=0)  # what was read is not kept: it may change
        return self._file

    def _size(self) -> int:
        return os.fstat(self._opened().fileno()).st_size

    def _read(self, position: int, size: int = _BLOCK) -> bytes:
        file = self._opened()
        file.seek(position)
        return file.read(size)

    def _decoded(self, line: bytes) -> list[Exchange]:
        """The wanted exchanges of a line: one at most of a store's, any number of a collector's."""
        if not line.strip():
            return []
        try:
            found = otlp_json.from_line(line) if line.startswith(_OTLP) else [jsonl.from_line(line)]
        except ValueError:
            self.unreadable = True
            return []
        return [each for each in found if self._wanted.wants(each)]
