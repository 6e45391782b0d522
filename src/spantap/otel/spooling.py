"""The spool of a process: one directory, its bounds, and one thread for all destinations."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from spantap.export.spool.journal import Journal
from spantap.export.spool.segment import RECORDS
from spantap.guard import logger, report
from spantap.otel.budget import Budget
from spantap.otel.spool import Spooled

_GATHER: Final = 0.05  # seconds the first span waits for others; it is on disk well before 0.1
_ROUND: Final = 10.0  # and between looks at what others have left, and at what is too old
_LARGEST_SEGMENT: Final = 4 * 1024 * 1024
_SHARE: Final = 16  # a file has a 16th of the bounds at most, and so much is any process's
_FOR_MARKS: Final = 128  # so much of the bounds is kept free for marks


class Spooling:
    """What the destinations of a process share. Thread-safe, fork-safe; nothing starts before it is needed.

    Attributes:
        writing: held while files are changed.
        segment_bytes, segment_seconds: when a new file is begun.
        max_age: seconds until what is kept there is dropped.
    """

    def __init__(self, directory: Path, max_bytes: int, max_age: float) -> None:
        """Args:
        directory: where; made when need be, its parent must exist.
        max_bytes: that all processes may keep there.
        max_age: seconds until what is kept there is dropped.
        """
        self._directory = directory
        self._max_bytes = max_bytes
        self.max_age = max_age
        self.segment_bytes = min(_LARGEST_SEGMENT, max_bytes // _SHARE)
        self.segment_seconds = max_age / _SHARE
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self.writing = threading.RLock()
        self._starting = threading.RLock()
        self._spools: list[Spooled] = []
        self._others = 0
        self._news = threading.Event()
        self._thread: threading.Thread | None = None
        self._seeking = False
        self._round_due = 0.0

    def of(self, name: str, target: str, budget: Budget) -> Callable[..., Spooled]:
        """What makes the spool of a destination.

        Args:
            name: of the destination.
            target: where it sends: what was kept for one address never goes to another.
            budget: of the process's memory.
        """
        word = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:40].strip(".") or "destination"
        folder = self._directory / f"{word}-{hashlib.sha256(target.encode()).hexdigest()[:12]}"

        def make(guard: AbstractContextManager[Any], resume: Callable[[], None]) -> Spooled:
            if self._pid != os.getpid():
                self._reset()
            return Spooled(self, folder, budget, guard, resume)

        return make

    def join(self, spool: Spooled) -> None:
        """A destination begins."""
        with self._starting:
            self._spools = [*self._spools, spool]
            self._round_due = 0.0
            self.wake()

    def leave(self, spool: Spooled) -> None:
        """A destination has ended."""
        with self._starting:
            self._spools = [each for each in self._spools if each is not spool]
        self._news.set()

    def wake(self) -> None:
        """There is something to write. Costs next to nothing while that is known."""
        if self._seeking:
            return
        with self._starting:
            self._seeking = True
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="spantap-spool", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter is shutting down: the workers write
                    return
                self._thread = thread
        self._news.set()

    @property
    def allowed(self) -> int:
        """Bytes of records this process may have now."""
        limit = self._max_bytes - self._max_bytes // _FOR_MARKS
        return max(limit - self._others, limit // _SHARE)

    def make_room(self, size: int) -> bool:
        """Delete the oldest of whoever has most, until so many bytes fit; whether they do.

        `writing` is held.
        """
        allowed = self.allowed
        while self._used() + size > allowed:
            if size > allowed or not any(each.evict_oldest() for each in self._largest_first()):
                return False
        return True

    def _largest_first(self) -> list[Spooled]:
        return sorted(self._spools, key=lambda each: each.size, reverse=True)

    def _used(self) -> int:
        return sum(each.size for each in self._spools)

    def _run(self) -> None:
        with suppress_instrumentation():
            while True:
                self._news.wait(_ROUND)
                self._news.clear()
                with self._starting:
                    if not self._spools:
                        self._thread, self._seeking = None, False
                        return
                if self._seeking:
                    time.sleep(_GATHER)
                    self._seeking = False
                try:
                    self._write()
                    if time.monotonic() >= self._round_due:
                        self._round_due = time.monotonic() + _ROUND
                        self._go_round()
                except Exception as error:  # noqa: BLE001 - our bug must not end the thread
                    report("spooling", error)

    def _clear_strangers(self) -> None:
        """What is for an address nobody here sends to is no more kept for ever than the rest."""
        ours = {spool.folder for spool in self._spools}
        for folder in [path for path in self._directory.glob("*") if path not in ours]:
            for path in folder.glob("*"):
                try:
                    _clear(path, self.max_age)
                except OSError as error:
                    logger.debug("spool: %s: %s", path, error.strerror)

    def _write(self) -> None:
        for spool in self._spools:
            spool.write()

    def _go_round(self) -> None:
        for spool in self._spools:
            spool.adopt(self._write)
            spool.expire(self.max_age)
            spool.tidy()
        self._clear_strangers()
        with self.writing:
            self._others = max(0, _bytes_in(self._directory) - self._used())
            self.make_room(0)
        logger.debug("spool: %d bytes of this process, %d of others", self._used(), self._others)


def _clear(path: Path, max_age: float) -> None:
    """Delete what a process that has ended left there, if all of it is too old."""
    records = [each.stat().st_mtime for each in path.glob(f"*{RECORDS}")]
    if not records or time.time() - max(records) <= max_age:
        return
    journal = Journal.adopt(path)
    if journal is None:
        return
    count = sum(segment.left + segment.lost for segment in journal.read())
    for segment in journal.segments.copy():
        journal.discard(segment)
    journal.close()
    logger.warning("spool: %d spans for %s were too old and are dropped", count, path.parent.name)


def _bytes_in(directory: Path) -> int:
    """What files there have, all processes' together."""
    size = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                size += Path(folder, name).stat().st_size
            except OSError:
                continue  # somebody has just deleted it
    return size
