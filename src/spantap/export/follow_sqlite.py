"""Reading a SQLite store as it fills.

The connection refuses to write, and holds no transaction between two reads: writers and their
checkpoints never wait for a reader.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeAlias

from spantap.codec.jsonl import from_line
from spantap.export.search import Filter
from spantap.export.sqlite import HAS_TABLE
from spantap.model import Exchange

BEGINNING: Final = b"SQLite format 3\0"
"""What a SQLite file begins with."""

_BUSY_SECONDS: Final = 1.0  # how long a read waits; only a store that is not in WAL mode needs it
_PAGE: Final = 100  # rows looked at in one statement

# As `search.who`; the record is looked into only when a user is asked for.
_WHO: Final = (
    "coalesce(nullif(user, ''), nullif(json_extract(record, '$.identity.email'), ''), "
    "json_extract(record, '$.identity.user_hash'))"
)

Row: TypeAlias = tuple[Any, ...]


class SQLiteReader:
    """Goes by the numbers SQLite gives to rows, which grow.

    The filter is asked in Python, a page at a time: Ctrl-C ends a long search, which in a function
    called by SQLite it would not.

    Attributes:
        empty: there is no exchange in it, perhaps not even the table.
        unreadable: a record was left out because another release wrote it.
    """

    def __init__(self, path: Path, wanted: Filter, last: int | None) -> None:
        """Args:
        path: the file; it is opened at the first read.
        wanted: which exchanges to give.
        last: begin so many of them before the end; None begins with the first.
        """
        self.empty = False
        self.unreadable = False
        self._path = path
        self._wanted = wanted
        self._last = last
        self._connection: sqlite3.Connection | None = None
        self._cursor = 0  # the last row that was looked at
        self._version: int | None = None  # SQLite's count of other people's commits, when caught up
        who = _WHO if wanted.user is not None else "NULL"
        self._facts = f"rowid, start, method, status, path, route, duration, service, error, {who}"

    def arrived(self) -> Iterator[Exchange]:
        """What came since the last call, oldest first; take all of it."""
        if self._connection is None:
            self._connection = _opened(self._path)
        connection = self._connection
        version = _one(connection, "PRAGMA data_version")
        if version == self._version:
            return
        newest = _newest(connection)
        self.empty = not newest
        if newest:
            yield from self._up_to(connection, newest)
        # Also when that is less than it was: somebody deleted rows, and their numbers come again.
        self._cursor, self._last, self._version = newest, None, version

    def left(self) -> Iterator[Exchange]:
        """Nothing: a database that was moved is not touched any more."""
        return iter(())

    def close(self) -> None:
        """Close the connection; the next `arrived` opens another and goes on."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._version = None, None

    def _up_to(self, connection: sqlite3.Connection, newest: int) -> Iterator[Exchange]:
        if self._last is not None:
            self._cursor, self._last = self._before(connection, self._last, newest), None
        while rows := self._rows(connection, "rowid > ? AND rowid <= ? ORDER BY rowid", self._cursor, newest):
            for number, *facts in rows:
                if self._wanted.holds(*facts):
                    yield from self._record(connection, number)
                self._cursor = number

    def _before(self, connection: sqlite3.Connection, count: int, newest: int) -> int:
        """The row before the last so many that are wanted."""
        before, number = newest, newest + 1
        while count and (rows := self._rows(connection, "rowid < ? ORDER BY rowid DESC", number)):
            for number, *facts in rows:
                if self._wanted.holds(*facts):
                    before, count = number - 1, count - 1
                if not count:
                    break
        return before

    def _rows(self, connection: sqlite3.Connection, which: str, *values: int) -> list[Row]:
        """A page of facts; each row begins with its number."""
        # Words of ours; the values are bound.
        query = f"SELECT {self._facts} FROM exchanges WHERE {which} LIMIT {_PAGE}"  # noqa: S608
        return connection.execute(query, values).fetchall()

    def _record(self, connection: sqlite3.Connection, number: int) -> Iterator[Exchange]:
        """The exchange of a row, unless the row is gone or cannot be read."""
        found = connection.execute("SELECT record FROM exchanges WHERE rowid = ?", [number]).fetchall()
        for (record,) in found:
            try:
                yield from_line(record)
            except ValueError:
                self.unreadable = True


def _opened(path: Path) -> sqlite3.Connection:
    """A connection that creates no file and changes no content.

    Not SQLite's read-only mode: that one cannot tidy up the side files when it is the last to close.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _newest(connection: sqlite3.Connection) -> int:
    """The last row; 0 when there is none."""
    if not connection.execute(HAS_TABLE).fetchall():
        return 0  # the first writer has made the file, but not yet the table
    return _one(connection, "SELECT coalesce(max(rowid), 0) FROM exchanges")


def _one(connection: sqlite3.Connection, query: str) -> int:
    """The one number of the one row; the statement is done with, and no transaction left open."""
    with closing(connection.execute(query)) as rows:
        number: int = rows.fetchone()[0]
        return number
