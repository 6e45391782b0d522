"""The last exchanges, in memory: for tests, and for whatever shows them live."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice

from spantap.export.search import EVERYTHING, Filter
from spantap.model import Exchange
from spantap.policy.destination import DestinationPolicy


class MemorySink:
    """Keeps the newest exchanges of this process. Thread-safe.

    Attributes:
        name: ``memory``.
        target: this process; two memory sinks are two destinations.
        policy: which exchanges it gets, and which fields of them.
    """

    name = "memory"

    def __init__(self, limit: int = 1000, *, policy: DestinationPolicy | None = None) -> None:
        """Args:
        limit: exchanges kept at most; the oldest go first.
        policy: see the class.
        """
        self.policy = policy
        self._exchanges: deque[Exchange] = deque(maxlen=limit)
        self._lock = threading.Lock()

    @classmethod
    def of_process(cls) -> MemorySink:
        """The one that ``OTEL_TRACES_EXPORTER=spantap_memory`` fills; always the same in a process."""
        return _of_process

    @property
    def target(self) -> str:
        """This object."""
        return f"memory at {id(self):#x}"

    def write(self, exchanges: Sequence[Exchange], /) -> None:
        """Keep the batch."""
        with self._lock:
            self._exchanges.extend(exchanges)

    def read(self, limit: int | None = None, wanted: Filter = EVERYTHING) -> list[Exchange]:
        """The exchanges kept, newest first.

        Args:
            limit: at most so many; None is all.
            wanted: which.
        """
        with self._lock:
            newest = list(reversed(self._exchanges))
        return list(islice(filter(wanted.wants, newest), limit))

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._exchanges.clear()

    def close(self) -> None:
        """Nothing to release."""


_of_process = MemorySink()
