from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from exchanges import START, exchange
from following import numbers
from spantap.export import sqlite
from spantap.export.csv import CSVSink
from spantap.export.jsonl import JSONLSink
from spantap.export.memory import MemorySink
from spantap.export.outcome import TryLaterError
from spantap.export.search import Filter
from spantap.export.sqlite import SQLiteSink
from store_writer import KINDS, numbered

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize("kind", ["sqlite", "jsonl", "csv"])
def test_several_processes_share_a_store(kind: str, tmp_path: Path) -> None:
    """Four processes writing at once lose nothing and mix nothing."""
    path = tmp_path / "store"
    writers = [
        subprocess.Popen([sys.executable, "-m", "store_writer", kind, str(path), str(worker)], cwd=TESTS)
        for worker in range(4)
    ]

    assert [writer.wait(60) for writer in writers] == [0] * 4
    read = KINDS[kind](path).read(None)
    wanted = {numbered(number, worker).span_id for number in range(100) for worker in range(4)}
    assert {each.span_id for each in read} == wanted
    assert len(read) == 400


@pytest.mark.matrix
def test_processes_that_open_a_store_at_once(tmp_path: Path) -> None:
    """Workers that make a new file together, as a server's do, all write to it."""
    for attempt in range(4):
        path, start = tmp_path / f"{attempt}.db", str(time.time() + 1.5)
        command = [sys.executable, "-m", "store_writer", "sqlite", str(path)]
        writers = [subprocess.Popen([*command, str(worker), start], cwd=TESTS) for worker in range(6)]

        assert [writer.wait(60) for writer in writers] == [0] * 6
        assert len(SQLiteSink(path).read(limit=1000)) == 600


def test_sqlite_gives_back_what_was_stored(tmp_path: Path) -> None:
    """A stored exchange is read back equal, newest first, by service and by time."""
    sink = SQLiteSink(tmp_path / "s.db")
    first, second, other = numbered(1), numbered(2), exchange(service="other")

    sink.write([first, second, other])

    assert sink.read(wanted=Filter(service="shop")) == [second, first]
    assert sink.read(limit=1) == [second]
    assert sink.read(wanted=Filter(since=START + 2)) == [second]
    sink.close()
    assert len(SQLiteSink(tmp_path / "s.db").read()) == 3


def test_sqlite_stores_an_exchange_once(tmp_path: Path) -> None:
    """The same trace id and span id delivered twice is one row, and counted."""
    sink = SQLiteSink(tmp_path / "s.db")

    assert sink.write([exchange()]) == {}
    assert sink.write([exchange(), numbered(1)]) == {"duplicate": 1}

    assert len(sink.read()) == 2
    sink.close()


def test_sqlite_is_in_wal_mode_and_private(tmp_path: Path) -> None:
    """Readers do not stop writers, and only the owner may read the file."""
    path = tmp_path / "s.db"
    sink = SQLiteSink(path)
    sink.write([exchange()])

    with sqlite3.connect(path) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM exchanges").fetchall()
        sink.write([numbered(1)])
    reader.close()

    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    sink.close()


def test_sqlite_that_is_locked_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file another process holds on to is no loss: the batch is kept later."""
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.1)
    path = tmp_path / "s.db"
    sink = SQLiteSink(path)
    sink.write([numbered(1)])

    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TryLaterError, match="locked"):
            sink.write([numbered(2)])
        other.rollback()

    assert sink.write([numbered(2)]) == {}
    assert len(sink.read()) == 2
    sink.close()


@pytest.mark.parametrize("kind", [JSONLSink, CSVSink])
def test_lines_on_a_full_disk(kind: type[JSONLSink] | type[CSVSink], tmp_path: Path) -> None:
    """What the disk has room for is written, once; the rest when there is room again, and nothing torn."""
    path = tmp_path / "store"
    sink = kind(path)
    sink.write([numbered(0)])
    batch = [numbered(number) for number in range(1, 5)]
    length = len(sink.line(batch[0]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + length * 2 + 10, hard))
    try:
        for _ in range(2):
            with pytest.raises(OSError, match="File too large"):
                sink.write(batch)
            assert numbers(sink.read()) == [2, 1, 0]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)

    assert sink.write(batch) == {}
    assert sink.write([numbered(5)]) == {}
    sink.close()
    assert numbers(sink.read()) == [5, 4, 3, 2, 1, 0]
    assert len(path.read_bytes().splitlines()) == 6 + sink.heads


@pytest.mark.parametrize("kind", ["sqlite", "sql"])
def test_a_database_on_a_full_disk(kind: str, tmp_path: Path) -> None:
    """Nothing of the batch is kept until there is room, and then all of it, once."""
    path = tmp_path / "store"
    sink = KINDS[kind](path if kind == "sqlite" else f"sqlite:///{path}")
    sink.write([numbered(0)])
    batch = [numbered(number) for number in range(1, 500)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50_000, hard))
    try:
        for _ in range(2):
            with pytest.raises(TryLaterError):
                sink.write(batch)
            assert numbers(sink.read()) == [0]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)

    assert sink.write(batch) == {}
    assert numbers(sink.read(None)) == list(range(499, -1, -1))
    sink.close()


@pytest.mark.parametrize("kind", [SQLiteSink, JSONLSink])
def test_a_closed_store_opens_again(kind: type[SQLiteSink] | type[JSONLSink], tmp_path: Path) -> None:
    """After close, the next write goes on in the same file."""
    sink = kind(tmp_path / "store")

    sink.write([numbered(1)])
    sink.close()
    sink.write([numbered(2)])
    sink.close()

    assert len(list(sink.read())) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this system does not have")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("kind", [SQLiteSink, JSONLSink])
def test_a_store_survives_a_fork(kind: type[SQLiteSink] | type[JSONLSink], tmp_path: Path) -> None:
    """Parent and child go on writing to the same store, each with a handle of its own."""
    sink = kind(tmp_path / "store")
    sink.write([numbered(1)])

    child = os.fork()
    if child == 0:
        sink.write([numbered(2)])
        sink.close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    sink.write([numbered(3)])
    sink.close()

    assert os.waitstatus_to_exitcode(status) == 0
    assert {each.timing.start - START for each in sink.read()} == {1, 2, 3}


def test_reading_a_store_that_is_not_there(tmp_path: Path) -> None:
    """Reading does not create a store."""
    with pytest.raises(FileNotFoundError):
        SQLiteSink(tmp_path / "none.db").read()
    assert list(tmp_path.iterdir()) == []


def test_memory_keeps_the_newest() -> None:
    """The memory store is a ring: the oldest go first."""
    sink = MemorySink(limit=3)

    sink.write([numbered(number) for number in range(5)])

    assert [each.timing.start - START for each in sink.read()] == [4, 3, 2]
    assert len(sink.read(limit=1)) == 1
    sink.clear()
    assert sink.read() == []
