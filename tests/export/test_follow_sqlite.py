"""What is special about following SQLite: side files, row numbers, locks."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from exchanges import START
from following import arrived, numbers
from following import stored as stored_as
from spantap.export.follow import Follower, StoreError
from spantap.export.sqlite import SQLiteSink
from store_writer import numbered

stored = partial(stored_as, "sqlite")


def test_an_exchange_delivered_twice_comes_once(tmp_path: Path) -> None:
    """The store keeps it once."""
    stored(tmp_path / "s.db", 1, 2)

    with Follower(tmp_path / "s.db") as store:
        assert arrived(store) == [1, 2]
        stored(tmp_path / "s.db", 2, 3)
        assert arrived(store) == [3]


def test_a_database_without_the_table_is_an_empty_store(tmp_path: Path) -> None:
    """The first writer has made the file and not yet the table: what it writes then is new."""
    path = tmp_path / "s.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE something (else_)")

    with Follower(path, last=0) as store:
        assert arrived(store) == []
        assert store.waiting == "empty"
        stored(path, 1)
        assert arrived(store) == [1]
        assert store.waiting is None


@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize("side_files", [True, False])
def test_a_store_that_is_deleted_and_made_anew(tmp_path: Path, noticed: bool, side_files: bool) -> None:
    """The new one is read from its beginning, and nothing of it is harmed."""
    path = tmp_path / "s.db"
    stored(path, 1, 2, 3)
    with Follower(path, last=1) as store:
        assert arrived(store) == [3]
        path.unlink()
        if side_files or not noticed:
            for each in tmp_path.glob("s.db-*"):
                each.unlink()
        if noticed:
            assert arrived(store) == []
            assert store.waiting
        sink = SQLiteSink(path)
        sink.write([numbered(4)])
        assert arrived(store) == [4]
        sink.write([numbered(5)])
        assert arrived(store) == [5]

    sink.write([numbered(6)])
    sink.close()
    assert numbers(SQLiteSink(path).read()) == [6, 5, 4]
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_rows_that_take_the_numbers_of_deleted_ones_are_new(tmp_path: Path) -> None:
    """Somebody empties the table; what is written afterwards is shown."""
    path = tmp_path / "s.db"
    stored(path, *range(5))

    with Follower(path) as store:
        assert len(arrived(store)) == 5
        with closing(sqlite3.connect(path)) as other:
            other.execute("DELETE FROM exchanges")
            other.commit()
        assert arrived(store) == []
        stored(path, 8, 9)
        assert arrived(store) == [8, 9]


def test_a_reader_in_the_middle_holds_nobody_up(tmp_path: Path) -> None:
    """A writer that would not wait at all writes, and folds the whole WAL into the file."""
    path = tmp_path / "s.db"
    sink = SQLiteSink(path)
    sink.write([numbered(each) for each in range(250)])

    with Follower(path) as store, closing(sqlite3.connect(path, timeout=0)) as writer:
        reading = store.arrived()
        first = next(reading)
        writer.execute("UPDATE exchanges SET user = 'u-1'")
        writer.commit()
        busy, _, _ = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        rest = list(reading)

    assert busy == 0
    assert numbers([first, *rest]) == list(range(250))
    sink.close()


def test_what_another_release_wrote_is_left_out_and_told(tmp_path: Path) -> None:
    """One record that cannot be read does not hide the others."""
    path = tmp_path / "s.db"
    stored(path, 1, 2, 3)
    with closing(sqlite3.connect(path)) as other:
        other.execute("""UPDATE exchanges SET record = '{"version": 99}' WHERE start = ?""", [START + 2])
        other.commit()

    with Follower(path) as store:
        assert arrived(store) == [1, 3]
        assert store.unreadable


def test_a_locked_store_is_tried_again_and_no_longer_than_said(tmp_path: Path) -> None:
    """A store that is not in WAL mode, locked by its writer: patience, then an error; then all is there."""
    path = tmp_path / "s.db"
    stored(path, 1)

    with closing(sqlite3.connect(path, isolation_level=None)) as other, Follower(path, patience=1) as store:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert arrived(store) == []
        with pytest.raises(StoreError, match="locked"):
            arrived(store)
        assert time.monotonic() - began < 10
        other.execute("COMMIT")
        assert arrived(store) == [1]
