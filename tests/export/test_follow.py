"""Following real stores of both kinds: others write, delete and move them while one reads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from following import KINDS, arrived, stored
from spantap.export.follow import Follower, StoreError
from spantap.export.search import Filter
from store_writer import numbered

TESTS = Path(__file__).parent.parent
both = pytest.mark.parametrize("kind", KINDS)


@both
def test_the_last_ones_then_those_that_arrive(tmp_path: Path, kind: str) -> None:
    """So many of what is there, oldest first; then only what is new, once."""
    path = tmp_path / "store"
    sink = KINDS[kind](path)
    sink.write([numbered(each) for each in range(20)])

    with Follower(path, last=3) as store:
        assert arrived(store) == [17, 18, 19]
        assert arrived(store) == []
        sink.write([numbered(20)])
        sink.write([numbered(21), numbered(22)])
        assert arrived(store) == [20, 21, 22]
        assert arrived(store) == []
    sink.close()


@both
@pytest.mark.parametrize(("last", "shown"), [(0, 0), (1, 1), (250, 250), (10**30, 250), (None, 250)])
def test_any_number_of_last_ones(tmp_path: Path, kind: str, last: int | None, shown: int) -> None:
    """None of them, all of them, more than there are, and more than are read at once."""
    stored(kind, tmp_path / "store", *range(250))

    with Follower(tmp_path / "store", last=last) as store:
        assert arrived(store) == list(range(250 - shown, 250))


@both
@pytest.mark.parametrize(("last", "shown"), [(0, []), (2, [120, 240]), (3, [0, 120, 240])])
def test_the_last_ones_are_those_that_are_wanted(
    tmp_path: Path, kind: str, last: int, shown: list[int]
) -> None:
    """However far up they are; and what arrives is chosen in the same way."""
    path, sink = tmp_path / "store", KINDS[kind](tmp_path / "store")
    for number in range(250):
        sink.write([numbered(number, 9 if number % 120 == 0 else 0)])

    with Follower(path, Wanted(), last=last) as store:
        assert arrived(store) == shown
        sink.write([numbered(300), numbered(360, 9)])
        assert arrived(store) == [360]
    sink.close()


class Wanted(Filter):
    """Those that took longer than the others."""

    def __init__(self) -> None:
        super().__init__(slower=6)


@both
def test_what_others_write_at_the_same_time_is_seen_once(tmp_path: Path, kind: str) -> None:
    """Four processes write, one reads all the while: nothing is missing, nothing comes twice."""
    path, seen = tmp_path / "store", Counter[str]()
    writers = [
        subprocess.Popen([sys.executable, "-m", "store_writer", kind, str(path), str(worker)], cwd=TESTS)
        for worker in range(4)
    ]

    with Follower(path, last=0, patience=10) as store:
        while any(writer.poll() is None for writer in writers):
            seen.update(each.span_id for each in store.arrived())
        seen.update(each.span_id for each in store.arrived())
        assert not store.unreadable

    assert [writer.wait(60) for writer in writers] == [0] * 4
    wanted = {numbered(number, worker).span_id for number in range(100) for worker in range(4)}
    assert seen == Counter(dict.fromkeys(wanted, 1))


@both
def test_a_store_may_come_later(tmp_path: Path, kind: str) -> None:
    """Looking creates nothing; what comes is new from the first on, also behind an empty file."""
    path = tmp_path / "store"

    with Follower(path, last=0) as store:
        assert (arrived(store), store.waiting) == ([], "missing")
        assert list(tmp_path.iterdir()) == []
        path.touch()
        assert (arrived(store), store.waiting) == ([], "empty")
        stored(kind, path, 1, 2)
        assert (arrived(store), store.waiting) == ([1, 2], None)


@both
def test_another_file_moved_in_its_place_is_another_store(tmp_path: Path, kind: str) -> None:
    """The path counts, as for `tail -F`, and the new one may be of the other kind."""
    path, other, third = tmp_path / "store", tmp_path / "other", tmp_path / "third"
    stored(kind, path, 1, 2)
    stored(kind, other, 3)
    stored(next(each for each in KINDS if each != kind), third, 4)

    with Follower(path) as store:
        assert arrived(store) == [1, 2]
        other.replace(path)
        assert arrived(store) == [3]
        third.replace(path)
        assert arrived(store) == [4]


@both
def test_a_deleted_store_is_waited_for(tmp_path: Path, kind: str) -> None:
    """The one made later is read from its beginning, however few were asked for of the first."""
    path = tmp_path / "store"
    stored(kind, path, 1, 2, 3)

    with Follower(path, last=1) as store:
        assert arrived(store) == [3]
        path.unlink()
        assert arrived(store) == []
        assert store.waiting == "missing"
        stored(kind, path, 4, 5)
        assert arrived(store) == [4, 5]
        assert store.waiting is None


@both
def test_reading_changes_nothing(tmp_path: Path, kind: str) -> None:
    """Not a byte of the file, and no file more or less when it is done."""
    path = tmp_path / "store"
    stored(kind, path, *range(5))
    before, changed = path.read_bytes(), path.stat().st_mtime_ns

    with Follower(path, Filter(user="u-1")) as store:
        arrived(store)

    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, changed)
    assert [each.name for each in tmp_path.iterdir()] == ["store"]


@both
def test_closed_and_asked_again_it_goes_on(tmp_path: Path, kind: str) -> None:
    """Nothing comes twice, and nothing that was written meanwhile is missing."""
    stored(kind, tmp_path / "store", 1)
    store = Follower(tmp_path / "store")

    assert arrived(store) == [1]
    store.close()
    stored(kind, tmp_path / "store", 2)
    assert arrived(store) == [2]
    store.close()


@both
def test_a_file_out_of_reach_for_a_while_is_read_on(tmp_path: Path, kind: str) -> None:
    """While the system says no it is busy; afterwards it goes on where it was."""
    path, aside = tmp_path / "store", tmp_path / "aside"
    stored(kind, path, 1)

    with Follower(path, patience=2) as store:
        assert arrived(store) == [1]
        path.rename(aside)
        path.symlink_to(path)  # leads to itself: an error of the system at every look
        assert arrived(store) == []
        assert store.waiting == "busy"
        path.unlink()
        aside.rename(path)
        stored(kind, path, 2)
        assert arrived(store) == [2]
        assert store.waiting is None


def test_patience_ends(tmp_path: Path) -> None:
    """So many failures in a row, and the next one is the error."""
    path = tmp_path / "store"
    path.symlink_to(path)

    with Follower(path, patience=2) as store:
        assert [arrived(store), arrived(store)] == [[], []]
        with pytest.raises(StoreError, match="store: Too many levels of symbolic links"):
            arrived(store)


def test_a_file_that_is_no_store_is_an_error_at_once(tmp_path: Path) -> None:
    """However patient: it will not become one. The message names it."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)

    with Follower(path, patience=100) as store, pytest.raises(StoreError, match=r"notes\.txt: is neither"):
        arrived(store)


def test_a_damaged_database_is_an_error_at_once(tmp_path: Path) -> None:
    """It begins like one, and is none."""
    path = tmp_path / "s.db"
    path.write_bytes(b"SQLite format 3\0" + b"not a database " * 100)

    with Follower(path, patience=100) as store, pytest.raises(StoreError, match="not a database"):
        arrived(store)


def test_a_file_one_may_not_read_is_an_error_at_once(tmp_path: Path) -> None:
    """Nobody is going to change that while one waits."""
    path = tmp_path / "store"
    stored("jsonl", path, 1)
    path.chmod(0)

    with (
        not_root(),
        Follower(path, patience=100) as store,
        pytest.raises(StoreError, match="Permission denied"),
    ):
        arrived(store)


@contextmanager
def not_root() -> Iterator[None]:
    """Root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@both
def test_an_interrupt_ends_a_search(tmp_path: Path, kind: str) -> None:
    """Ctrl-C in the middle of the filter is not taken for an unreadable store."""
    stored(kind, tmp_path / "store", 1)

    class Interrupted(Filter):
        def holds(self, *facts: object) -> bool:
            raise KeyboardInterrupt

    with Follower(tmp_path / "store", Interrupted(), patience=100) as store, pytest.raises(KeyboardInterrupt):
        arrived(store)
