"""Following real stores: other connections and other processes write while one reads."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from exchanges import START
from spantap.export.follow import Follower, StoreError
from spantap.export.search import Filter
from spantap.export.sqlite import SQLiteSink
from spantap.model import Exchange
from store_writer import numbered

TESTS = Path(__file__).parent.parent


def numbers(exchanges: Sequence[Exchange]) -> list[int]:
    return [each.timing.start - START for each in exchanges]


def arrived(store: Follower) -> list[int]:
    return numbers(list(store.arrived()))


def stored(path: Path, *which: int) -> None:
    """Written, and the file closed."""
    sink = SQLiteSink(path)
    sink.write([numbered(each) for each in which])
    sink.close()


def test_the_last_ones_then_those_that_arrive(tmp_path: Path) -> None:
    """So many of what is there, oldest first; then only what is new, once."""
    sink = SQLiteSink(tmp_path / "s.db")
    sink.write([numbered(each) for each in range(20)])

    with Follower(tmp_path / "s.db", last=3) as store:
        assert arrived(store) == [17, 18, 19]
        assert arrived(store) == []
        sink.write([numbered(20)])
        sink.write([numbered(7), numbered(21)])  # 7 is there already
        assert arrived(store) == [20, 21]
        assert arrived(store) == []
    sink.close()


@pytest.mark.parametrize(("last", "shown"), [(0, 0), (1, 1), (250, 250), (10**30, 250), (None, 250)])
def test_any_number_of_last_ones(tmp_path: Path, last: int | None, shown: int) -> None:
    """None of them, all of them, more than there are, and more than are read at once."""
    stored(tmp_path / "s.db", *range(250))

    with Follower(tmp_path / "s.db", last=last) as store:
        assert arrived(store) == list(range(250 - shown, 250))


def test_what_others_write_at_the_same_time_is_seen_once(tmp_path: Path) -> None:
    """Four processes write, one reads all the while: nothing is missing, nothing comes twice."""
    path, seen = tmp_path / "s.db", Counter[str]()
    writers = [
        subprocess.Popen([sys.executable, "-m", "store_writer", "sqlite", str(path), str(worker)], cwd=TESTS)
        for worker in range(4)
    ]

    with Follower(path, last=0, patience=10) as store:
        while any(writer.poll() is None for writer in writers):
            seen.update(each.span_id for each in store.arrived())
        seen.update(each.span_id for each in store.arrived())

    assert [writer.wait(60) for writer in writers] == [0] * 4
    wanted = {numbered(number, worker).span_id for number in range(100) for worker in range(4)}
    assert seen == Counter(dict.fromkeys(wanted, 1))


def test_a_store_may_come_later(tmp_path: Path) -> None:
    """Looking creates nothing; what comes is new from the first row, also behind an empty file."""
    path = tmp_path / "s.db"

    with Follower(path, last=0) as store:
        assert arrived(store) == []
        assert store.waiting
        assert list(tmp_path.iterdir()) == []
        path.touch()
        assert arrived(store) == []
        assert store.waiting
        stored(path, 1, 2)
        assert arrived(store) == [1, 2]
        assert not store.waiting


def test_a_database_without_the_table_is_an_empty_store(tmp_path: Path) -> None:
    """The first writer has made the file and not yet the table: what it writes then is new."""
    path = tmp_path / "s.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE something (else_)")

    with Follower(path, last=0) as store:
        assert arrived(store) == []
        stored(path, 1)
        assert arrived(store) == [1]


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


def test_another_file_moved_in_its_place_is_another_store(tmp_path: Path) -> None:
    """The path counts, as for `tail -F`."""
    path, other = tmp_path / "s.db", tmp_path / "other.db"
    stored(path, 1, 2)
    stored(other, 3)

    with Follower(path) as store:
        assert arrived(store) == [1, 2]
        other.replace(path)
        assert arrived(store) == [3]


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


def test_reading_changes_nothing(tmp_path: Path) -> None:
    """Not a byte of the file, and no file more or less when it is done."""
    path = tmp_path / "s.db"
    stored(path, *range(5))
    before, changed = path.read_bytes(), path.stat().st_mtime_ns

    with Follower(path, Filter(user="u-1")) as store:
        arrived(store)

    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, changed)
    assert [each.name for each in tmp_path.iterdir()] == ["s.db"]


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


def test_what_another_release_wrote_is_left_out_and_counted(tmp_path: Path) -> None:
    """One record that cannot be read does not hide the others."""
    path = tmp_path / "s.db"
    stored(path, 1, 2, 3)
    with closing(sqlite3.connect(path)) as other:
        other.execute("""UPDATE exchanges SET record = '{"version": 99}' WHERE start = ?""", [START + 2])
        other.commit()

    with Follower(path) as store:
        assert arrived(store) == [1, 3]
        assert store.unreadable == 1


def test_a_file_that_is_no_store_is_an_error_at_once(tmp_path: Path) -> None:
    """However patient: it will not become one. The message names it."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)

    with (
        Follower(path, patience=100) as store,
        pytest.raises(StoreError, match=r"notes\.txt.*not a database"),
    ):
        arrived(store)


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
