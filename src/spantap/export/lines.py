"""Exchanges appended to a file, which is set aside when it is large or old."""

from __future__ import annotations

import contextlib
import os
import stat
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from spantap.export.archives import archives, newest_first, set_aside
from spantap.export.locked_file import CAN_LOCK, LockedFile
from spantap.export.outcome import not_kept
from spantap.export.retention import FOREVER, Retention, Rotation
from spantap.export.search import EVERYTHING, Filter
from spantap.export.store import Store
from spantap.model import Exchange
from spantap.policy.destination import DestinationPolicy

_BLOCK: Final = 1 << 20  # bytes read at a time

Key: TypeAlias = tuple[str, str]
"""What an exchange is known by: trace id and span id."""


class LinesSink(Store):
    """A file that lines are appended to. It is created with mode 0600; several processes may share it.

    `write`, `expire` and `close` belong to one worker thread; `read` may be called from anywhere,
    also in another process. A file that somebody else renames is left at the next batch.

    Attributes:
        path: the file.
        retention: what it lets go of: whole files that were set aside, as soon as the first exchange in
            one is too old, or all together are too much.
        rotation: when the file is set aside (`spantap.export.archives` tells how it is named then);
            what it leaves open is an eighth of what the retention allows.
        policy: which exchanges it gets, and which fields of them.
        heads: lines at the beginning of a file that are no exchanges.
    """

    heads = 0

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        retention: Retention = FOREVER,
        rotation: Rotation | None = None,
        policy: DestinationPolicy | None = None,
    ) -> None:
        """Args:
        path: the file; its directory must exist.
        retention, rotation, policy: see the class.

        Raises:
            ValueError: the retention is no more than the rotation; or they are given, and this system
                has no file locks, which they need.
        """
        super().__init__(retention, policy)
        self.path = Path(path)
        self.rotation = (rotation or Rotation()).within(retention)
        self._rotates = self.rotation != Rotation()
        if self._rotates and not CAN_LOCK:
            raise ValueError("retention and rotation need flock, which this system does not have")
        self._file = LockedFile(self.path)
        self._kept: set[Key] = set()  # what was written of a batch that could not be written whole
        # By name: the inode of a file that another process deletes is soon another file's.
        self._rows: dict[str, tuple[int, int]] = {}  # name -> bytes looked at, lines in them
        self._began: dict[str, int] = {}  # name -> when the first exchange in it was over
        self._inode = 0  # of the file that was held last, which stays open
        self._gone = 0

    @property
    def target(self) -> str:
        """The absolute path of the file."""
        return str(self.path.absolute())

    def terms(self) -> tuple[object, ...]:
        """Retention, policy and rotation."""
        return (*super().terms(), self.rotation)

    def write(self, exchanges: Sequence[Exchange], /) -> Mapping[str, int]:
        """Append the batch.

        Raises:
            TryLaterError: another process holds the file.
            OSError: the disk is full, or the file cannot be written. What was written of the batch is not
                written again with it.
        """
        lines = {
            key: self.line(each)
            for each in exchanges
            if (key := (each.trace_id, each.span_id)) not in self._kept
        }
        while lines:
            with self._file.held() as descriptor:
                self._look_at(descriptor)
                wanted = self._fitting(descriptor, lines)
                begin = self.begin(descriptor) if wanted else None
                if begin is None:
                    self._set_aside(descriptor)
                    continue
                self._append(descriptor, begin, {key: lines.pop(key) for key in wanted})
        self._kept.clear()
        return not_kept()

    def expire(self) -> int:
        """Set the file aside if it is time, and delete what is past the retention.

        Returns:
            How many exchanges are gone since the last call.

        Raises:
            TryLaterError, OSError: it cannot be done now.
        """
        if self._rotates and (self.path.exists() or archives(self.path)):
            with self._file.held() as descriptor:
                self._look_at(descriptor)
                if self._is_old(descriptor):
                    self._set_aside(descriptor)
                else:
                    self._let_go()
        gone, self._gone = self._gone, 0
        return gone

    def read(self, limit: int | None = 100, wanted: Filter = EVERYTHING) -> list[Exchange]:
        """Exchanges, the last to arrive first; lines that cannot be read are left out.

        Args:
            limit: at most so many; None is all.
            wanted: which.

        Raises:
            FileNotFoundError: there is no such file yet.
        """
        found: list[Exchange] = []
        for path in newest_first(self.path):
            with contextlib.suppress(FileNotFoundError):  # its time was over
                for exchange in self.backwards(path):
                    if limit is not None and len(found) >= limit:
                        return found
                    if wanted.wants(exchange):
                        found.append(exchange)
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._inode = 0

    @abstractmethod
    def line(self, exchange: Exchange) -> bytes:
        """The exchange as it stands in the file, the end of the line included."""

    @abstractmethod
    def begin(self, descriptor: int) -> bytes | None:
        """What is written before the next lines; None: they cannot follow what is in the file."""

    @abstractmethod
    def backwards(self, path: Path) -> Iterator[Exchange]:
        """The exchanges of one file, the last first; what cannot be read is left out."""

    @abstractmethod
    def count(self, blocks: Iterable[bytes]) -> int:
        """How many lines there are in a part of the file that begins with a line."""

    @abstractmethod
    def first(self, path: Path) -> int | None:
        """When the first exchange of a file was over, and so written; None when that cannot be told."""

    def _fitting(self, descriptor: int, lines: Mapping[Key, bytes]) -> list[Key]:
        """The lines the file has room for; at least one if it is empty."""
        found, rotation = os.fstat(descriptor), self.rotation
        if not self._rotates or not stat.S_ISREG(found.st_mode):
            return list(lines)
        if self._is_old(descriptor):
            return []
        size = found.st_size
        rows = self._rows_of(descriptor, self.path.name) if rotation.max_rows else 0
        fitting: list[Key] = []
        for key, line in lines.items():
            size, rows = size + len(line), rows + 1
            full = (rotation.max_bytes and size > rotation.max_bytes) or (
                rotation.max_rows and rows > rotation.max_rows
            )
            if full and (fitting or found.st_size):
                break
            fitting.append(key)
        return fitting

    def _append(self, descriptor: int, begin: bytes, lines: Mapping[Key, bytes]) -> None:
        size = os.fstat(descriptor).st_size
        data = memoryview(b"".join([begin, *lines.values()]))
        written = 0
        try:
            while written < len(data):
                written += os.write(descriptor, data[written:])
        except OSError:
            # What stands there whole is not taken back: somebody may have read it.
            end = len(begin)
            whole = 0
            for key, line in lines.items():
                if end + len(line) > written:
                    break
                end += len(line)
                whole = end
                self._kept.add(key)
            if written > whole and stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.ftruncate(descriptor, size + whole)
            raise
        self._kept.update(lines)

    def _set_aside(self, descriptor: int) -> None:
        """Rename the file, which is held."""
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            aside = set_aside(self.path)
            tables: tuple[dict[str, Any], ...] = (self._rows, self._began)
            for known in tables:
                if self.path.name in known:
                    known[aside.name] = known.pop(self.path.name)
            self._let_go()

    def _look_at(self, descriptor: int) -> None:
        """Whether the file that is held is another than the last time."""
        if os.fstat(descriptor).st_ino != self._inode:
            self._inode = os.fstat(descriptor).st_ino
            self._forget(self.path)

    def _is_old(self, descriptor: int) -> bool:
        age, found = self.rotation.oldest, os.fstat(descriptor)
        if not found.st_size:
            self._began.pop(self.path.name, None)
            return False
        return age is not None and self._start_of(self.path) < age

    def _let_go(self) -> None:
        """Delete the oldest files, as the retention says; the file is held."""
        retention = self.retention
        aside = archives(self.path) if retention else []
        names = {self.path.name, *(each.name for each in aside)}
        for known in (self._rows, self._began):
            for name in known.keys() - names:  # another process has deleted it
                del known[name]
        # The current file counts as if it were full: it will be before we look again.
        size = sum(each.stat().st_size for each in aside) + (self.rotation.max_bytes or 0)
        rows = sum(map(self._rows_in, aside)) + (self.rotation.max_rows or 0) if retention.max_rows else 0
        for path in aside:
            old = retention.oldest is not None and self._start_of(path) < retention.oldest
            large = retention.max_bytes is not None and size > retention.max_bytes
            many = retention.max_rows is not None and rows > retention.max_rows
            if not (old or large or many):
                return
            held, bytes_held = self._rows_in(path), path.stat().st_size
            self._forget(path)
            path.unlink()
            self._gone += held
            rows, size = rows - held, size - bytes_held

    def _start_of(self, path: Path) -> int:
        """When the first exchange in a file was over, or else when the file was last written."""
        if path.name not in self._began:
            start = self.first(path)
            if start is None:
                return path.stat().st_mtime_ns
            self._began[path.name] = start
        return self._began[path.name]

    def _rows_in(self, path: Path) -> int:
        with path.open("rb") as file:
            return self._rows_of(file.fileno(), path.name)

    def _rows_of(self, descriptor: int, name: str) -> int:
        """How many exchanges a file holds; only what is new since the last look is read."""
        size = os.fstat(descriptor).st_size
        seen, rows = self._rows.get(name, (0, -self.heads))
        if size < seen:  # emptied, and written anew
            seen, rows = 0, -self.heads
        rows += self.count(_blocks(descriptor, seen, size))
        self._rows[name] = size, rows
        return max(rows, 0)

    def _forget(self, path: Path) -> None:
        self._rows.pop(path.name, None)
        self._began.pop(path.name, None)


def _blocks(descriptor: int, position: int, end: int) -> Iterator[bytes]:
    while position < end:
        block = os.pread(descriptor, min(_BLOCK, end - position), position)
        if not block:
            return
        yield block
        position += len(block)
