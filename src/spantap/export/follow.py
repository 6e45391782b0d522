"""Reading a SQLite store as it fills: what one asks for, in the order it arrived.

Nothing here writes: the connection refuses to, and it holds no transaction between two reads, so
that writers and their checkpoints never wait for a reader.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import orjson

from spantap.codec.record import from_record
from spantap.export.search import EVERYTHING, HIGHEST, Filter
from spantap.export.sqlite import HAS_TABLE
from spantap.model import Exchange, SpantapError

_BUSY_SECONDS: Final = 1.0  # how long a read waits; only a store that is not in WAL mode needs it
_PAGE: Final = 100  # records held at a time


class StoreError(SpantapError):
    """The file cannot be read as a store; the message says which and why."""


class Follower:
    """Remembers how far it has read a store, and gives what came since. For one thread.

    The file need not exist yet. When it is deleted and made anew, the new one is read from its
    beginning. Use it as a context manager, or call `close`.

    Attributes:
        path: the file.
        waiting: whether there was no store at the last look.
        unreadable: records left out because another release wrote them.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        wanted: Filter = EVERYTHING,
        *,
        last: int | None = None,
        patience: int = 0,
    ) -> None:
        """Args:
        path: the file.
        wanted: which exchanges to give.
        last: begin so many of the wanted exchanges before the end of what is there; None
            begins with the first. What a store made later holds is given from its beginning.
        patience: how many looks in a row may fail (the store is locked, or being replaced)
            before that is an error.
        """
        self.path = Path(path)
        self.waiting = False
        self.unreadable = 0
        self._where, self._values = wanted.where()
        self._last = last
        self._patience = patience
        self._failures = 0
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # device and inode of what was read last
        self._cursor = 0  # the last row that was looked at
        self._version: int | None = None  # SQLite's count of other people's commits, when caught up

    def __enter__(self) -> Follower:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def arrived(self) -> Iterator[Exchange]:
        """What came since the last call, oldest first; take all of it.

        A call with nothing new costs one look at the file and one at SQLite's change counter.

        Raises:
            StoreError: it is not a store, or could not be read for longer than the patience.
        """
        while records := self._look():
            yield from filter(None, map(self._decoded, records))

    def close(self) -> None:
        """Close the file; the next `arrived` opens it again and goes on where this one stopped."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._version = None, None

    def _decoded(self, record: str) -> Exchange | None:
        try:
            return from_record(orjson.loads(record))
        except (KeyError, TypeError, ValueError):
            self.unreadable += 1
            return None

    def _look(self) -> list[str]:
        try:
            connection = self._attached()
            records = [] if connection is None else self._next_page(connection)
        except (sqlite3.Error, OSError) as error:
            self.close()
            self._failures += 1
            # An error of exactly this class: the content is not a database, and will not become one.
            if self._failures > self._patience or type(error) is sqlite3.DatabaseError:
                raise StoreError(f"spantap: {self.path}: {error}") from error
            return []
        self._failures = 0
        return records

    def _attached(self) -> sqlite3.Connection | None:
        """The connection to what the path names now; None while that is nothing."""
        file = _identity(self.path)
        if file != self._file:
            # At once also when it is gone: the next store must not share its side files with us.
            self.close()
            self._file, self._cursor = file, 0
        self.waiting = file is None
        if file is None:
            self._last = None
            return None
        if self._connection is None:
            self._connection = _opened(self.path)
        return self._connection

    def _next_page(self, connection: sqlite3.Connection) -> list[str]:
        version = _one(connection, "PRAGMA data_version")
        if version == self._version:
            return []
        if not connection.execute(HAS_TABLE).fetchall():
            self._last = None  # the first writer has created the file, but not yet the table
            return []
        newest = _one(connection, "SELECT coalesce(max(rowid), 0) FROM exchanges")
        self._cursor = min(self._cursor, newest)  # somebody deleted rows: their numbers come again
        if self._last is not None:
            self._cursor, self._last = self._before(connection, self._last, newest), None
        rows = connection.execute(
            # Only the words of the filter; its values are bound.
            f"SELECT rowid, record FROM exchanges WHERE rowid > ? AND rowid <= ? AND {self._where} "  # noqa: S608
            "ORDER BY rowid LIMIT ?",
            [self._cursor, newest, *self._values, _PAGE],
        ).fetchall()
        if len(rows) < _PAGE:
            self._cursor, self._version = newest, version
        else:
            self._cursor = rows[-1][0]
        return [record for _, record in rows]

    def _before(self, connection: sqlite3.Connection, count: int, newest: int) -> int:
        """The row before the last so many that are wanted."""
        first = _one(
            connection,
            "SELECT min(rowid) FROM (SELECT rowid FROM exchanges "  # noqa: S608
            f"WHERE rowid <= ? AND {self._where} ORDER BY rowid DESC LIMIT ?)",
            [newest, *self._values, min(count, HIGHEST)],
        )
        return newest if first is None else first - 1


def _opened(path: Path) -> sqlite3.Connection:
    """A connection that creates no file and changes no content.

    Not SQLite's read-only mode: that one cannot tidy up the side files when it is the last to close.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _one(connection: sqlite3.Connection, query: str, values: Sequence[Any] = ()) -> Any:
    """The one value of the one row; the statement is done with, and no transaction left open."""
    with closing(connection.execute(query, values)) as rows:
        return rows.fetchone()[0]


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is; None when there is none, or one to which nothing has been written."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_dev, found.st_ino) if found.st_size else None
