"""A file of records, only ever appended to, and beside it a file of marks: what became of them.

Every record and every mark has its own checksum, so that damage costs what it hits and no more. A
record also has its number: where some are damaged, the next good one tells how many.
"""

from __future__ import annotations

import os
import time
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

WAITING, HELD, DONE = 0, 1, 2  # on disk alone; in memory as well; delivered or given up

RECORDS: Final = ".records"
MARKS: Final = ".marks"
_SIGNATURE: Final = b"spantap spool 1\n"
_MAGIC: Final = b"\xf5rec"
_HEAD: Final = Struct("<4sIII")  # magic, checksum, number, length
_NUMBERED: Final = Struct("<II")
_MARK: Final = Struct("<cxxxIIII")  # kind, batch, place in the batch, first record, how many
_SUM: Final = Struct("<I")
_BEGUN, _OVER = b"b", b"d"


class UnknownFormatError(Exception):
    """Not a file of ours, or one of a release that writes them differently."""


class Segment:
    """One file and its marks. Not thread-safe.

    Attributes:
        path: the file of records.
        adopted: another process has written it.
        size: bytes of both files.
        states: of each record: `WAITING`, `HELD` or `DONE`.
        waiting, left: how many are `WAITING`; how many are not `DONE`.
        lost: how many could not be read when the file was.
        written: seconds since the epoch at the last append.
        gone: it was deleted.
        batches: record -> its batch and its place in that, as far as the marks said when they were read.
    """

    def __init__(self, path: Path, *, adopted: bool = False) -> None:
        """Args:
        path: the file of records; not touched.
        adopted: see `adopted`.
        """
        self.path = path
        self.adopted = adopted
        self.states = bytearray()
        self.waiting = self.left = self.lost = 0
        self.written = self._born = time.time()
        self.gone = False
        self.batches: dict[int, tuple[int, int]] = {}
        self._offsets = array("Q")
        self._lengths = array("Q")
        self._records_size = self._marks_size = 0
        self._first = 0  # below it nothing waits

    @property
    def size(self) -> int:
        """Bytes of both files."""
        return self._records_size + self._marks_size

    @property
    def age(self) -> float:
        """Seconds since it was begun."""
        return time.time() - self._born

    @classmethod
    def read(cls, path: Path) -> Segment:
        """A segment that another process has written.

        Raises:
            UnknownFormatError: it is not one.
            OSError: it cannot be read.
        """
        segment = cls(path, adopted=True)
        data = path.read_bytes()
        if not data.startswith(_SIGNATURE) and not _SIGNATURE.startswith(data):
            raise UnknownFormatError
        segment.written = segment._born = path.stat().st_mtime
        segment._records_size = len(data)
        segment._index(data)
        with suppress(FileNotFoundError):
            segment._read_marks(path.with_suffix(MARKS).read_bytes())
        damaged = [number for number, length in enumerate(segment._lengths) if not length]
        segment.lost = sum(segment.states[number] != DONE for number in damaged)
        for number in damaged:
            segment.states[number] = DONE
        segment.waiting = segment.left = segment.states.count(WAITING)
        return segment

    def append(self, payloads: Sequence[bytes]) -> range:
        """Write records, all or none, and hold them.

        Args:
            payloads: what they say; none of them empty.

        Returns:
            Their numbers.

        Raises:
            OSError: the disk does not take them.
        """
        start, first = self._records_size or len(_SIGNATURE), len(self.states)
        parts = [] if self._records_size else [_SIGNATURE]
        offset = start
        for number, payload in enumerate(payloads, first):
            parts += (_HEAD.pack(_MAGIC, _checksum(number, payload), number, len(payload)), payload)
            self._offsets.append(offset)
            self._lengths.append(len(payload))
            offset += _HEAD.size + len(payload)
        try:
            _write(self.path, b"".join(parts), self._records_size)
        except OSError:
            del self._offsets[first:], self._lengths[first:]
            raise
        self._records_size, self.written = offset, time.time()
        self.states += bytes((HELD,)) * len(payloads)
        self.left += len(payloads)
        return range(first, len(self.states))

    def payloads(self, numbers: Iterable[int]) -> Iterator[bytes | None]:
        """What records say; None for one that cannot be read."""
        try:
            file = os.open(self.path, os.O_RDONLY)
        except OSError:
            yield from (None for _ in numbers)
            return
        try:
            for number in numbers:
                yield self._payload(file, number)
        finally:
            os.close(file)

    def length(self, number: int) -> int:
        """Bytes of a record."""
        return self._lengths[number]

    def set(self, number: int, state: int) -> None:
        """A record is in another state now."""
        before = self.states[number]
        self.states[number] = state
        self.waiting += (state == WAITING) - (before == WAITING)
        self.left += (before == DONE) - (state == DONE)
        if state == WAITING:
            self._first = min(self._first, number)

    def oldest(self) -> int:
        """The first record that waits; -1 when none does."""
        number = self.states.find(WAITING, self._first)
        self._first = len(self.states) if number < 0 else number
        return number

    def mark_begun(self, batch: int, runs: Sequence[Run]) -> None:
        """Records are about to be sent together, so that they will be again.

        Args:
            batch: its number.
            runs: which of it are here.

        Raises:
            OSError: the disk does not take it.
        """
        self._mark(_BEGUN, batch, runs)

    def mark_done(self, runs: Sequence[Run]) -> None:
        """Records are done with.

        Raises:
            OSError: the disk does not take it.
        """
        self._mark(_OVER, 0, runs)

    def remove(self) -> None:
        """Delete both files; raises nothing."""
        self.gone = True
        for suffix in (MARKS, RECORDS):  # records without marks would be delivered again
            with suppress(OSError):
                self.path.with_suffix(suffix).unlink()

    def _mark(self, kind: bytes, batch: int, runs: Sequence[Run]) -> None:
        parts: list[bytes] = []
        for run in runs:
            mark = _MARK.pack(kind, batch, run.at, run.first, run.length)
            parts += (mark, _SUM.pack(zlib.crc32(mark)))
        _write(self.path.with_suffix(MARKS), b"".join(parts), self._marks_size)
        self._marks_size += len(runs) * (_MARK.size + _SUM.size)

    def _payload(self, file: int, number: int) -> bytes | None:
        try:
            data = os.pread(file, _HEAD.size + self._lengths[number], self._offsets[number])
        except OSError:
            return None
        found = _record_at(data, 0)
        return found.payload if found is not None and found.number == number else None

    def _index(self, data: bytes) -> None:
        position = len(_SIGNATURE)
        while position < len(data):
            found = _record_at(data, position)
            believable = found is not None and self._believable(found.number, position)
            if found is None or not believable:
                position = data.find(_MAGIC, position + 1)
                if position < 0:
                    self._add(0, 0)  # the end is torn off: one record, as far as anybody can tell
                    return
                continue
            while len(self.states) < found.number:
                self._add(0, 0)
            self._add(position, len(found.payload))
            position += _HEAD.size + len(found.payload)

    def _believable(self, number: int, position: int) -> bool:
        """Whether so many records fit before a position; a record that quotes another must not fool us."""
        return len(self.states) <= number <= position // _HEAD.size

    def _add(self, offset: int, length: int) -> None:
        self._offsets.append(offset)
        self._lengths.append(length)
        self.states.append(WAITING)

    def _read_marks(self, data: bytes) -> None:
        step = _MARK.size + _SUM.size
        self._marks_size = len(data) - len(data) % step
        for start in range(0, self._marks_size, step):
            mark = data[start : start + _MARK.size]
            if _SUM.unpack_from(data, start + _MARK.size)[0] != zlib.crc32(mark):
                continue
            kind, batch, at, first, count = _MARK.unpack(mark)
            for number in range(first, min(first + count, len(self.states))):
                if kind == _OVER:
                    self.states[number] = DONE
                else:
                    self.batches[number] = batch, at + number - first


def size_of(payloads: Sequence[bytes]) -> int:
    """Bytes these take in a file of records, at most."""
    return len(_SIGNATURE) + sum(map(len, payloads)) + _HEAD.size * len(payloads)


class Run(NamedTuple):
    """Records that follow each other in a file and in a batch.

    Attributes:
        at: place of the first one in the batch.
        first: its number.
        length: how many.
    """

    at: int
    first: int
    length: int


class _Record(NamedTuple):
    number: int
    payload: bytes


def _record_at(data: bytes, position: int) -> _Record | None:
    if len(data) - position < _HEAD.size:
        return None
    magic, checksum, number, length = _HEAD.unpack_from(data, position)
    start = position + _HEAD.size
    if magic != _MAGIC or not length or start + length > len(data):
        return None
    payload = data[start : start + length]
    return _Record(number, payload) if _checksum(number, payload) == checksum else None


def _checksum(number: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_NUMBERED.pack(number, len(payload))))


def _write(path: Path, data: bytes, offset: int) -> None:
    """Write at an offset, wholly or not at all."""
    new = 0 if offset else os.O_CREAT  # a file that is gone must not begin in its middle
    file = os.open(path, os.O_WRONLY | new | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        written = 0
        while written < len(data):
            written += os.pwrite(file, data[written:], offset + written)
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, offset)
        raise
    finally:
        os.close(file)
