"""What waits for one destination in memory and on disk: what is where. Touches no file itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from spantap.export.spool.journal import Journal, Place
from spantap.export.spool.segment import DONE, HELD, WAITING, Segment
from spantap.otel.budget import Budget, Parcel
from spantap.otel.waiting import Ledger, Waiting

_MOST_PASSED: Final = 256  # looked at in vain for something that is on disk
_NOT_THERE: Final = object()
_UNREAD: Final = ReadableSpan("unread")


class Stored(Parcel):
    """A span that is on disk alone until it is read.

    Attributes:
        length: bytes it has there.
        read: whether it was.
    """

    __slots__ = ("length", "read")

    def __init__(self, length: int, budget: Budget) -> None:
        super().__init__(_UNREAD, 0, budget)
        self.length = length
        self.read = False

    def fill(self, span: ReadableSpan, budget: Budget) -> None:
        """It was read, and counts against the budget from now on."""
        self.span, self.size, self.read = span, self.length, True
        budget.overdraw(self.length)


class Paged(Waiting):
    """Parcels in memory, on disk, or both. The queue's lock guards it.

    What is put is `_fresh` until it is on disk. From then on it has its place there (`_places`) for as long
    as it is in memory, and is waiting there alone when it had to give way.
    """

    def __init__(self, budget: Budget) -> None:
        """Args:
        budget: what is read back is charged to it.
        """
        super().__init__()
        self._budget = budget
        self._fresh: dict[Parcel, None] = {}  # not on disk yet
        self._places: dict[Parcel, Place] = {}  # where what is in memory lies on disk
        self._begun: deque[list[Place]] = deque()  # batches that were sent, and are on disk alone
        self._finished: list[Place] = []  # to be marked as done
        self._journal: Journal | None = None
        self._adopted: list[Journal] = []
        self._on_disk = self._own_left = self._adopted_left = self._unspooled = 0

    @property
    def total(self) -> int:
        """How many wait, wherever they are."""
        return len(self) + self._on_disk

    @property
    def in_memory_alone(self) -> int:
        """How many are not on disk, waiting or being sent."""
        return len(self) + len(self.out) - len(self._places)

    def ledger_of(self, batch: Sequence[Parcel]) -> Ledger:
        """Where it is counted what comes of a batch, which is all of this process or all of others."""
        place = self._places.get(batch[0])
        return self.adopted if place is not None and place[0].adopted else self.own

    def take(self, max_items: int, max_bytes: int) -> list[Parcel]:
        """The next batch: what was tried before, then what is on disk alone, then what is in memory."""
        if self._on_disk and not self.portions:
            # It goes over the budget, if that is spent: by a quarter at most, or by one span.
            batch = self._from_disk(max_items, min(max_bytes, self._budget.limit // 4))
            if batch:
                return batch
        return super().take(max_items, max_bytes)

    def done(self, batch: Sequence[Parcel]) -> None:
        """Nothing of a batch is sent any more: it need not be on disk either."""
        super().done(batch)
        for parcel in batch:
            self._finish(parcel)

    def page_out(self, wanted: int) -> int:
        """Let those go from memory that are on disk, the oldest first; batches that were sent last."""
        if len(self._places) <= len(self.out):
            return 0
        tried = [self.popleft() for _ in range(min(sum(self.portions), len(self)))]
        stay: list[Parcel] = []
        freed = 0
        while self and freed < wanted and len(stay) < _MOST_PASSED:
            parcel = self.popleft()
            if parcel in self._places:
                self.bytes -= parcel.size
                freed += self._to_disk(parcel)
            else:
                stay.append(parcel)
        self.extendleft(reversed(stay))
        self.extendleft(reversed(tried))
        if freed < wanted:
            freed += self._page_out_tried()
        return freed

    def drop_oldest(self, wanted: int) -> int:
        """Make so many bytes free; how many are lost by it: of what is on disk nothing is."""
        wanted -= self.page_out(wanted)
        count = 0
        while self and wanted > 0:
            parcel = self._pop_oldest()
            wanted -= parcel.size
            count += self._let_go(parcel)
        return count

    def drop_all(self) -> int:
        """Let everything go that is not on disk; how many it were."""
        self._page_out_tried()
        count = 0
        while self:
            count += self._let_go(self.popleft())
        self.portions.clear()
        self.bytes = 0
        return count

    def _journals(self) -> list[Journal]:
        return [*self._adopted, *([] if self._journal is None else [self._journal])]

    def _set(self, place: Place, state: int) -> None:
        segment, number = place
        before = segment.states[number]
        segment.set(number, state)
        self._on_disk += (state == WAITING) - (before == WAITING)
        if state == DONE:
            self._count_left(segment, -1)

    def _count_left(self, segment: Segment, change: int) -> None:
        if segment.adopted:
            self._adopted_left += change
        else:
            self._own_left += change

    def _finish(self, parcel: Parcel) -> None:
        place = self._places.pop(parcel, None)
        if place is not None:
            self._set(place, DONE)
            self._finished.append(place)
        elif self._fresh.pop(parcel, _NOT_THERE) is None:
            self._unspooled += 1

    def _to_disk(self, parcel: Parcel) -> int:
        """A parcel that was taken out of memory is on disk alone; the bytes that gives back."""
        size = parcel.size
        self._set(self._places.pop(parcel), WAITING)
        parcel.release()
        return size

    def _let_go(self, parcel: Parcel) -> bool:
        """A parcel that was taken out of memory goes; whether it is lost."""
        if parcel in self._places:
            self._to_disk(parcel)
            return False
        self._fresh.pop(parcel, None)
        parcel.release()
        return True

    def _page_out_tried(self) -> int:
        """The batches that were sent already go from memory, to be sent as the same batches."""
        tried = [self[at] for at in range(min(sum(self.portions), len(self)))]
        if not all(parcel in self._places for parcel in tried):
            return 0
        freed, begun = 0, []
        for portion in self.portions:
            batch = [self.popleft() for _ in range(min(portion, len(self)))]
            self.bytes -= sum(parcel.size for parcel in batch)
            begun.append([self._places[parcel] for parcel in batch])
            freed += sum(map(self._to_disk, batch))
        self.portions.clear()
        self._begun.extendleft(reversed(begun))
        return freed

    def _from_disk(self, max_items: int, max_bytes: int) -> list[Parcel]:
        while self._begun:
            begun = [(segment, at) for segment, at in self._begun.popleft() if segment.states[at] == WAITING]
            if begun:
                return [self._claim(place) for place in begun]
        for journal in self._journals():
            batch: list[Parcel] = []
            size = 0
            for place in _waiting_in(journal):
                length = place[0].length(place[1])
                if len(batch) >= max_items or (batch and size + length > max_bytes):
                    break
                size += length
                batch.append(self._claim(place))
            if batch:
                return batch
        return []

    def _claim(self, place: Place) -> Parcel:
        segment, number = place
        self._set(place, HELD)
        stored = Stored(segment.length(number), self._budget)
        self._places[stored] = place
        return stored


def _waiting_in(journal: Journal) -> Iterator[Place]:
    """What waits there, oldest first; whoever takes it says so before the next is asked for."""
    for segment in journal.segments:
        while segment.waiting:
            yield segment, segment.oldest()
