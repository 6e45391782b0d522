"""One bound, in bytes, for everything spantap holds in memory for delivery.

Locks are reentrant: a signal handler that ends the process may come in the middle of our own work.
"""

from __future__ import annotations

import threading

from opentelemetry.sdk.trace import ReadableSpan


class Budget:
    """Bytes all queues of the process may hold together. Thread-safe.

    Attributes:
        limit: the bound, in bytes.
    """

    __slots__ = ("_lock", "_used", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._lock = threading.RLock()

    @property
    def used(self) -> int:
        """Bytes charged now."""
        return self._used

    def charge(self, size: int) -> bool:
        """Take size bytes; False, and nothing taken, when they do not fit."""
        with self._lock:
            if self._used + size > self.limit:
                return False
            self._used += size
            return True

    def overdraw(self, size: int) -> None:
        """Take size bytes whether they fit or not: a batch that is read from disk goes out at once."""
        with self._lock:
            self._used += size

    def release(self, size: int) -> None:
        """Give size bytes back."""
        with self._lock:
            self._used -= size

    def reset_after_fork(self) -> None:
        """In the child: the parent holds and delivers what was charged."""
        self._lock = threading.RLock()
        self._used = 0


class Parcel:
    """One span on its way to several queues; its bytes are charged once and given back once.

    Attributes:
        span: what is delivered.
        size: estimated bytes.
        stage: how much of it was given up already: the next one of `shed.STAGES`.
    """

    __slots__ = ("_budget", "_holders", "_lock", "size", "span", "stage")

    def __init__(self, span: ReadableSpan, size: int, budget: Budget) -> None:
        self.span = span
        self.size = size
        self.stage = 0
        self._budget = budget
        self._holders = 1  # the sender's own hold, until every queue has been offered the parcel
        self._lock = threading.RLock()

    def hold(self) -> None:
        """One more queue has it."""
        with self._lock:
            self._holders += 1

    def lighten(self, span: ReadableSpan, size: int) -> int:
        """Carry a lighter copy from now on; the bytes that gives back."""
        with self._lock:
            freed = max(0, self.size - size) if self._holders > 0 else 0
            self.span = span
            self.size -= freed
        self._budget.release(freed)
        return freed

    def release(self) -> None:
        """One holder is done with it; the last one gives the bytes back."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            self._budget.release(self.size)
