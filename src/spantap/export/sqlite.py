"""Exchanges in a SQLite file: the embedded default.

WAL mode lets several processes write while others read. A row is the native record plus the
columns one searches by; trace id and span id together are its key, so the same exchange
delivered twice is stored once, and counted as a duplicate.
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson

from spantap.codec.record import from_record, to_record
from spantap.export.files import create_private
from spantap.export.outcome import TryLaterError, not_kept
from spantap.export.retention import FOREVER, Retention
from spantap.export.search import EVERYTHING, Filter
from spantap.export.sink import ProcessReport
from spantap.export.store import Store
from spantap.model import Exchange
from spantap.policy.destination import DestinationPolicy

_BUSY_SECONDS: Final = 10.0  # how long one process waits for another's transaction

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS exchanges (
    trace_id TEXT NOT NULL,
    span_id TEXT NOT NULL,
    start INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    direction TEXT NOT NULL,
    service TEXT,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    route TEXT,
    status INTEGER,
    user TEXT,
    error TEXT,
    record TEXT NOT NULL,
    PRIMARY KEY (trace_id, span_id)
);
CREATE INDEX IF NOT EXISTS exchanges_start ON exchanges (start);
CREATE TABLE IF NOT EXISTS processes (
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    report TEXT NOT NULL,
    PRIMARY KEY (host, pid, started)
);
"""

_READ: Final = "SELECT record FROM exchanges WHERE start >= ? AND start < ? ORDER BY start DESC, rowid DESC"
_LATEST: Final = 2**63 - 1
_EXPIRE: Final = """
DELETE FROM exchanges WHERE rowid IN (SELECT rowid FROM exchanges ORDER BY start, rowid LIMIT ?)
"""
_STEP: Final = 1000  # rows deleted in one transaction

HAS_TABLE: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'exchanges'"

_HAS_REPORTS: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'processes'"
_REPORT: Final = (
    "INSERT OR REPLACE INTO processes (host, pid, started, updated, report) VALUES (?, ?, ?, ?, ?)"
)
_FORGET: Final = """
DELETE FROM processes WHERE rowid NOT IN (SELECT rowid FROM processes ORDER BY updated DESC LIMIT ?)
"""
_PROCESSES: Final = 50  # remembered; a server that recycles its workers makes new ones all the time

_INSERT: Final = """
INSERT OR IGNORE INTO exchanges
    (trace_id, span_id, start, duration, direction, service, method, path, route, status, user, error, record)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class SQLiteSink(Store):
    """Writes to a SQLite file, and reads from it.

    `write`, `expire` and `close` belong to one worker thread; `read` opens its own connection and may
    be called from anywhere, also in another process. The file is created with mode 0600.

    Attributes:
        name: ``sqlite``.
        path: the file.
        retention: what it lets go of; bytes are those of the file that are in use.
        policy: which exchanges it gets, and which fields of them.
    """

    name = "sqlite"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        retention: Retention = FOREVER,
        policy: DestinationPolicy | None = None,
    ) -> None:
        """Args:
        path: the file; its directory must exist.
        retention, policy: see the class.
        """
        super().__init__(retention, policy)
        self.path = Path(path)
        self._connection: sqlite3.Connection | None = None
        self._pid = 0

    @property
    def target(self) -> str:
        """The absolute path of the file."""
        return str(self.path.absolute())

    def write(self, exchanges: Sequence[Exchange], /) -> Mapping[str, int]:
        """Insert the batch in one transaction.

        Returns:
            How many of it were there already, as ``duplicate``.

        Raises:
            TryLaterError: the file is locked, cannot be opened, or the disk is full.
            sqlite3.Error: it was not kept for another reason.
        """
        rows = [_row(each) for each in exchanges]
        try:
            connection = self._connected()
            with connection:
                inserted = connection.executemany(_INSERT, rows).rowcount
        except sqlite3.OperationalError as error:
            self.close()  # the file may have been moved or replaced: open what is there next time
            raise TryLaterError(str(error)) from error
        return not_kept(duplicate=len(rows) - inserted)

    def report(self, about: ProcessReport, /) -> None:
        """Keep what the process says of itself, in the place of what it said before."""
        row = (about.host, about.pid, about.started, about.updated, orjson.dumps(about.facts).decode())
        connection = self._connected()
        with connection:
            connection.execute(_REPORT, row)
            connection.execute(_FORGET, (_PROCESSES,))

    def processes(self) -> list[ProcessReport]:
        """What the processes that write here last said of themselves, the latest first.

        Raises:
            FileNotFoundError: there is no such file yet.
        """
        if not self.path.exists():
            raise FileNotFoundError(f"{self.path}: no such store")
        with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
            if not connection.execute(_HAS_REPORTS).fetchone():
                return []  # written by a release that did not keep them
            rows = connection.execute(
                "SELECT host, pid, started, updated, report FROM processes ORDER BY updated DESC, pid"
            ).fetchall()
        return [
            ProcessReport(host, pid, started, updated, orjson.loads(facts))
            for host, pid, started, updated, facts in rows
        ]

    def count(self) -> int:
        """How many exchanges the file holds; 0 when there is none."""
        if not self.path.exists():
            return 0
        with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
            if not connection.execute(HAS_TABLE).fetchone():
                return 0
            counted: int = connection.execute("SELECT count(*) FROM exchanges").fetchone()[0]
        return counted

    def read(self, limit: int | None = 100, wanted: Filter = EVERYTHING) -> list[Exchange]:
        """Exchanges, newest first.

        Args:
            limit: at most so many; None is all.
            wanted: which.

        Raises:
            FileNotFoundError: there is no such file yet.
        """
        if not self.path.exists():
            raise FileNotFoundError(f"{self.path}: no such store")
        # Not read-only: the last reader of a WAL file may have to create its shared memory.
        with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
            if not connection.execute(HAS_TABLE).fetchone():
                return []  # the first writer has created the file, but not yet the table
            rows = connection.execute(
                _READ, (wanted.since, _LATEST if wanted.until is None else wanted.until)
            )
            exchanges = (from_record(orjson.loads(record)) for (record,) in rows)
            return list(islice(filter(wanted.wants, exchanges), limit))

    def expire(self) -> int:
        """Delete what the retention says, a thousand rows at a time: other processes write in between.

        Returns:
            How many are gone.

        Raises:
            TryLaterError: the file is locked.
            sqlite3.Error: it could not be done for another reason.
        """
        if not self.retention or not self.path.exists():
            return 0
        try:
            connection = self._connected()
            gone = 0
            while (step := self._surplus(connection)) > 0:
                with connection:
                    gone += (deleted := connection.execute(_EXPIRE, (min(step, _STEP),)).rowcount)
                if not deleted:
                    break
            if gone:
                connection.executescript("PRAGMA incremental_vacuum")  # `execute` does one page only
        except sqlite3.OperationalError as error:
            self.close()
            raise TryLaterError(str(error)) from error
        return gone

    def _surplus(self, connection: sqlite3.Connection) -> int:
        """How many rows to delete next, the oldest first; 0 when nothing is left to delete."""
        retention, surplus = self.retention, 0
        (rows,) = connection.execute("SELECT count(*) FROM exchanges").fetchone()
        if retention.max_rows is not None:
            surplus = rows - retention.max_rows
        if retention.oldest is not None:
            (old,) = connection.execute(
                "SELECT count(*) FROM exchanges WHERE start < ?", [retention.oldest]
            ).fetchone()
            surplus = max(surplus, old)
        if retention.max_bytes is not None and rows:
            pages, free, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            over = 1 - retention.max_bytes / ((pages - free) * size)
            surplus = max(surplus, math.ceil(rows * over))
        return surplus

    def close(self) -> None:
        """Close the connection; SQLite folds the WAL back into the file when it is the last one."""
        if self._connection is not None and self._pid == os.getpid():
            self._connection.close()
        self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and self._pid == os.getpid() and not self._is_named():
            self.close()
        if self._connection is None or self._pid != os.getpid():
            # A connection must not cross a fork; the parent's is left to the parent.
            create_private(self.path)
            # Opened and used on the worker; closed by whoever shuts down.
            connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False)
            _prepare(connection)
            self._connection, self._pid = connection, os.getpid()
            self._file = self.path.stat()
        return self._connection

    def _is_named(self) -> bool:
        """Whether the path still names the file that is open: SQLite goes on in one that was deleted."""
        try:
            return os.path.samestat(self.path.stat(), self._file)
        except FileNotFoundError:
            return False


def _prepare(connection: sqlite3.Connection) -> None:
    """WAL mode and the table. Several processes may do so at once, the first time."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # has an effect on a new file only
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
            return
        except sqlite3.OperationalError as error:
            # Changing the journal mode does not wait for another process's lock as all else does.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _row(exchange: Exchange) -> tuple[Any, ...]:
    return (
        exchange.trace_id,
        exchange.span_id,
        exchange.timing.start,
        exchange.timing.duration,
        exchange.direction,
        exchange.service,
        exchange.request.method,
        exchange.request.path,
        exchange.route,
        exchange.response.status,
        exchange.identity.user,
        exchange.error.type if exchange.error else None,
        orjson.dumps(to_record(exchange)).decode(),
    )
