"""Exchanges in a flat table of an SQL database: PostgreSQL, MariaDB, MySQL, SQLite, by SQLAlchemy Core.

Rows are written in a transaction and over a connection of our own, never through a session of the
app's, so nothing of the app's is committed. SQLAlchemy is the extra ``sql``; the driver is yours
to choose (psycopg, PyMySQL).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

try:
    import sqlalchemy as sa
except ImportError:
    raise ImportError('the SQL store needs a library: pip install "spantap[sql]"') from None
from sqlalchemy import exc
from sqlalchemy.pool import NullPool, SingletonThreadPool, StaticPool

from spantap.codec.flat import COLUMNS, from_row, to_row
from spantap.export.files import create_private
from spantap.export.outcome import NotTakenError, RefusedError, TooLargeError, TryLaterError, not_kept
from spantap.export.retention import FOREVER, Retention
from spantap.export.search import EVERYTHING, Filter
from spantap.export.sql_model import DEFAULT_TABLE, table_named
from spantap.export.sql_url import DatabaseURL, shown
from spantap.export.store import Store
from spantap.model import Exchange
from spantap.policy.destination import DestinationPolicy
from spantap.policy.redact import Redactor, Tally

_KEY: Final = ("trace_id", "span_id")
_CONNECT_SECONDS: Final = 10
_STEP: Final = 1000  # rows deleted in one transaction
_PAGE: Final = 500  # rows read at a time
_PACKET_TOO_LARGE: Final = 1153  # MySQL's max_allowed_packet
_SAID: Final = 200  # characters of what a database says

Row = dict[str, Any]


class SQLSink(Store):
    """Writes to a table and reads from it.

    `write`, `expire` and `close` belong to one worker thread; `read` may be called from anywhere. It is
    made to be subclassed: `engine` and `table` are yours to query.

    Attributes:
        name: ``sql``.
        engine: what it connects with.
        table: the table; what it has no column for is not stored.
        retention: what it lets go of; bytes are those of the values, not of the database's files.
        policy: which exchanges it gets, and which fields of them.
    """

    name = "sql"

    def __init__(
        self,
        url: str | DatabaseURL | None = None,
        *,
        engine: sa.Engine | None = None,
        table: str | sa.Table | None = None,
        model: Any = None,
        retention: Retention = FOREVER,
        policy: DestinationPolicy | None = None,
    ) -> None:
        """Args:
        url: of the database, as SQLAlchemy reads it.
        engine: one that is there already, instead of a URL.
        table: the name of the table, which is created if need be; or a table of your own, which is not.
        model: a model of your own (see `spantap.export.sql_model.ExchangeMixin`), instead of a table.
        retention, policy: see the class.

        Raises:
            ValueError: something is missing, too much, or cannot work; the message says what.
            ImportError: the driver is not installed; the message says how to get it.
        """
        super().__init__(retention, policy)
        if (url is None) == (engine is None):
            raise ValueError("give a URL or an engine")
        if table is not None and model is not None:
            raise ValueError("give a table or a model")
        self._own = DatabaseURL.parse(url) if isinstance(url, str) else url
        self.engine = _checked(engine) if engine is not None else _engine_of(self._own)
        given = DEFAULT_TABLE if table is None else table
        if model is not None:
            given = model.__table__
        self._creates = isinstance(given, str)
        self.table: sa.Table = table_named(given) if isinstance(given, str) else given
        columns = {*COLUMNS, "row_bytes"}
        self._columns = [each.name for each in self.table.columns if each.name in columns]
        self._check_columns()
        self._pid = os.getpid()

    @property
    def target(self) -> str:
        """The URL without user and password, and the table."""
        return f"{shown(self.engine.url)} {self.table.fullname}"

    def write(self, exchanges: Sequence[Exchange], /) -> Mapping[str, int]:
        """Insert the batch in one transaction.

        Returns:
            How many of it were there already, as ``duplicate``.

        Raises:
            NotTakenError: nothing was kept; which one says whether to try again.
        """
        rows = {(each.trace_id, each.span_id): self.row(each) for each in exchanges}
        insert = self.table.insert()
        with _told():
            self._prepare()
            try:
                with self.engine.begin() as connection:
                    connection.execute(insert, list(rows.values()))
            except exc.IntegrityError:
                with self.engine.begin() as connection:
                    there = self._there(connection, rows)
                    new = [row for key, row in rows.items() if key not in there]
                    if new:
                        connection.execute(insert, new)
                rows = {key: row for key, row in rows.items() if key not in there}
        return not_kept(duplicate=len(exchanges) - len(rows))

    def row(self, exchange: Exchange) -> Row:
        """The values of a row, by column; a subclass with columns of its own adds them here."""
        flat = to_row(exchange)
        size = 0
        for name, value in flat.items():
            size += 8
            if isinstance(value, str):
                size += len(value)
                if "\0" in value:
                    flat[name] = value.replace("\0", "\ufffd")  # PostgreSQL has no form for it
        flat["row_bytes"] = size
        return {name: flat[name] for name in self._columns}

    def expire(self) -> int:
        """Delete what the retention says, a thousand rows at a time; returns how many are gone.

        Raises:
            NotTakenError: it cannot be done now.
        """
        if not self.retention:
            return 0
        with _told():
            self._prepare()
            start = self.table.c.start_ns
            with self.engine.connect() as connection:
                last = self._last_to_go(connection)
            gone = 0
            while last is not None:
                with self.engine.begin() as connection:
                    oldest = sa.select(start).where(start <= last).order_by(start)
                    step = connection.scalar(oldest.limit(1).offset(_STEP - 1))
                    gone += connection.execute(
                        self.table.delete().where(start <= (last if step is None else step))
                    ).rowcount
                if step is None:
                    break
        return gone

    def read(self, limit: int | None = 100, wanted: Filter = EVERYTHING) -> list[Exchange]:
        """Exchanges, newest first, as far as the table has columns for them.

        Args:
            limit: at most so many; None is all.
            wanted: which.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
        """
        return list(islice(filter(wanted.wants, self._newest_first(wanted)), limit))

    def probe(self, seconds: float, /) -> str | None:
        """Whether the database answers; what is wrong, None when nothing is."""
        engine = self.engine if self._own is None else _engine_of(self._own, seconds)
        try:
            with _told(), engine.connect() as connection:
                connection.execute(sa.select(1))
        except NotTakenError as answer:
            return str(answer)
        return None

    def close(self) -> None:
        """Close the connections, if the engine is not the app's."""
        if self._own is not None and self._pid == os.getpid():
            self.engine.dispose()

    def _check_columns(self) -> None:
        keys = {each.name for each in self.table.primary_key.columns}
        if keys != set(_KEY):
            raise ValueError(
                f"the primary key of {self.table.fullname} must be trace_id and span_id, so that an exchange "
                "delivered twice is stored once; ExchangeMixin has them"
            )
        needed = {"start_ns", *(["row_bytes"] if self.retention.max_bytes else [])}
        missing = needed - set(self._columns)
        if missing:
            raise ValueError(f"{self.table.fullname} needs a column {' and '.join(sorted(missing))}")

    def _prepare(self) -> None:
        """Connections must not cross a fork; the table must be there."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self.engine.dispose(close=False)  # those of the parent are the parent's
        if not self._creates:
            return
        if self.engine.url.get_backend_name() == "sqlite" and self._own is not None:
            create_private(Path(str(self.engine.url.database)))
        try:
            self.table.metadata.create_all(self.engine)
        except exc.DBAPIError:
            # Another process may have been faster, between the look whether it is there and now.
            if not sa.inspect(self.engine).has_table(self.table.name, schema=self.table.schema):
                raise
        self._creates = False

    def _there(self, connection: sa.Connection, rows: Mapping[tuple[str, str], Row]) -> set[tuple[str, str]]:
        """Which of the rows are in the table; if none is, something else is wrong with one of them."""
        key = self.table.c.trace_id, self.table.c.span_id
        traces = list({trace for trace, _ in rows})
        found = connection.execute(sa.select(*key).where(key[0].in_(traces)))
        there = {(each.trace_id, each.span_id) for each in found} & rows.keys()
        if not there:
            raise RefusedError("a row breaks a rule of the table", divisible=True)
        return there

    def _last_to_go(self, connection: sa.Connection) -> int | None:
        """The start of the newest exchange that is past the retention."""
        retention, start = self.retention, self.table.c.start_ns
        newest_first = sa.select(start).order_by(start.desc()).limit(1)
        candidates: list[int | None] = []
        if retention.oldest is not None:
            candidates.append(connection.scalar(newest_first.where(start < retention.oldest)))
        if retention.max_rows is not None:
            candidates.append(connection.scalar(newest_first.offset(retention.max_rows)))
        if retention.max_bytes is not None:
            size = self.table.c.row_bytes
            if (connection.scalar(sa.select(sa.func.sum(size))) or 0) > retention.max_bytes:
                newer = sa.func.sum(size).over(order_by=start.desc()).label("newer")
                summed = sa.select(start, newer).subquery()
                over = sa.select(sa.func.max(summed.c.start_ns)).where(summed.c.newer > retention.max_bytes)
                candidates.append(connection.scalar(over))
        return max((each for each in candidates if each is not None), default=None)

    def _newest_first(self, wanted: Filter) -> Iterator[Exchange]:
        columns = self.table.c
        order = columns.start_ns, columns.span_id
        query = sa.select(*(columns[name] for name in self._columns if name != "row_bytes"))
        query = query.where(order[0] >= wanted.since).order_by(*(each.desc() for each in order)).limit(_PAGE)
        if wanted.until is not None:
            query = query.where(order[0] < wanted.until)
        page = self._page(query)
        while page:
            yield from map(from_row, page)
            last = page[-1]["start_ns"], page[-1]["span_id"]
            older = (order[0] < last[0]) | ((order[0] == last[0]) & (order[1] < last[1]))
            page = self._page(query.where(older)) if len(page) == _PAGE else []

    def _page(self, query: sa.Select[Any]) -> list[Row]:
        with self.engine.connect() as connection:
            if not sa.inspect(connection).has_table(self.table.name, schema=self.table.schema):
                return []  # nobody has written yet
            return [dict(each) for each in connection.execute(query).mappings()]


def _checked(engine: sa.Engine) -> sa.Engine:
    if isinstance(engine.pool, StaticPool | SingletonThreadPool):
        raise ValueError(
            "this engine shares a connection with the app, and to commit rows would commit the app's: "
            "give one with another pool, or a URL"
        )
    return engine


def _engine_of(url: DatabaseURL | None, seconds: float | None = None) -> sa.Engine:
    """An engine of our own.

    Args:
        url: where to.
        seconds: to connect; then connections are not kept.
    """
    parsed = sa.make_url(url.text if url else "")
    options: dict[str, Any] = {"hide_parameters": True}
    if seconds is not None:
        options["poolclass"] = NullPool
    elif parsed.get_backend_name() != "sqlite":
        options |= {"pool_size": 1, "pool_recycle": 1800}
    if parsed.get_driver_name() in ("psycopg", "psycopg2", "pymysql", "mysqldb"):
        patience = max(2, round(seconds or _CONNECT_SECONDS))
        options["connect_args"] = {} if "connect_timeout" in parsed.query else {"connect_timeout": patience}
    return sa.create_engine(parsed, **options)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What goes wrong, as the queue knows it; what a database says may quote values, and is not passed on."""
    try:
        yield
    except exc.TimeoutError:
        raise TryLaterError("no connection of the app's pool is free") from None
    except (exc.DataError, exc.IntegrityError) as error:
        raise RefusedError(_says(error), divisible=True) from None
    except exc.DBAPIError as error:
        if error.orig is not None and error.orig.args[:1] == (_PACKET_TOO_LARGE,):
            raise TooLargeError(_says(error)) from None
        raise TryLaterError(_says(error)) from None
    except exc.SQLAlchemyError as error:
        raise ValueError(type(error).__name__) from None


def _says(error: exc.DBAPIError) -> str:
    """What went wrong, without values: all of it while connecting, later the kind and the code only."""
    original = error.orig
    if error.statement is None or type(original).__module__ == "sqlite3":
        lines = str(original).splitlines() or [""]
        return Redactor().text(lines[0][:_SAID], Tally()) or type(original).__name__
    code = getattr(original, "sqlstate", None) or next(iter(getattr(original, "args", ())), None)
    name = type(original).__name__
    return f"{name} ({code})" if isinstance(code, int) or (isinstance(code, str) and len(code) == 5) else name
