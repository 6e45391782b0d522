"""What waits for one destination when there is a spool: on disk, and in memory as long as there is room.

What is put is on disk a moment later, and stays in memory as well: it is sent from there, and read
back only if it had to give way, or if another process has written it. What is sent is on disk
before, with what it is sent together with: should the process be killed, the next one sends the same
batches.

Two locks. The queue's own (`guard`) is held for moments, by requests as well. `Spooling.writing` is held
while files are changed, never by a request, and always taken first.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from spantap.export.spool.journal import Journal, Place, runs_of
from spantap.export.spool.segment import DONE, WAITING, Segment, size_of
from spantap.guard import logger, report
from spantap.otel.budget import Budget, Parcel
from spantap.otel.paged import Paged, Stored
from spantap.otel.protobuf import SingleEncoder
from spantap.otel.waiting import SpoolStats

if TYPE_CHECKING:
    from spantap.otel.spooling import Spooling

_CHUNK: Final = 64  # records written at once
_SLICE: Final = 8  # spans encoded until whoever waits for the interpreter gets it
_PATIENCE: Final = 1.0  # seconds the end of a process waits for others to be done with the files
_AGAIN: Final = 5.0  # seconds until a disk that took nothing is tried again
_NOT_THERE: Final = object()


class Spooled(Paged):
    """What waits for one destination, in memory and on disk.

    Attributes:
        folder: where the journals for this destination are.
    """

    def __init__(
        self,
        spooling: Spooling,
        folder: Path,
        budget: Budget,
        guard: AbstractContextManager[Any],
        resume: Callable[[], None],
    ) -> None:
        """Args:
        spooling: the spool of the process.
        folder: see `folder`.
        budget: what is read back is charged to it.
        guard: the lock of the queue.
        resume: tells the queue that there is work.
        """
        super().__init__(budget)
        self._spooling = spooling
        self.folder = folder
        self._guard = guard
        self._resume = resume
        self._last_begun: list[Place] = []
        self._failing: str | None = None
        self._retry_at = 0.0
        self._encoder = SingleEncoder()
        self._begun_here = self._closed = False

    # What the queue asks, its lock held ---------------------------------------------------------

    @property
    def spool(self) -> SpoolStats:
        """What is on disk."""
        return SpoolStats(self._own_left, self._adopted_left, self._unspooled, self._failing)

    def begin(self) -> None:
        """Look for what earlier processes have left; write down what comes."""
        if not self._begun_here and not self._closed:
            self._begun_here = True
            self._spooling.join(self)

    def add(self, parcel: Parcel) -> None:
        """One more, at the end; it is on disk a moment later."""
        super().add(parcel)
        self._fresh[parcel] = None
        if not self._begun_here:
            self.begin()
        self._spooling.wake()

    # What the worker asks, no lock held ---------------------------------------------------------

    def ready(self, batch: list[Parcel]) -> list[Parcel]:
        """Put on disk what is not there, read what is only there, and note that it goes together."""
        self.write()
        if any(isinstance(parcel, Stored) and not parcel.read for parcel in batch):
            self._read(batch)
            batch = self.out
        self._begin_batch(batch)
        return batch

    def record(self) -> None:
        """Mark what is done, so that nobody sends it again."""
        with self._spooling.writing:
            with self._guard:
                finished, self._finished = self._finished, []
            if self._closed:
                return
            with self._guard:
                for journal in self._adopted.copy():
                    journal.tidy()
                    if not journal.segments:
                        self._adopted.remove(journal)
                        journal.close()
                if self._journal is not None:
                    self._journal.tidy(active=False)
            for segment, runs in runs_of(finished):
                if not segment.gone:
                    with suppress(OSError):  # then somebody may get it twice
                        segment.mark_done(runs)

    def write(self, *, now: bool = False) -> None:
        """Put on disk what is not there yet.

        Args:
            now: also if that has just failed.
        """
        with self._spooling.writing:
            if self._closed or (time.monotonic() < self._retry_at and not now):
                return
            with self._guard:
                fresh = list(self._fresh)
            try:
                for start in range(0, len(fresh), _CHUNK):
                    self._write(fresh[start : start + _CHUNK])
            except OSError as error:
                self._fails(error.strerror or type(error).__name__)
            except Exception as error:  # noqa: BLE001 - our bug must not end the thread
                report("writing to the spool", error)
                self._fails(type(error).__name__)
            else:
                if fresh and self._failing is not None:
                    logger.info("the spool takes spans again")
                    self._failing = None

    def keep(self) -> None:
        """The process may end: everything goes to disk, and what is done is deleted there.

        In a signal handler, which may have come while its thread held the queue's lock: whoever changes
        files may be waiting for that.
        """
        if self._spooling.writing.acquire(timeout=_PATIENCE):
            try:
                self.write(now=True)
                self.record()
                self.tidy()
            finally:
                self._spooling.writing.release()

    def tidy(self) -> None:
        """Delete the files nothing is left in."""
        with self._spooling.writing, self._guard:
            if self._journal is not None and not self._fresh:
                self._journal.tidy()

    def close(self) -> None:
        """Leave what is on disk to other processes."""
        with self._spooling.writing:
            if self._closed:
                return
            self.record()
            self.tidy()
            self._closed = True
            self._spooling.leave(self)
            for journal in self._journals():
                journal.close()

    def forget(self) -> None:
        """In a forked child: the files are the parent's."""
        self._closed = True
        for journal in self._journals():
            journal.forget()

    # What the spool's thread asks, no lock held -------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes on disk that are this process's to keep or to delete."""
        return sum(journal.size for journal in self._journals())

    def adopt(self, between: Callable[[], None]) -> None:
        """Take over what processes that have ended left.

        Args:
            between: called after every file that was read: that takes its time.
        """
        known = {journal.path for journal in self._journals()}
        try:
            found = sorted(path for path in self.folder.iterdir() if path not in known)
        except OSError:
            return
        for path in found:
            try:
                journal = Journal.adopt(path)
            except OSError as error:
                logger.debug("spool: %s: %s", path, error.strerror)
                continue
            if journal is not None:
                for _ in journal.read():
                    between()
                self._take_over(journal)

    def expire(self, seconds: float) -> None:
        """Drop what has been on disk alone for so long."""
        with self._spooling.writing:
            for journal in self._journals():
                for segment in journal.segments.copy():
                    if time.time() - segment.written > seconds:
                        self._evict(journal, segment, "spool_age")
            self.record()

    def evict_oldest(self) -> bool:
        """Delete the oldest file; False when there is none that can go."""
        for journal in self._journals():
            for segment in journal.segments.copy():
                if self._evict(journal, segment, "spool_full"):
                    return True
        return False

    # ---------------------------------------------------------------------------------------------

    def _read(self, batch: Sequence[Parcel]) -> None:
        """Fill what is on disk alone; what cannot be read is lost, and counted."""
        unread = [parcel for parcel in batch if isinstance(parcel, Stored) and not parcel.read]
        payloads: list[bytes | None] = []
        with self._spooling.writing:
            for segment, runs in runs_of([self._places[parcel] for parcel in unread]):
                numbers = [number for run in runs for number in range(run.first, run.first + run.length)]
                payloads += segment.payloads(numbers)
        for at, (parcel, payload) in enumerate(zip(unread, payloads, strict=True), 1):
            if not at % _SLICE:
                time.sleep(0)
            span = _span_of(payload)
            if span is not None:
                parcel.fill(span, self._budget)
                continue
            with self._guard:
                self.ledger_of([parcel]).dropped["corrupt"] += 1
                self.out = [each for each in self.out if each is not parcel]
                self._finish(parcel)

    def _begin_batch(self, batch: Sequence[Parcel]) -> None:
        """Note, on disk, what is sent together: an ``Idempotency-Key`` is made of it."""
        with self._spooling.writing:
            places = [place for parcel in batch if (place := self._places.get(parcel)) is not None]
            if self._closed or not places or places == self._last_begun:
                return
            for journal in self._journals():
                if places[0][0] in journal.segments:
                    with suppress(OSError):
                        journal.begin_batch(places)
            self._last_begun = places

    def _write(self, parcels: Sequence[Parcel]) -> None:
        """Encode and write, a part of a file at a time."""
        written: list[tuple[Parcel, bytes]] = []
        size = 0
        for at, parcel in enumerate(parcels, 1):
            if not at % _SLICE:
                time.sleep(0)
            payload = self._payload(parcel.span)
            if payload is None:
                self._keep_in_memory(parcel)
                continue
            alone = size_of([payload])
            if alone > self._spooling.allowed:  # never fits: it must not keep the others from the disk
                self._keep_in_memory(parcel)
                continue
            if written and size + alone > min(self._spooling.segment_bytes, self._spooling.allowed):
                self._append(written)
                written, size = [], 0
            written.append((parcel, payload))
            size += alone
        if written:
            self._append(written)

    def _append(self, written: Sequence[tuple[Parcel, bytes]]) -> None:
        payloads = [payload for _, payload in written]
        if not self._spooling.make_room(size_of(payloads)):
            raise OSError(errno.ENOSPC, "SPOOL_MAX_BYTES is spent")
        if self._journal is None:
            self._journal = Journal.create(self.folder)
        try:
            segment = self._journal.append(
                payloads, self._spooling.segment_bytes, self._spooling.segment_seconds
            )
        except FileNotFoundError:  # somebody has deleted our files
            journal, self._journal = self._journal, None
            for each in journal.segments.copy():
                self._evict(journal, each, "corrupt", out=True)
            journal.close()
            raise
        with self._guard:
            first = len(segment.states) - len(payloads)
            for number, (parcel, _) in enumerate(written, first):
                self._own_left += 1
                place = segment, number
                if self._fresh.pop(parcel, _NOT_THERE) is None:
                    self._places[parcel] = place
                else:  # done with, or dropped, in the meantime
                    self._set(place, DONE)
                    self._finished.append(place)

    def _payload(self, span: ReadableSpan) -> bytes | None:
        try:
            context = span.get_span_context()
            sampled = context is not None and context.trace_flags.sampled
            return (b"\1" if sampled else b"\0") + self._encoder.encode(span)
        except Exception:  # noqa: BLE001 - a value that has no form: whoever sends it will find that, too
            return None

    def _keep_in_memory(self, parcel: Parcel) -> None:
        with self._guard:
            if self._fresh.pop(parcel, _NOT_THERE) is None:
                self._unspooled += 1

    def _fails(self, says: str) -> None:
        if self._failing is None:
            logger.warning("the spool takes nothing (%s): what is captured is in memory alone", says)
        self._failing = says
        self._retry_at = time.monotonic() + _AGAIN

    def _take_over(self, journal: Journal) -> None:
        with self._spooling.writing:
            with self._guard:
                if self._closed:
                    journal.close()
                    return
                left = sum(segment.left for segment in journal.segments)
                lost = sum(segment.lost for segment in journal.segments)
                self._adopted.append(journal)
                self._on_disk += left
                self._adopted_left += left
                self.adopted.captured += left + lost
                self.adopted.lose("corrupt", lost)
                self._begun.extend(journal.begun_batches())
            self.expire(self._spooling.max_age)  # before anybody delivers it
        if left or lost:
            logger.info("spool: %d spans of an earlier process, %d of them damaged", left + lost, lost)
            self._resume()

    def _evict(self, journal: Journal, segment: Segment, reason: str, *, out: bool = False) -> bool:
        """Delete a file: what is on disk alone is lost; False when it is just being sent."""
        with self._guard:
            if not out and any(self._places.get(parcel, (None, 0))[0] is segment for parcel in self.out):
                return False
            held = [parcel for parcel, place in self._places.items() if place[0] is segment]
            if segment.adopted and held:
                self._page_out_tried()
                held = []
            for parcel in held:  # stays in memory
                self._set(self._places.pop(parcel), DONE)
                if out and not isinstance(parcel, Stored):
                    self._fresh[parcel] = None  # to be written anew
            lost = segment.waiting
            for number in [number for number, state in enumerate(segment.states) if state == WAITING]:
                self._set((segment, number), DONE)
            (self.adopted if segment.adopted else self.own).lose(reason, lost)
            journal.discard(segment)
        return True


def _span_of(payload: bytes | None) -> ReadableSpan | None:
    from spantap.otel.read_back import read_back  # needed rarely, and protobuf with it

    if payload is None:
        return None
    try:
        return read_back(payload[1:], sampled=payload[:1] == b"\1")
    except Exception as error:  # noqa: BLE001 - whatever it is, the worker lives
        report("reading a span from the spool", error)
        return None
