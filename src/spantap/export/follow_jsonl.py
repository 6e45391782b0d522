"""Reading a file of JSON lines as it grows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Final

from spantap.codec.jsonl import from_line
from spantap.export.search import Filter
from spantap.model import Exchange

_BLOCK: Final = 1 << 20  # bytes read at a time


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
            self._offset = 0  # emptied, and written anew
        begun = b""
        while block := self._read(self._offset + len(begun)):
            *lines, begun = (begun + block).split(b"\n")
            for line in lines:
                self._offset += len(line) + 1
                exchange = self._decoded(line)
                if exchange is not None:
                    yield exchange

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
                elif self._decoded(line) is not None:
                    start, count = end, count - 1
                if count <= 0:
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

    def _decoded(self, line: bytes) -> Exchange | None:
        """The exchange of a line; None when there is none, or none that is wanted."""
        if not line.strip():
            return None
        try:
            exchange = from_line(line)
        except ValueError:
            self.unreadable = True
            return None
        return exchange if self._wanted.wants(exchange) else None
