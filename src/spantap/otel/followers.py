"""Requests that were sent while another was answered, waiting to hear who was behind that one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from spantap.guard import report

_MOST: Final = 64  # they hold their bodies


class Followers:
    """What is done once hooks have said who it was. Thread-safe."""

    __slots__ = ("_lock", "_waiting")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: list[Callable[[], None]] | None = []

    def add(self, work: Callable[[], None]) -> bool:
        """Do it when `release` is called; False when that was, or when too much waits."""
        with self._lock:
            if self._waiting is None or len(self._waiting) >= _MOST:
                return False
            self._waiting.append(work)
            return True

    def release(self) -> None:
        """It is known now, or never will be."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
        for work in waiting or ():
            try:
                work()
            except Exception as error:  # noqa: BLE001 - one must not keep the others from ending
                report("finishing a request that was sent", error)
