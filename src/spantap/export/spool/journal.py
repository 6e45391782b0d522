"""The directory one process keeps records in, locked for as long as it lives.

The lock is the kernel's (``flock``): it ends with the process, however that ends. Whoever gets it
afterwards owns what is left.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

from spantap.export.spool.segment import MARKS, RECORDS, WAITING, Run, Segment, UnknownFormatError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SUPPORTED: Final = fcntl is not None
_LOCK: Final = "lock"
_UNBORN: Final = "."  # a directory whose lock is not taken yet
_STILLBORN_SECONDS: Final = 60.0

Place = tuple[Segment, int]


class Journal:
    """A directory of segments, and the lock on it. Not thread-safe.

    Attributes:
        path: the directory.
        segments: in the order they were begun.
        foreign: files in it that are of another release; they are left alone.
    """

    def __init__(self, path: Path, lock: int) -> None:
        """Args:
        path: the directory.
        lock: file descriptor of its lock, which is held.
        """
        self.path = path
        self.segments: list[Segment] = []
        self.foreign = False
        self._lock: int | None = lock
        self._active: Segment | None = None
        self._begun = 0
        self._batch = 0

    @classmethod
    def create(cls, folder: Path) -> Journal:
        """A new one in a folder, which is made if need be.

        Raises:
            OSError: it cannot be made.
        """
        for each in (folder.parent, folder):
            with suppress(FileExistsError):
                each.mkdir(mode=0o700)
        name = f"{time.time_ns():x}-{os.getpid()}-{secrets.token_hex(4)}"
        unborn, path = folder / f"{_UNBORN}{name}", folder / name
        unborn.mkdir(mode=0o700)
        try:
            lock = _locked(unborn / _LOCK, create=True)
            if lock is None:
                raise BlockingIOError("cannot be locked")
            unborn.rename(path)  # from now on others see it, and the lock
        except OSError:
            with suppress(OSError):
                (unborn / _LOCK).unlink(missing_ok=True)
                unborn.rmdir()
            raise
        return cls(path, lock)

    @classmethod
    def adopt(cls, path: Path) -> Journal | None:
        """One whose process has ended, not read yet; None when that lives, or somebody else was faster.

        Raises:
            OSError: it cannot be opened.
        """
        if path.name.startswith(_UNBORN):
            _remove_stillborn(path)
            return None
        try:
            lock = _locked(path / _LOCK, create=False)
        except FileNotFoundError:
            return None
        if lock is None:
            return None
        return cls(path, lock)

    def read(self) -> Iterator[Segment]:
        """Read an adopted one, segment by segment; what cannot be read is left alone."""
        for file in sorted(self.path.glob(f"*{RECORDS}")):
            try:
                segment = Segment.read(file)
            except (UnknownFormatError, OSError):
                self.foreign = True
                continue
            self.segments.append(segment)
            yield segment

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(each.size for each in self.segments)

    def append(self, payloads: Sequence[bytes], segment_bytes: int, segment_seconds: float) -> Segment:
        """Write records to the last segment; see `Segment.append`.

        Args:
            payloads: what they say.
            segment_bytes, segment_seconds: size and age at which the next segment is begun.

        Returns:
            The segment they are in, at its end.

        Raises:
            OSError: the disk does not take them.
        """
        active = self._active
        if active is None or active.size >= segment_bytes or active.age >= segment_seconds:
            active = Segment(self.path / f"{self._begun + 1:08}{RECORDS}")
        try:
            active.append(payloads)
        except OSError:
            if active is not self._active:
                active.remove()
            raise
        if active is not self._active:
            self._begun += 1
            self._active = active
            self.segments.append(active)
        return active

    def begin_batch(self, places: Sequence[Place]) -> None:
        """These are about to be sent together; see `Segment.mark_begun`."""
        self._batch += 1
        for segment, runs in runs_of(places):
            segment.mark_begun(self._batch, runs)

    def begun_batches(self) -> list[list[Place]]:
        """What was begun and is not done, in the batches it was last sent in, oldest first."""
        batches: dict[int, list[tuple[int, Place]]] = {}
        for segment in self.segments:
            for number, (batch, at) in sorted(segment.batches.items()):
                if segment.states[number] == WAITING:
                    batches.setdefault(batch, []).append((at, (segment, number)))
                self._batch = max(self._batch, batch)
        return [[place for _, place in sorted(each, key=itemgetter(0))] for each in batches.values()]

    def discard(self, segment: Segment) -> None:
        """Delete a segment."""
        self.segments.remove(segment)
        if segment is self._active:
            self._active = None
        segment.remove()

    def tidy(self, *, active: bool = True) -> None:
        """Delete the segments nothing is left in.

        Args:
            active: also the one that more would be appended to.
        """
        for segment in [each for each in self.segments if not each.left]:
            if active or segment is not self._active:
                self.discard(segment)

    def close(self) -> None:
        """Give up the lock; with nothing left in it the directory goes."""
        if not self.segments and not self.foreign:
            with suppress(OSError):
                for stray in self.path.glob(f"*{MARKS}"):
                    stray.unlink()
                (self.path / _LOCK).unlink()
                self.path.rmdir()
        self._let_go()

    def forget(self) -> None:
        """In a forked child: it is the parent's, and its lock is too."""
        self._let_go()  # a lock ends when the last process that has it open does

    def _let_go(self) -> None:
        """Once: the number of a closed descriptor is soon somebody else's."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def runs_of(places: Sequence[Place]) -> Iterator[tuple[Segment, list[Run]]]:
    """Places of a batch in runs, by segment."""
    at = 0
    for segment, group in groupby(places, key=lambda place: place[0]):
        runs: list[Run] = []
        for _, number in group:
            if runs and runs[-1].first + runs[-1].length == number:
                runs[-1] = runs[-1]._replace(length=runs[-1].length + 1)
            else:
                runs.append(Run(at, number, 1))
            at += 1
        yield segment, runs


def _locked(path: Path, *, create: bool) -> int | None:
    """A locked file; None when another process has the lock, or has just deleted it."""
    flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | (os.O_CREAT | os.O_EXCL if create else 0)
    file = os.open(path, flags, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(file).st_ino:
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(file)
        raise
    os.close(file)
    return None


def _remove_stillborn(path: Path) -> None:
    """Its process died while it made it."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _STILLBORN_SECONDS:
            with suppress(FileNotFoundError):
                (path / _LOCK).unlink()
            path.rmdir()
