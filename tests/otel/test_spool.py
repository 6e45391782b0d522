"""A queue with a spool under it: real files, and destinations that fail as they are told."""

from __future__ import annotations

import logging
import os
import random
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from spantap.export.outcome import RefusedError, TooLargeError, TryLaterError
from spantap.otel import spool as spool_module
from spantap.otel import spooling as spooling_module
from spantap.otel.budget import Budget, Parcel
from spantap.otel.delivery_stats import DeliveryStats
from spantap.otel.queue import Batching, DeliveryQueue
from spantap.otel.spooling import Spooling

WAIT = 30.0
MB = 1024 * 1024
QUICK = Batching(delay=0.01)


class Destination:
    """Keeps batches when it is up, and says what it is told to when not."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self.batches: list[list[str]] = []
        self.refused: list[list[str]] = []
        self.says: Callable[[Sequence[str]], None] = lambda names: None
        self.tried = threading.Event()

    def deliver(self, spans: Sequence[ReadableSpan], /) -> Mapping[str, int]:
        names = [span.name for span in spans]
        self.tried.set()
        if not self.up:
            self.refused.append(names)
            raise TryLaterError("is down")
        self.says(names)
        self.batches.append(names)
        return {}

    def close(self) -> None:
        pass

    def interrupt(self) -> None:
        pass

    @property
    def names(self) -> list[str]:
        return [name for batch in self.batches for name in batch]


class Spools:
    """Makes queues with spools in one directory, each as a process would, and stops them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.queues: list[DeliveryQueue] = []
        self.budget = Budget(64 * MB)

    def queue(
        self,
        destination: Destination,
        batching: Batching = QUICK,
        *,
        budget: int = 64 * MB,
        max_bytes: int = 64 * MB,
        max_age: float = 3600,
        target: str = "t",
    ) -> DeliveryQueue:
        self.budget = Budget(budget)
        spooling = Spooling(self.directory, max_bytes, max_age)
        queue = DeliveryQueue("d", lambda: destination, batching, spooling.of("d", target, self.budget))
        self.queues.append(queue)
        return queue

    def put(self, queue: DeliveryQueue, name: str, size: int = 100) -> None:
        """Put a span that has about so many bytes, with memory made for it as the processor does."""
        if not self.budget.charge(size):
            queue.page_out(size)
            if not self.budget.charge(size):
                queue.refuse("budget")
                return
        context = SpanContext(1, random.getrandbits(63) + 1, False, TraceFlags(1))
        parcel = Parcel(
            ReadableSpan(name, context=context, attributes={"x": "x" * size}, start_time=1), size, self.budget
        )
        queue.put(parcel)
        parcel.release()

    def files(self) -> list[Path]:
        return [path for path in self.directory.rglob("*") if path.is_file() and path.name != "lock"]

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.files())


@pytest.fixture
def spools(tmp_path: Path) -> Iterator[Spools]:
    made = Spools(tmp_path / "spool")
    yield made
    for queue in made.queues:
        queue.shutdown(0.1)


def until(queue: DeliveryQueue, wanted: Callable[[DeliveryStats], bool]) -> DeliveryStats:
    """The counts, once they are as wanted."""
    deadline = time.monotonic() + WAIT
    while not wanted(queue.stats()):
        assert time.monotonic() < deadline, queue.stats()
        time.sleep(0.005)
    return queue.stats()


def balanced(stats: DeliveryStats) -> bool:
    left = stats.adopted
    return (
        stats.captured == stats.exported + stats.queued + stats.spooled + sum(stats.dropped.values())
        and left.captured == left.exported + left.spooled + sum(left.dropped.values())
        and min(stats.queued, stats.spooled, left.spooled) >= 0
    )


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def test_what_waits_is_on_disk(spools: Spools) -> None:
    """A moment after it was put it is on disk, for its owner alone; delivered, it is there no more."""
    destination = Destination(up=False)
    queue = spools.queue(destination)

    for name in numbers(20):
        spools.put(queue, name)
    stats = until(queue, lambda stats: stats.spooled == 20)

    assert stats.queued == 0
    assert balanced(stats)
    for path in spools.directory.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    destination.up = True
    assert queue.flush(WAIT)
    assert destination.names == numbers(20)
    assert queue.stats().exported == 20
    assert spools.files() == []
    assert spools.budget.used == 0


def test_nothing_exists_before_the_first_span(spools: Spools) -> None:
    """A process that captures nothing makes no directory and no thread."""
    before = threading.active_count()
    queue = spools.queue(Destination())

    assert queue.flush(1)
    assert threading.active_count() == before
    assert not spools.directory.exists()


def test_memory_is_bounded_and_nothing_is_lost(spools: Spools) -> None:
    """Ten times what memory holds waits for a dead destination, and all of it arrives, in order."""
    destination = Destination(up=False)
    queue = spools.queue(destination, Batching(delay=0.01, max_items=50), budget=100_000)

    for name in numbers(1000):
        spools.put(queue, name, 1000)
        if not int(name) % 50:
            until(queue, lambda stats: stats.queued == 0)
    assert spools.budget.used <= 100_000
    assert queue.stats().dropped == {}
    destination.up = True

    assert queue.flush(WAIT)
    assert destination.names == numbers(1000)
    assert queue.stats().exported == 1000
    assert balanced(queue.stats())
    assert spools.budget.used == 0


def test_a_queue_that_is_full_of_items_goes_to_disk(spools: Spools) -> None:
    """`QUEUE_MAX_ITEMS` bounds what is in memory; with a spool nothing is lost to it."""
    destination = Destination(up=False)
    queue = spools.queue(destination, Batching(delay=0.01, max_items=10, max_queued=100))

    for name in numbers(500):
        spools.put(queue, name)
        if not int(name) % 50:
            until(queue, lambda stats: stats.queued == 0)
    assert queue.stats().dropped == {}
    destination.up = True

    assert queue.flush(WAIT)
    assert sorted(destination.names, key=int) == numbers(500)


def test_what_a_queue_leaves_the_next_one_delivers(spools: Spools) -> None:
    """Shutting down loses nothing that is on disk; who comes next counts it apart from its own."""
    down, up = Destination(up=False), Destination()
    first = spools.queue(down)
    for name in numbers(30):
        spools.put(first, name)

    assert first.shutdown(0.2)
    assert first.stats().spooled == 30
    assert balanced(first.stats())
    second = spools.queue(up)
    second.begin()
    stats = until(second, lambda stats: stats.adopted.exported == 30)

    assert up.names == numbers(30)
    assert (stats.captured, stats.exported) == (0, 0)
    assert balanced(stats)
    assert second.shutdown(WAIT)
    assert spools.files() == []


def test_what_was_for_another_address_is_not_delivered(spools: Spools) -> None:
    """A directory that is shared by mistake hands nothing from one collector to another."""
    first = spools.queue(Destination(up=False), target="https://a")
    spools.put(first, "secret to b")
    first.shutdown(0.2)
    other = Destination()
    second = spools.queue(other, target="https://b")

    spools.put(second, "mine")
    assert second.flush(WAIT)
    second.shutdown(WAIT)

    assert other.names == ["mine"]
    assert len(spools.files()) > 0


def test_batches_are_sent_again_as_they_were(spools: Spools) -> None:
    """Whoever sends it, and though it had to leave memory: a batch is what it was at its first try."""
    down = Destination(up=False)
    first = spools.queue(down, Batching(delay=0.01, max_items=7))
    for name in numbers(20):
        spools.put(first, name)
    assert down.tried.wait(WAIT)
    first.page_out(1 << 30)
    first.shutdown(0.1)
    tried = down.refused[0]
    up = Destination()
    second = spools.queue(up, Batching(delay=0.01, max_items=512))
    second.begin()
    until(second, lambda stats: stats.adopted.exported == 20)

    assert len(tried) <= 7
    assert up.batches[0] == tried
    assert up.names == numbers(20)
    assert all(batch == tried for batch in down.refused)


def test_a_batch_in_halves_is_halves_afterwards(spools: Spools) -> None:
    """What was too large together is not tried together again by the next process."""
    first_half = threading.Event()

    def too_large(names: Sequence[str]) -> None:
        if len(names) > 2:
            raise TooLargeError("too large")
        first_half.set()
        raise TryLaterError("is down")

    destination = Destination()
    destination.says = too_large
    first = spools.queue(destination, Batching(delay=0.2))
    for name in numbers(8):
        spools.put(first, name)
    assert first_half.wait(WAIT)
    first.shutdown(0.1)
    up = Destination()
    second = spools.queue(up)
    second.begin()
    until(second, lambda stats: stats.adopted.exported == 8)

    assert up.batches[0] == ["0", "1"]
    assert sorted(up.names) == numbers(8)


def test_damage_is_counted(spools: Spools) -> None:
    """Records that rot while only the disk has them are lost, counted, and nothing else is."""
    destination = Destination(up=False)
    queue = spools.queue(destination, Batching(delay=0.01, max_items=5), budget=1 * MB)
    for name in numbers(100):
        spools.put(queue, name)
    until(queue, lambda stats: stats.spooled == 100)
    until(queue, lambda stats: stats.failures > 0)
    queue.page_out(1 << 30)
    (records,) = [path for path in spools.files() if path.suffix == ".records"]
    data = bytearray(records.read_bytes())
    data[-3] ^= 1
    records.write_bytes(bytes(data))
    destination.up = True

    assert queue.flush(WAIT)
    stats = queue.stats()
    assert stats.exported == 99
    assert stats.dropped == {"corrupt": 1}
    assert destination.names == numbers(99)
    assert balanced(stats)


def test_the_disk_is_bounded_and_the_oldest_go(spools: Spools) -> None:
    """`SPOOL_MAX_BYTES` holds; what had to go is counted, and what is newest arrives."""
    destination = Destination(up=False)
    queue = spools.queue(destination, Batching(delay=0.01, max_items=5), budget=500_000, max_bytes=MB)
    for name in numbers(2500):
        spools.put(queue, name, 1000)
        if not int(name) % 50:
            until(queue, lambda stats: stats.queued <= 150)
            assert spools.size <= MB
            assert balanced(queue.stats())
    stats = queue.stats()
    assert set(stats.dropped) == {"spool_full"}
    destination.up = True

    assert queue.flush(WAIT)
    stats = queue.stats()
    assert stats.exported == 2500 - stats.dropped["spool_full"]
    arrived = sorted(map(int, destination.names))
    assert len(arrived) == stats.exported
    assert arrived[-500:] == list(range(2000, 2500))
    assert balanced(stats)


def test_what_is_too_old_goes(spools: Spools) -> None:
    """What lay on disk alone for longer than `SPOOL_MAX_AGE` is not delivered, but counted."""
    first = spools.queue(Destination(up=False))
    for name in numbers(10):
        spools.put(first, name)
    first.shutdown(0.1)
    for path in spools.files():
        os.utime(path, (time.time() - 5000, time.time() - 5000))
    destination = Destination()
    second = spools.queue(destination)

    second.begin()
    stats = until(second, lambda stats: stats.adopted.dropped.get("spool_age") == 10)

    assert balanced(stats)
    assert second.flush(WAIT)
    assert destination.names == []


def test_what_is_for_nobody_is_not_kept_for_ever(spools: Spools, caplog: pytest.LogCaptureFixture) -> None:
    """What was left for an address nobody sends to any more is deleted when it is too old, not before."""
    for target in ("https://old", "https://new"):
        left = spools.queue(Destination(up=False), target=target)
        for name in numbers(10):
            spools.put(left, name)
        left.shutdown(0.1)
        if target.endswith("old"):
            for path in spools.files():
                os.utime(path, (time.time() - 5000, time.time() - 5000))

    queue = spools.queue(Destination())
    queue.begin()
    deadline = time.monotonic() + WAIT
    while len(list(spools.directory.rglob("*.records"))) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    queue.shutdown(1)

    (told,) = [each.getMessage() for each in caplog.records if "too old" in each.getMessage()]
    assert told.startswith("spool: 10 spans for d-")
    assert [path.suffix for path in spools.files()].count(".records") == 1


def test_a_disk_that_takes_nothing_costs_nothing_else(
    spools: Spools, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files cannot be made the queue does as it does without a spool, says so once, and counts it."""
    monkeypatch.setattr(spool_module, "_AGAIN", 0.05)
    spools.directory.write_bytes(b"a file is in the way")
    destination = Destination(up=False)
    queue = spools.queue(destination)
    for name in numbers(10):
        spools.put(queue, name)
    stats = until(queue, lambda stats: stats.spool_failing is not None)

    assert stats.spool_failing == "Not a directory"
    assert (stats.queued, stats.spooled) == (10, 0)
    time.sleep(0.2)  # it tries again, and says nothing
    warnings = [each.message for each in caplog.records if each.levelno >= logging.WARNING]
    assert [each for each in warnings if "spool" in each] == [
        "the spool takes nothing (Not a directory): what is captured is in memory alone"
    ]
    spools.directory.unlink()
    spools.put(queue, "10")
    stats = until(queue, lambda stats: stats.spooled == 11)
    assert stats.spool_failing is None
    destination.up = True
    assert queue.flush(WAIT)
    assert queue.stats().exported == 11


def test_what_was_never_on_disk_is_counted(spools: Spools) -> None:
    """`unspooled` tells how many were done with while the disk took nothing."""
    spools.directory.write_bytes(b"a file is in the way")
    destination = Destination()
    queue = spools.queue(destination)
    for name in numbers(10):
        spools.put(queue, name)

    assert queue.flush(WAIT)
    stats = queue.stats()
    assert (stats.exported, stats.unspooled) == (10, 10)
    assert balanced(stats)


def test_adopted_ones_that_are_refused_are_not_our_loss(spools: Spools) -> None:
    """What an earlier process left and nobody takes is dropped from its count, not from ours."""
    first = spools.queue(Destination(up=False))
    spools.put(first, "old")
    first.shutdown(0.1)
    destination = Destination()

    def picky(names: Sequence[str]) -> None:
        if "old" in names:
            raise RefusedError("no")

    destination.says = picky
    second = spools.queue(destination)
    spools.put(second, "new")
    stats = until(second, lambda stats: stats.adopted.dropped == {"refused": 1} and stats.exported == 1)

    assert stats.dropped == {}
    assert destination.names == ["new"]


def test_a_living_process_is_not_robbed(spools: Spools, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that share a directory deliver what is theirs; when one ends, the other takes over."""
    monkeypatch.setattr(spooling_module, "_ROUND", 0.05)
    down, up = Destination(up=False), Destination()
    first, second = spools.queue(down), spools.queue(up)
    spools.put(first, "of the first")
    spools.put(second, "of the second")
    until(first, lambda stats: stats.spooled == 1)
    until(second, lambda stats: stats.exported == 1)
    spools.put(second, "more")
    until(second, lambda stats: stats.exported == 2)
    assert second.stats().adopted.captured == 0

    first.shutdown(0.1)
    until(second, lambda stats: stats.adopted.exported == 1)

    assert up.names == ["of the second", "more", "of the first"]


def test_the_counts_add_up_at_any_time(spools: Spools) -> None:
    """Threads put, memory runs short, the disk is small, the destination comes and goes: no count is off."""
    destination = Destination()
    queue = spools.queue(
        destination, Batching(delay=0.0, max_items=20, max_queued=300), budget=100_000, max_bytes=2 * MB
    )
    off: list[DeliveryStats] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            stats = queue.stats()
            if not balanced(stats):
                off.append(stats)
            time.sleep(0.0005)

    def work(start: int) -> None:
        for number in range(start, start + 500):
            spools.put(queue, str(number), 500)
            if number % 7 == 0:
                destination.up = not destination.up
            if number % 11 == 0:
                queue.page_out(20_000)

    watcher = threading.Thread(target=watch)
    workers = [threading.Thread(target=work, args=(start * 500,)) for start in range(4)]
    for thread in (watcher, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    destination.up = True
    assert queue.flush(WAIT)
    done.set()
    watcher.join()
    stats = queue.stats()

    assert off == []
    assert stats.captured == 2000
    assert stats.exported == len(destination.names) == len(set(destination.names))
    assert spools.budget.used == 0
    assert balanced(stats)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this system does not have")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_a_journal_of_its_own(spools: Spools) -> None:
    """What the parent has on disk stays the parent's; the child writes its own, and delivers it."""
    destination = Destination(up=False)
    queue = spools.queue(destination)
    spools.put(queue, "parent")
    until(queue, lambda stats: stats.spooled == 1)

    child = os.fork()
    if child == 0:
        ours = 1
        try:
            destination.up = True
            spools.budget.reset_after_fork()
            spools.put(queue, "child")
            right = queue.flush(WAIT) and destination.names == ["child"]
            stats = queue.stats()
            ours = 0 if right and stats.captured == stats.exported == 1 and not stats.adopted.captured else 1
        finally:
            os._exit(ours)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    destination.up = True
    assert queue.flush(WAIT)
    assert destination.names == ["parent"]


def test_one_that_never_fits_does_not_keep_the_others_from_the_disk(spools: Spools) -> None:
    """A record larger than the whole spool stays in memory; those behind it are on disk a moment later."""
    queue = spools.queue(Destination(up=False), max_bytes=MB)
    spools.put(queue, "large", MB + 100_000)
    for name in numbers(50):
        spools.put(queue, name)

    stats = until(queue, lambda stats: stats.spooled == 50)

    assert (stats.queued, stats.unspooled, stats.spool_failing) == (1, 1, None)
    assert balanced(stats)


def test_a_share_is_left_where_others_have_all(spools: Spools, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process has a sixteenth of the bounds, whatever others keep there, and uses it."""
    monkeypatch.setattr(spooling_module, "_ROUND", 0.05)
    others = spools.directory / "other" / "journal"
    others.mkdir(parents=True)
    (others / "file").write_bytes(b"0" * MB)
    queue = spools.queue(Destination(up=False), max_bytes=MB)
    spools.put(queue, "first", 3000)
    until(queue, lambda stats: stats.spooled == 1)
    time.sleep(0.5)  # it has gone round, and knows of the others
    for name in numbers(100):
        spools.put(queue, name, 3000)

    stats = until(queue, lambda stats: stats.spooled > 5 and stats.dropped.get("spool_full", 0) == 0)

    assert stats.spool_failing is None
    assert balanced(stats)


@pytest.mark.parametrize("what", ["the directory", "the records"])
def test_files_that_are_deleted_under_it(spools: Spools, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever deletes the files of a running process: what is in memory is written anew, as what comes is."""
    monkeypatch.setattr(spool_module, "_AGAIN", 0.1)
    queue = spools.queue(Destination(up=False))
    for name in numbers(10):
        spools.put(queue, name)
    until(queue, lambda stats: stats.spooled == 10)
    if what == "the directory":
        shutil.rmtree(spools.directory)
        spools.directory.mkdir(mode=0o700)
    else:
        for path in spools.files():
            path.unlink()
    for name in numbers(10):
        spools.put(queue, f"later {name}")

    def whole(stats: DeliveryStats) -> bool:
        return stats.spooled == 20 and stats.spool_failing is None

    assert balanced(until(queue, whole))
    destination = Destination()
    queue.shutdown(0.1)
    queue = spools.queue(destination)
    queue.begin()
    until(queue, lambda stats: stats.adopted.exported == 20)
    assert sorted(destination.names) == sorted([*numbers(10), *(f"later {name}" for name in numbers(10))])
