"""One bounded queue and one worker thread per destination.

A slow or dead destination holds its own queue and nobody else's. Nothing exists before the
first item of a process: no thread, no exporter, no file, no socket. After a fork the child
starts empty; the parent delivers what it had.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan

from spantap.guard import logger, quietly, report
from spantap.otel.anew import made_anew
from spantap.otel.batching import Batching as Batching
from spantap.otel.budget import Parcel
from spantap.otel.child_end import at_child_end
from spantap.otel.delivery_stats import DeliveryStats
from spantap.otel.retry import Delivery, Outcome, Tries
from spantap.otel.shed import STAGES
from spantap.otel.waiting import MakeWaiting, in_memory

_EXIT_SECONDS: Final = 5.0
_TICK: Final = 10.0  # an idle worker wakes this often
_SOME: Final = 256 * 1024  # bytes of what is on disk that leave a full queue at once


class DeliveryQueue:
    """Bounded, never blocks the caller. Thread-safe, fork-safe.

    Attributes:
        name: the destination's name, for stats and logs.
        capacity: spans it may hold.
    """

    def __init__(
        self,
        name: str,
        open_delivery: Callable[[], Delivery],
        batching: Batching,
        waiting: MakeWaiting = in_memory,
    ) -> None:
        """Args:
        name: the destination's name.
        open_delivery: makes the exporter; called on the worker thread at the first batch.
        batching: when a batch goes out.
        waiting: makes what holds the spans meanwhile.
        """
        self._make_waiting = waiting
        self.name = name
        self._open_delivery = open_delivery
        self._batching = batching
        self.capacity = batching.max_queued
        self._reset()
        _queues.add(self)

    def _reset(self) -> None:
        self._condition = threading.Condition()
        self._here = threading.RLock()  # held while a thread of the app delivers
        self._items = self._make_waiting(self._condition, self.resume)
        self._worker: threading.Thread | None = None
        self._delivery: Delivery | None = None
        self._flush_wanted = False
        self._settle_wanted = False
        self._closed = False
        self._lightened: Counter[str] = Counter()
        self._tries = Tries(self.name)
        self._due = 0.0  # not to be tried before
        self._resting = False
        self._told = 0

    def put(self, parcel: Parcel) -> None:
        """Queue a span, or count it as dropped; waits for the destination only as the process ends."""
        ending = False
        with self._condition:
            own = self._items.own
            own.captured += 1
            if self._closed:
                own.dropped["shutdown"] += 1
                return
            if len(self._items) >= self._batching.max_queued and not self._items.page_out(_SOME):
                own.dropped["queue_full"] += 1
                return
            parcel.hold()
            self._items.add(parcel)
            if self._worker is None:
                ending = not self._start_worker()
            elif not self._resting and (len(self._items) == 1 or self._batch_is_full()):
                self._condition.notify_all()
        if ending:
            self._deliver_here()

    def refuse(self, reason: str) -> None:
        """Count a span that could not even be offered (the budget was spent)."""
        with self._condition:
            self._items.own.captured += 1
            self._items.own.dropped[reason] += 1

    def leave_out(self) -> None:
        """Count an exchange that the destination's policy leaves out."""
        with self._condition:
            self._items.own.left_out += 1

    def stats(self) -> DeliveryStats:
        """The counts as of now."""
        with self._condition:
            expired = getattr(self._delivery, "expired", 0)
            return self._items.stats(self._lightened, self._tries.failures, self._tries.failing, expired)

    @property
    def waiting_bytes(self) -> int:
        """Estimated bytes of what waits here in memory."""
        return self._items.bytes

    def hurry(self) -> None:
        """Send what is queued now, without waiting for it: a destination that rests is tried again."""
        with self._condition:
            if self._items.total:
                self._flush_wanted = True
                self._due = min(self._due, self._tries.asked_until)
                self._condition.notify_all()

    def flush(self, timeout: float) -> bool:
        """Send what is queued now.

        Args:
            timeout: seconds to wait.

        Returns:
            Whether everything was sent or counted as lost within the time.
        """
        deadline = time.monotonic() + timeout
        self.hurry()
        with self._condition:
            while self._items.total or self._items.out:
                if self._closed:
                    break  # what is under way is not waited for a second time
                self._flush_wanted = True
                left = deadline - time.monotonic()
                # It asked for more time than there is: no use waiting.
                asked = not self._items.out and self._tries.asked_until > deadline
                if left <= 0 or self._worker is None or asked:
                    self._flush_wanted = False
                    break
                self._condition.wait(left)
            done = not (self._items.total or self._items.out)
        self._items.keep()
        return done

    def settle(self, timeout: float) -> None:
        """Everything of every destination is flushed: let this one say so, within seconds."""
        with self._condition:
            if self._worker is None or self._closed or not hasattr(self._delivery, "settled"):
                return
            if self._items.out:  # it was not flushed in time
                return
            self._settle_wanted = True
            self._condition.notify_all()
            self._condition.wait_for(lambda: not self._settle_wanted, timeout)

    def shutdown(self, timeout: float) -> bool:
        """Send what is queued, then stop; what is left in memory after the timeout is counted as lost.

        Returns:
            Whether nothing was lost.

        Called again it does nothing: exit handlers of several owners may meet here.
        """
        with self._condition:
            if self._closed:
                return not self._items.out
        done = self.flush(timeout)
        self.tell_what_waits()
        with self._condition:
            self._closed = True
            self._drop_all("shutdown")
            lost = not done and self._items.own.dropped["shutdown"] > 0
            worker, delivery = self._worker, self._delivery
            self._condition.notify_all()
        if not done and delivery is not None:
            quietly(delivery.interrupt, "interrupting a destination")
        if worker is not None and worker is not threading.current_thread():
            worker.join(min(timeout, 1.0))
        self._items.close()
        return done or not (lost or self._items.in_memory_alone)

    def tell_what_waits(self) -> None:
        """The process may end with it: say so, once for each number."""
        with self._condition:
            spooled = self._items.spool.own
            if spooled and not self._closed:
                logger.info("%s: %d spans wait in the spool", self.name, spooled)
            count = self._items.in_memory_alone
            if not count or count == self._told or self._closed:
                return
            self._told = count
            why = self._tries.failing or "there was too little time"
        logger.warning("%s: %d spans undelivered as the process ends: %s", self.name, count, why)

    def _start_worker(self) -> bool:
        """Start the thread; False when the interpreter is shutting down and allows no new one."""
        worker = threading.Thread(target=self._run, name=f"spantap-{self.name}", daemon=True)
        try:
            worker.start()
        except RuntimeError:
            return False
        self._worker = worker
        at_child_end(_flush_all)
        return True

    def _deliver_here(self) -> None:
        """The process ends and nobody will come for what is queued: send it from this thread."""
        with suppress_instrumentation(), self._here:
            while self._items.total:
                with self._condition:
                    batch = self._take()
                self._deliver(batch)
                if self._resting:
                    self.tell_what_waits()
                    with self._condition:
                        self._drop_all("shutdown")
                    return

    def _drop_all(self, reason: str) -> None:
        self._items.own.lose(reason, self._items.drop_all())

    def page_out(self, wanted: int) -> None:
        """Let go from memory what is on disk, as many bytes as are wanted."""
        with self._condition:
            self._items.page_out(wanted)

    def lighten(self, stage: int, wanted: int, size_of: Callable[[ReadableSpan], int]) -> int:
        """Give up a part (index into `shed.STAGES`) of what waits here; the bytes that gives back.

        Args:
            stage: which part.
            wanted: how many bytes.
            size_of: estimated bytes of a span.
        """
        with self._condition:
            freed, count = self._items.lighten(stage, wanted, size_of)
            if count:
                self._lightened[STAGES[stage]] += count
            return freed

    def drop_oldest(self, wanted: int, reason: str) -> None:
        """Drop as many of those that wait longest as make up so many bytes."""
        with self._condition:
            self._items.own.lose(reason, self._items.drop_oldest(wanted))

    def weigh(self) -> None:
        """Spans may have become lighter in another queue: count the bytes anew."""
        with self._condition:
            self._items.weigh()

    def _batch_is_full(self) -> bool:
        batching = self._batching
        return self._items.total >= batching.max_items or self._items.bytes >= batching.max_bytes

    def _run(self) -> None:
        # Our own deliveries are never traced, or each export would make the next one.
        with suppress_instrumentation():
            while True:
                batch = self._next_batch()
                if batch is None:
                    break
                if batch:
                    self._deliver(batch)
                self._settle()
            if self._delivery is not None:
                quietly(self._delivery.close, "closing a destination")
                logger.debug("%s: closed", self.name)

    def _settle(self) -> None:
        settled: Any = getattr(self._delivery, "settled", None)  # stores have it
        if settled is not None:
            try:
                settled(final=self._settle_wanted)
            except Exception as error:  # noqa: BLE001 - beside the point: what matters is delivered
                report(f"settling {self.name}", error)
        if self._settle_wanted:
            with self._condition:
                self._settle_wanted = False
                self._condition.notify_all()

    def _next_batch(self) -> list[Parcel] | None:
        """Wait for a batch that is full, old enough or asked for; empty after a while; None when closed."""
        with self._condition:
            while not self._items.total or self._resting:
                if self._closed:
                    return None
                if self._settle_wanted:
                    return []
                left = _TICK
                if self._items.total:
                    left = self._due - time.monotonic()
                    if left <= 0:
                        self._resting = False
                        break
                else:
                    self._flush_wanted = self._resting = False
                if not self._condition.wait(min(left, _TICK)) and left >= _TICK:
                    return []
            due = time.monotonic() + self._batching.delay
            while not (self._flush_wanted or self._closed or self._items.portions or self._batch_is_full()):
                left = due - time.monotonic()
                if left <= 0:
                    break
                self._condition.wait(left)
            return self._take()

    def _take(self) -> list[Parcel]:
        return self._items.next_batch(self._batching.max_items, self._batching.max_bytes)

    def _deliver(self, batch: list[Parcel]) -> None:
        batch = self._items.ready(batch)
        if not batch:
            return
        began = time.monotonic()
        logger.debug("%s: %d spans to send, %d more queued", self.name, len(batch), self._items.total)
        spans = [parcel.span for parcel in batch]
        outcome = self._tries.send(self._opened, spans, hurry=self._flush_wanted)
        took = (time.monotonic() - began) * 1000
        lost, again = sum(outcome.lost.values()), sum(outcome.again)
        sent = len(batch) - lost - again
        told = "%s: %d sent, %d lost, %d to be tried again, in %.0f ms"
        logger.debug(told, self.name, sent, lost, again, took)
        with self._condition:
            ledger = self._items.ledger_of(batch)
            ledger.exported += sent
            ledger.dropped.update(outcome.lost)
            self._lightened.update(outcome.lightened)
            if again:
                self._put_back(batch, outcome)
            else:
                self._items.done(batch)
            self._condition.notify_all()
        if not again:
            self._items.record()
            for parcel in batch:
                parcel.release()

    def _put_back(self, batch: list[Parcel], outcome: Outcome) -> None:
        self._items.put_back(batch, outcome.again)
        self._due = time.monotonic() + outcome.wait
        self._resting = outcome.wait > 0
        if self._closed:
            self._drop_all("shutdown")

    def _opened(self) -> Delivery:
        if self._delivery is None:
            self._delivery = self._open_delivery()
            logger.debug("%s: opened", self.name)
        return self._delivery

    def reset_after_fork(self) -> None:
        """In the child: start empty, with new locks and no thread."""
        self._items.forget()
        self._reset()

    def begin(self) -> None:
        """The process begins to serve: look for what earlier ones have left on disk."""
        with self._condition:
            self._items.begin()

    def resume(self) -> None:
        """There is something to deliver that nobody has put here."""
        with self._condition:
            if self._worker is None and not self._closed:
                self._start_worker()
            self._condition.notify_all()


def _flush_all() -> None:
    queues = list(_queues)
    for queue in queues:
        queue.hurry()
    deadline = time.monotonic() + _EXIT_SECONDS
    for queue in queues:
        if not queue.flush(max(0.0, deadline - time.monotonic())):
            queue.tell_what_waits()


_queues: weakref.WeakSet[DeliveryQueue] = weakref.WeakSet()


def _reset_queues() -> None:
    for queue in list(_queues):
        queue.reset_after_fork()


made_anew(_reset_queues, lambda: not any(queue.stats().captured for queue in list(_queues)))
