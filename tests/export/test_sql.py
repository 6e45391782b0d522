"""The SQL store, on SQLite through SQLAlchemy and on the databases that are there."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool

from exchanges import START, exchange, exchanges
from following import numbers
from services.servers import Server
from spantap.codec.flat import COLUMNS, from_row, to_row
from spantap.export.outcome import RefusedError, TryLaterError
from spantap.export.retention import Retention
from spantap.export.search import Filter
from spantap.export.sql import SQLSink
from spantap.export.sql_model import ExchangeMixin, table_named
from spantap.export.sql_url import DatabaseURL
from spantap.model import Body, Exchange, Identity, Request, Timing
from store_writer import numbered

TESTS = Path(__file__).parent.parent
DATABASES = ("sqlite", "postgresql", "mariadb")


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'traffic.db'}"
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def sink(database: str) -> Iterator[SQLSink]:
    made = SQLSink(database)
    yield made
    made.close()


@given(exchanges())
def test_a_row_holds_all_of_an_exchange(made: Exchange) -> None:
    """Every fact comes back from the row, except for bodies of bytes, which nobody makes."""
    halves: dict[str, Any] = {
        name: replace(half, body=Body(None, half.body.size, half.body.truncated, "binary"))
        for name, half in (("request", made.request), ("response", made.response))
        if isinstance(half.body.content, bytes)
    }

    assert from_row(to_row(made)) == replace(made, **halves)
    assert tuple(to_row(made)) == COLUMNS


def test_the_table_has_every_column() -> None:
    """No fact of a row is without a place."""
    assert {*COLUMNS, "row_bytes"} == {each.name for each in table_named().columns}


def test_what_is_stored_is_read_back(sink: SQLSink) -> None:
    """Equal, newest first, by filter, whatever characters are in it; and the columns are for people."""
    strange = exchange(
        span_id="0" * 15 + "1",
        request=Request("GET", "https", "/caf\u00e9/\U0001f600", body=Body('{"a": "\u2028"}' * 9000, 9)),
        identity=Identity(user="u'; DROP TABLE spantap_exchanges; --", company="acme"),
        metadata={"plan": ["gold", None, {"n": 1.5}]},
        timing=Timing(START + 99, START + 100, START + 2_500_099),
    )
    assert sink.read() == []
    assert sink.write([numbered(1), strange, numbered(2)]) == {}

    assert sink.read() == [strange, numbered(2), numbered(1)]
    assert sink.read(limit=1) == [strange]
    assert sink.read(wanted=Filter(since=START + 2, until=START + 99)) == [numbered(2)]
    assert sink.read(wanted=Filter(path="/caf*")) == [strange]
    table = sink.table.c
    with sink.engine.connect() as connection:
        query = sa.select(table.time, table.host, table.duration_ms, table.status, table.sampled)
        row = connection.execute(query.where(table.span_id == numbered(1).span_id)).one()
    assert row.time.replace(tzinfo=timezone.utc) == datetime.fromtimestamp(START // 10**9, timezone.utc)
    assert (row.host, row.status, row.sampled) == ("shop", 201, True)


def test_a_nul_has_no_form_in_postgresql(sink: SQLSink) -> None:
    """It is written as the replacement character, on every database; nothing is lost for it."""
    assert sink.write([exchange(request=Request("GET", "http", "/a\0b"))]) == {}
    assert sink.read()[0].request.path == "/a\ufffdb"


def test_a_batch_sent_again_is_stored_once(sink: SQLSink) -> None:
    """Duplicates are counted, whether they were there before or are in the same batch; the rest is stored."""
    assert sink.write([numbered(1), numbered(2)]) == {}
    assert sink.write([numbered(2), numbered(3), numbered(3), numbered(1)]) == {"duplicate": 3}
    assert sink.write([numbered(1)]) == {"duplicate": 1}
    assert numbers(sink.read()) == [3, 2, 1]


def test_retention(database: str, sink: SQLSink) -> None:
    """By rows, bytes and age: the oldest go, in steps, exactly as many as must, and are counted."""
    sink.write([numbered(each) for each in range(2500)])

    sink.retention = Retention(max_rows=1200)
    assert sink.expire() == 1300
    assert sink.expire() == 0
    assert numbers(sink.read(None)) == list(range(2499, 1299, -1))
    size = sink.row(numbered(1300))["row_bytes"]
    sink.retention = Retention(max_bytes=size * 50 + 1)
    assert sink.expire() == 1150
    assert numbers(sink.read(None)) == list(range(2499, 2449, -1))
    sink.retention = Retention(max_age=3600)
    assert sink.expire() == 50
    assert sink.read() == []
    assert SQLSink(database).expire() == 0


def test_several_processes_make_the_table_and_write(database: str) -> None:
    """Four that begin at once make one table, lose nothing and store nothing twice."""
    writers = [
        subprocess.Popen([sys.executable, "-m", "store_writer", "sql", database, str(worker)], cwd=TESTS)
        for worker in range(4)
    ]

    assert [writer.wait(120) for writer in writers] == [0] * 4
    sink = SQLSink(database)
    read = sink.read(None)
    sink.close()
    wanted = {numbered(number, worker).span_id for number in range(100) for worker in range(4)}
    assert len(read) == 400
    assert {each.span_id for each in read} == wanted


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this system does not have")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_does_not_share_connections(sink: SQLSink) -> None:
    """Parent and child go on writing, each over a connection of its own."""
    sink.write([numbered(1)])
    child = os.fork()
    if child == 0:
        status = 1
        try:
            sink.write([numbered(2)])
            sink.close()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    sink.write([numbered(3)])

    assert os.waitstatus_to_exitcode(status) == 0
    assert numbers(sink.read()) == [3, 2, 1]


def test_the_apps_session_is_not_touched(database: str) -> None:
    """Rows go in over the app's engine; what the app has not committed stays uncommitted."""

    class Base(DeclarativeBase):
        pass

    class Traffic(ExchangeMixin, Base):
        __tablename__ = "traffic"
        note: Mapped[str | None] = mapped_column(sa.Text, default="by the app")

    class Order(Base):
        __tablename__ = "orders"
        id: Mapped[int] = mapped_column(primary_key=True)

    engine = sa.create_engine(database)
    sink = SQLSink(engine=engine, model=Traffic)
    with pytest.raises(TryLaterError):
        sink.write([numbered(0)])  # the table is the app's to make
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        if not database.startswith("sqlite"):  # where the one that has begun to write keeps others out
            session.add(Order(id=1))
            session.flush()
        done = threading.Thread(target=sink.write, args=([numbered(1)],))
        done.start()
        done.join(60)
        session.rollback()
        assert session.scalars(sa.select(Order)).all() == []
        (row,) = session.scalars(sa.select(Traffic)).all()
        assert (row.path, row.status, row.note) == ("/users/7", 201, "by the app")
    assert sink.read() == [numbered(1)]
    sink.close()
    with engine.connect() as still_open:
        still_open.execute(sa.select(1))
    engine.dispose()


def test_a_table_with_fewer_columns(tmp_path: Path) -> None:
    """What a table has no column for is not stored, and read back as unknown."""
    table = sa.Table(
        "few",
        sa.MetaData(),
        *(sa.Column(name, sa.String(99), primary_key=True) for name in ("trace_id", "span_id")),
        sa.Column("start_ns", sa.BigInteger),
        sa.Column("path", sa.Text),
    )
    sink = SQLSink(f"sqlite:///{tmp_path / 'a.db'}", table=table)
    table.metadata.create_all(sink.engine)
    sink.write([numbered(1)])

    (back,) = sink.read()
    assert (back.span_id, back.request.path, back.route) == (numbered(1).span_id, "/users/7", None)
    assert back.timing.start == START + 1
    with pytest.raises(ValueError, match="row_bytes"):
        SQLSink(f"sqlite:///{tmp_path / 'a.db'}", table=table, retention=Retention(max_bytes=5))
    sink.close()


def test_a_row_the_table_does_not_take_is_refused_alone(tmp_path: Path) -> None:
    """A rule of the app's own table refuses it; the queue finds it by halving, and no value is told."""
    sink = SQLSink(f"sqlite:///{tmp_path / 'a.db'}")
    sink.table.append_constraint(sa.CheckConstraint("path <> '/secret-word'"))

    with pytest.raises(RefusedError) as refused:
        sink.write([exchange(request=Request("GET", "http", "/secret-word"))])
    assert refused.value.divisible
    assert "secret-word" not in str(refused.value)
    assert sink.write([numbered(1)]) == {}
    sink.close()


def test_errors_tell_no_secrets() -> None:
    """Who cannot be reached or does not let us in is named, without user and password."""
    sink = SQLSink("postgresql+psycopg://ada:hunter2@127.0.0.1:9/db?sslpassword=hunter3")

    with pytest.raises(TryLaterError, match=r"127\.0\.0\.1") as later:
        sink.write([exchange()])
    told = (str(later.value), str(sink.probe(2)), sink.target, repr(sink))
    assert not [each for each in told if "hunter" in each]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("shop", "use a URL such as"),
        ("sqlite://", "in memory"),
        ("sqlite:////no/such/folder/a.db", "create it first"),
        ("postgresql+asyncpg://u:hunter2@h/d", "asyncio"),
        ("cobol://u:hunter2@h/d", "SQLAlchemy knows no cobol"),
        ("postgresql+pg8000://u:hunter2@h/d", 'pip install "pg8000"'),
        ("mysql+mysqldb://u:hunter2@h/d", 'pip install "mysqlclient"'),
    ],
)
def test_urls_that_cannot_work(url: str, says: str) -> None:
    """One error that says what to do, and nothing secret."""
    with pytest.raises((ValueError, ImportError), match=says) as error:
        DatabaseURL.parse(url)
    assert "hunter2" not in str(error.value)


def test_what_cannot_be_a_store() -> None:
    """No engine or two, a connection shared with the app, a table without the key: said at once."""
    shared = sa.create_engine("sqlite://", poolclass=StaticPool)
    own = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    engine = sa.create_engine("postgresql+psycopg://127.0.0.1/x")

    with pytest.raises(ValueError, match="give a URL or an engine"):
        SQLSink()
    with pytest.raises(ValueError, match="commit the app's"):
        SQLSink(engine=shared)
    with pytest.raises(ValueError, match="primary key"):
        SQLSink(engine=engine, table=own)
    with pytest.raises(ValueError, match="a table or a model"):
        SQLSink(engine=engine, table=own, model=own)
    shared.dispose()


def test_a_sqlite_file_is_private(tmp_path: Path) -> None:
    """Only the owner reads it."""
    path = tmp_path / "a.db"
    sink = SQLSink(f"sqlite:///{path}", table="traffic")
    sink.write([exchange()])
    sink.close()

    assert path.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT method, path, status FROM traffic").fetchall() == [
            ("POST", "/users/7", 201)
        ]
    connection.close()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_database_that_is_stopped_and_comes_back(kind: str, request: pytest.FixtureRequest) -> None:
    """While it is away a batch is not lost; then it is written over a new connection, once."""
    server: Server = request.getfixturevalue(f"own_{kind}")
    sink = SQLSink(server.url)
    sink.write([numbered(1)])
    server.stop()

    for _ in range(2):
        with pytest.raises(TryLaterError):
            sink.write([numbered(2)])
    server.start()
    assert sink.write([numbered(1), numbered(2)]) == {"duplicate": 1}
    assert numbers(sink.read()) == [2, 1]
    sink.close()
