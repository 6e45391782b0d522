"""One thread that finishes exchanges with large bodies, so that no request waits for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from spantap.guard import report

_MOST_WAITING: Final = 256  # beyond it the caller does the work: slower, but bounded and complete


class Finisher:
    """Runs callables one after the other on a thread that starts with the first one.

    Thread-safe, fork-safe. Callables must not raise; what they raise is reported.
    """

    def __init__(self) -> None:
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """In the child: no thread, nothing waiting."""
        self._condition = threading.Condition()
        self._waiting: deque[Callable[[], None]] = deque()
        self._busy = False
        self._thread: threading.Thread | None = None

    def run(self, work: Callable[[], None]) -> None:
        """Do the work soon, on the finisher's thread, or at once when too much is waiting."""
        with self._condition:
            if self._thread is None:
                thread = threading.Thread(target=self._loop, name="spantap-finisher", daemon=True)
                try:
                    thread.start()
                    self._thread = thread
                except RuntimeError:  # the interpreter is shutting down: no new threads
                    pass
            if self._thread is not None and len(self._waiting) < _MOST_WAITING:
                self._waiting.append(work)
                self._condition.notify_all()
                return
        work()

    def drain(self, timeout: float) -> bool:
        """Wait until nothing waits; False when the timeout (seconds) came first."""
        with self._condition:
            return self._condition.wait_for(lambda: not (self._waiting or self._busy), timeout)

    def _loop(self) -> None:
        while True:
            with self._condition:
                self._busy = False
                self._condition.notify_all()
                self._condition.wait_for(lambda: bool(self._waiting))
                work = self._waiting.popleft()
                self._busy = True
            try:
                work()
            except Exception as error:  # noqa: BLE001 - the thread must outlive any one exchange
                report("finishing an exchange", error)
            del work  # do not keep the last exchange's bodies alive while waiting
