"""A file that several processes append to, one at a time."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from spantap.export.outcome import TryLaterError

try:
    import fcntl as _fcntl
except ImportError:  # not on Windows
    _locks: Any = None
else:
    _locks = _fcntl

CAN_LOCK: Final = _locks is not None
_BUSY_SECONDS: Final = 10.0  # how long one process waits for another's batch


class LockedFile:
    """A path, and the file that it names now. Belongs to one thread.

    Whoever gets the lock (``flock``) looks whether the path still names the file. So the one that
    holds it may rename the file, and the others go on in the new one. What is no regular file (a
    pipe, a terminal) is not locked.
    """

    def __init__(self, path: Path) -> None:
        """Args:
        path: the file; it is made, with mode 0600, when it is opened.
        """
        self._path = path
        self._descriptor: int | None = None
        self._pid = 0

    @contextlib.contextmanager
    def held(self) -> Iterator[int]:
        """The descriptor of the file, open for appending and, if it is a regular one, for reading.

        Raises:
            TryLaterError: another process holds it.
            OSError: it cannot be opened.
        """
        while True:
            descriptor = self._opened()
            locked = CAN_LOCK and stat.S_ISREG(os.fstat(descriptor).st_mode)
            if locked:
                _lock(descriptor)
            try:
                if self._is_named(descriptor):
                    yield descriptor
                    return
            finally:
                if locked:
                    _locks.flock(descriptor, _locks.LOCK_UN)
            self.close()  # it was renamed or deleted since it was opened

    def close(self) -> None:
        """Close the file; `held` opens it again."""
        if self._descriptor is not None and self._pid == os.getpid():
            os.close(self._descriptor)
        self._descriptor = None

    def _opened(self) -> int:
        if self._descriptor is None or self._pid != os.getpid():
            # A pipe cannot be opened for reading everywhere.
            way = os.O_RDWR if self._path.is_file() or not self._path.exists() else os.O_WRONLY
            self._descriptor = os.open(self._path, way | os.O_APPEND | os.O_CREAT, 0o600)
            self._pid = os.getpid()
        return self._descriptor

    def _is_named(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return False


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            _locks.flock(descriptor, _locks.LOCK_EX | _locks.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TryLaterError("another process holds the file") from None
            time.sleep(0.002)
        else:
            return
