"""What waits for one destination: in order, with its bytes counted, and able to give way.

Its queue guards it with its own lock; nothing here locks.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.sdk.trace import ReadableSpan

from spantap.otel.budget import Parcel
from spantap.otel.delivery_stats import AdoptedStats, DeliveryStats
from spantap.otel.shed import without


@dataclass(frozen=True, slots=True)
class SpoolStats:
    """What is on disk.

    Attributes:
        own: how many spans of this process, waiting or being sent.
        adopted: how many that others have left.
        unspooled: how many of this process were done with and had never been there.
        failing: why the disk takes nothing; None when it does.
    """

    own: int = 0
    adopted: int = 0
    unspooled: int = 0
    failing: str | None = None


class Ledger:
    """What came of spans, so far.

    Attributes:
        captured: how many were offered.
        exported: how many the destination took.
        dropped: reason -> how many it did not get.
        left_out: how many its policy left out, which are not in `captured`.
    """

    __slots__ = ("captured", "dropped", "exported", "left_out")

    def __init__(self) -> None:
        self.captured = self.exported = self.left_out = 0
        self.dropped: Counter[str] = Counter()

    def lose(self, reason: str, count: int) -> None:
        """So many did not get there."""
        if count:
            self.dropped[reason] += count


class Waiting(deque[Parcel]):
    """Parcels in memory, oldest first. `spantap.otel.spool` has one whose parcels are on disk, too.

    Attributes:
        bytes: estimated bytes of all.
        portions: how the front of it is cut, after tries that asked for that.
        out: the batch that is being sent.
        own: what came of the spans of this process.
        adopted: what came of those an earlier process has left on disk.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.portions: deque[int] = deque()
        self.out: list[Parcel] = []
        self.own = Ledger()
        self.adopted = Ledger()

    @property
    def total(self) -> int:
        """How many wait, wherever they are."""
        return len(self)

    @property
    def in_memory_alone(self) -> int:
        """How many are not on disk, waiting or being sent."""
        return len(self) + len(self.out)

    @property
    def spool(self) -> SpoolStats:
        """What is on disk."""
        return SpoolStats()

    def stats(
        self, lightened: Mapping[str, int], failures: int, failing: str | None, expired: int
    ) -> DeliveryStats:
        """The counts as of now, with what the tries and the delivery have told."""
        own, adopted, spool = self.own, self.adopted, self.spool
        return DeliveryStats(
            captured=own.captured,
            exported=own.exported,
            queued=self.in_memory_alone,
            dropped=dict(own.dropped),
            lightened=dict(lightened),
            expired=expired,
            left_out=own.left_out,
            failures=failures,
            failing=failing,
            spooled=spool.own,
            unspooled=spool.unspooled,
            spool_failing=spool.failing,
            adopted=AdoptedStats(adopted.captured, adopted.exported, spool.adopted, dict(adopted.dropped)),
        )

    # Called by the queue's worker, or as the process ends, without the queue's lock; they raise nothing.

    def ready(self, batch: list[Parcel]) -> list[Parcel]:
        """Make a batch ready to be sent; what cannot be is counted, and left out of it."""
        return batch

    def record(self) -> None:
        """Remember, for whoever comes after this process, what is done."""

    def keep(self) -> None:
        """The process may end: bring to safety what can be."""

    def close(self) -> None:
        """Leave what is safe to others."""

    def forget(self) -> None:
        """In a forked child: all of it is the parent's."""

    # With the queue's lock held.

    def begin(self) -> None:
        """Look for what earlier processes have left."""

    def add(self, parcel: Parcel) -> None:
        """One more, at the end."""
        self.append(parcel)
        self.bytes += parcel.size

    def ledger_of(self, batch: Sequence[Parcel]) -> Ledger:
        """Where it is counted what comes of a batch."""
        return self.own

    def page_out(self, wanted: int) -> int:
        """Let those go from memory that are on disk, until so many bytes are free; how many are."""
        return 0

    def next_batch(self, max_items: int, max_bytes: int) -> list[Parcel]:
        """Take what is to be sent next; it is `out` from then on."""
        self.out = self.take(max_items, max_bytes)
        return self.out

    def done(self, batch: Sequence[Parcel]) -> None:
        """Nothing of a batch is sent any more."""
        self.out = []

    def take(self, max_items: int, max_bytes: int) -> list[Parcel]:
        """The next batch, within both bounds; what was tried before goes in its portions instead."""
        batch: list[Parcel] = []
        size = 0
        portion = self.portions.popleft() if self.portions else 0
        while self and len(batch) < (portion or max_items):
            if batch and not portion and size + self[0].size > max_bytes:
                break
            parcel = self.popleft()
            size += parcel.size
            batch.append(parcel)
        self.bytes -= size
        return batch

    def put_back(self, batch: Sequence[Parcel], portions: Sequence[int]) -> None:
        """It is to be tried again, cut so."""
        self.out = []
        self.extendleft(reversed(batch))
        self.bytes += sum(parcel.size for parcel in batch)
        self.portions.extendleft(reversed(portions))

    def drop_all(self) -> int:
        """Let everything go; how many it were."""
        count = len(self)
        while self:
            self.popleft().release()
        self.portions.clear()
        self.bytes = 0
        return count

    def drop_oldest(self, wanted: int) -> int:
        """Let go of the oldest that make up so many bytes; how many it were."""
        count = 0
        while self and wanted > 0:
            parcel = self._pop_oldest()
            wanted -= parcel.size
            parcel.release()
            count += 1
        return count

    def _pop_oldest(self) -> Parcel:
        parcel = self.popleft()
        self.bytes -= parcel.size
        if self.portions:
            self.portions[0] -= 1
            if not self.portions[0]:
                self.portions.popleft()
        return parcel

    def lighten(self, stage: int, wanted: int, size_of: Callable[[ReadableSpan], int]) -> tuple[int, int]:
        """Give up a part of the oldest.

        Args:
            stage: which part (index into `shed.STAGES`).
            wanted: bytes to be given back; more are, never by much.
            size_of: estimated bytes of a span.

        Returns:
            How many bytes were, and of how many spans.
        """
        freed = count = 0
        for parcel in self:
            if freed >= wanted:
                break
            if parcel.stage > stage:
                continue
            parcel.stage = stage + 1
            lighter = without(parcel.span, stage)
            if lighter is not None:
                freed += parcel.lighten(lighter, size_of(lighter))
                count += 1
        return freed, count

    def weigh(self) -> None:
        """Some have become lighter, by another queue that holds them too: count the bytes anew."""
        self.bytes = sum(parcel.size for parcel in self)


MakeWaiting = Callable[[threading.Condition, Callable[[], None]], Waiting]


def in_memory(guard: threading.Condition, resume: Callable[[], None]) -> Waiting:
    """What holds spans when there is no spool, or when it is not for a destination."""
    return Waiting()
