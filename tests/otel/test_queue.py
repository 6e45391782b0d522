from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import pytest
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk.trace import ReadableSpan

from spantap.export.outcome import RefusedError
from spantap.otel.budget import Budget, Parcel
from spantap.otel.queue import Batching, DeliveryQueue
from spantap.otel.retry import Delivery


class Destination:
    """A destination that keeps batches, and may be slow, refuse or fail."""

    def __init__(self, behave: Callable[[], bool] = lambda: True) -> None:
        self.batches: list[list[str]] = []
        self.closed = 0
        self.thread: str | None = None
        self.traced: bool | None = None
        self._behave = behave

    def deliver(self, spans: Sequence[ReadableSpan], /) -> Mapping[str, int]:
        self.thread = threading.current_thread().name
        self.traced = is_instrumentation_enabled()
        if not self._behave():
            raise RefusedError("refused")
        self.batches.append([span.name for span in spans])
        return {}

    def close(self) -> None:
        self.closed += 1

    def interrupt(self) -> None:
        pass

    @property
    def names(self) -> list[str]:
        return [name for batch in self.batches for name in batch]


def put(queue: DeliveryQueue, budget: Budget, name: str, size: int = 100) -> None:
    assert budget.charge(size)
    parcel = Parcel(ReadableSpan(name), size, budget)
    queue.put(parcel)
    parcel.release()


def balanced(queue: DeliveryQueue) -> bool:
    stats = queue.stats()
    return stats.captured == stats.exported + stats.queued + sum(stats.dropped.values())


def test_delivers_in_order_and_gives_the_bytes_back() -> None:
    """Everything put is delivered once, in order, and nothing stays charged."""
    destination, budget = Destination(), Budget(10_000)
    queue = DeliveryQueue("d", lambda: destination, Batching(delay=0.01))

    for number in range(50):
        put(queue, budget, str(number))

    assert queue.flush(5)
    assert destination.names == [str(number) for number in range(50)]
    assert budget.used == 0
    assert queue.stats().exported == 50
    queue.shutdown(1)


def test_nothing_starts_before_the_first_span() -> None:
    """A queue that was given nothing has no thread and has opened nothing."""
    opened: list[int] = []

    def open_destination() -> Delivery:
        opened.append(1)
        return Destination()

    before = threading.active_count()
    queue = DeliveryQueue("lazy", open_destination, Batching())

    assert queue.flush(1)
    assert threading.active_count() == before
    assert queue.shutdown(1)
    assert opened == []


def test_batches_are_bounded_in_items_and_bytes() -> None:
    """No batch is larger than either bound, except that a single large span goes alone."""
    gate = threading.Event()
    destination, budget = Destination(lambda: gate.wait(5)), Budget(100_000)
    queue = DeliveryQueue("d", lambda: destination, Batching(max_items=3, max_bytes=250, delay=0.01))

    for number, size in enumerate([100, 100, 100, 1000, 10, 10, 10, 10]):
        put(queue, budget, str(number), size)
    gate.set()

    assert queue.flush(5)
    assert destination.names == [str(number) for number in range(8)]
    assert all(len(batch) <= 3 for batch in destination.batches)
    assert ["3"] in destination.batches
    queue.shutdown(1)


def test_a_full_queue_drops_and_counts_and_never_waits() -> None:
    """With a dead destination the caller is not held up, and every loss is counted."""
    gate = threading.Event()
    destination, budget = Destination(lambda: gate.wait(10)), Budget(1_000_000)
    queue = DeliveryQueue("d", lambda: destination, Batching(delay=0.0, max_queued=5, max_items=1))

    began = time.monotonic()
    for number in range(100):
        put(queue, budget, str(number))
    took = time.monotonic() - began

    assert took < 2
    assert queue.stats().dropped["queue_full"] >= 90
    assert balanced(queue)
    gate.set()
    assert queue.flush(5)
    assert balanced(queue)
    assert budget.used == 0
    queue.shutdown(1)


def test_shutdown_is_bounded_and_counts_what_is_left() -> None:
    """A destination that hangs holds up the exit for the time given, no longer."""
    gate = threading.Event()
    destination, budget = Destination(lambda: gate.wait(10)), Budget(10_000)
    queue = DeliveryQueue("d", lambda: destination, Batching(delay=0.0, max_items=1))
    for number in range(5):
        put(queue, budget, str(number))

    began = time.monotonic()
    done = queue.shutdown(0.3)

    assert not done
    assert time.monotonic() - began < 2
    assert queue.stats().dropped["shutdown"] >= 3
    put_after = Parcel(ReadableSpan("late"), 0, budget)
    queue.put(put_after)
    assert balanced(queue)
    gate.set()


def test_shutdown_closes_the_destination() -> None:
    """What the destination opened is released when the queue ends."""
    destination, budget = Destination(), Budget(10_000)
    queue = DeliveryQueue("d", lambda: destination, Batching(delay=0.0))
    put(queue, budget, "one")

    assert queue.shutdown(5)

    assert destination.names == ["one"]
    assert destination.closed == 1


def test_deliveries_are_not_traced() -> None:
    """The worker delivers with instrumentation suppressed, on its own thread."""
    destination, budget = Destination(), Budget(10_000)
    queue = DeliveryQueue("quiet", lambda: destination, Batching(delay=0.0))

    put(queue, budget, "one")
    queue.flush(5)

    assert destination.traced is False
    assert destination.thread == "spantap-quiet"
    queue.shutdown(1)


def test_a_parcel_in_two_queues_is_charged_once() -> None:
    """The bytes come back when the last queue is done, not before and not twice."""
    gate = threading.Event()
    fast, slow = Destination(), Destination(lambda: gate.wait(10))
    budget = Budget(1000)
    queues = [
        DeliveryQueue("fast", lambda: fast, Batching(delay=0.0)),
        DeliveryQueue("slow", lambda: slow, Batching(delay=0.0)),
    ]

    assert budget.charge(400)
    parcel = Parcel(ReadableSpan("both"), 400, budget)
    for queue in queues:
        queue.put(parcel)
    parcel.release()
    assert queues[0].flush(5)
    held = budget.used
    gate.set()
    assert queues[1].flush(5)

    assert held == 400
    assert budget.used == 0
    for queue in queues:
        queue.shutdown(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this system does not have")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_delivers_each_span_once() -> None:
    """What the parent had queued stays the parent's; the child starts empty and delivers its own."""
    destination, budget = Destination(), Budget(10_000)
    queue = DeliveryQueue("d", lambda: destination, Batching(delay=60.0))
    put(queue, budget, "parent")

    child = os.fork()
    if child == 0:
        put(queue, budget, "child")
        right = queue.flush(5) and destination.names == ["child"] and queue.stats().captured == 1
        os._exit(0 if right else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert queue.flush(5)
    assert destination.names == ["parent"]
    queue.shutdown(1)


def test_many_threads_lose_nothing() -> None:
    """Eight threads putting at once: every span is delivered exactly once."""
    destination, budget = Destination(), Budget(10_000_000)
    queue = DeliveryQueue("d", lambda: destination, Batching(delay=0.0, max_items=7))

    def work(start: int) -> None:
        for number in range(start, start + 200):
            put(queue, budget, str(number))

    threads = [threading.Thread(target=work, args=(start * 200,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert queue.flush(10)
    assert sorted(map(int, destination.names)) == list(range(1600))
    assert balanced(queue)
    assert budget.used == 0
    queue.shutdown(1)


def test_shutting_down_again_does_not_wait_again() -> None:
    """Exit handlers of several owners add no time up: the second shutdown returns at once."""
    gate = threading.Event()
    destination, budget = Destination(lambda: gate.wait(10)), Budget(10_000)
    queue = DeliveryQueue("d", lambda: destination, Batching(delay=0.0))
    put(queue, budget, "one")
    queue.shutdown(0.2)

    began = time.monotonic()
    queue.shutdown(5)

    assert time.monotonic() - began < 0.1
    gate.set()


def test_when_no_thread_can_be_started_the_span_is_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that is shutting down allows no new threads (Python 3.12); nothing is lost to that."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    destination, budget = Destination(), Budget(10_000)
    queue = DeliveryQueue("d", lambda: destination, Batching(delay=0.01))
    assert budget.charge(100)
    parcel = Parcel(ReadableSpan("a"), 100, budget)
    monkeypatch.setattr(threading.Thread, "start", refuse)

    queue.put(parcel)
    parcel.release()

    assert destination.names == ["a"]
    assert destination.traced is False
    assert queue.stats().queued == budget.used == 0
    assert balanced(queue)
