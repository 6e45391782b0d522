"""What waits for one destination: in order, with its bytes counted, and able to give way.

Its queue guards it with its own lock; nothing here locks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan

from spantap.otel.budget import Parcel
from spantap.otel.shed import without


class Waiting(deque[Parcel]):
    """Parcels, oldest first.

    Attributes:
        bytes: estimated bytes of all; whoever appends adds to it.
        portions: how the front of it is cut, after tries that asked for that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.portions: deque[int] = deque()

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
            parcel = self.popleft()
            self.bytes -= parcel.size
            wanted -= parcel.size
            parcel.release()
            count += 1
            if self.portions:
                self.portions[0] -= 1
                if not self.portions[0]:
                    self.portions.popleft()
        return count

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
