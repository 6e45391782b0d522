"""Reading a store as it fills: the wanted exchanges, in the order they arrived.

Nothing here writes, and nobody who writes has to wait for it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

from spantap.export.archives import archives
from spantap.export.follow_jsonl import JSONLReader
from spantap.export.follow_sqlite import BEGINNING, SQLiteReader
from spantap.export.search import EVERYTHING, Filter
from spantap.model import Exchange, SpantapError

Identity = tuple[int, int]
"""Device and inode of a file."""


class StoreError(SpantapError):
    """The file cannot be read as a store; the message says which and why."""


class Reader(Protocol):
    """One file, read as far as it goes; it remembers how far that was.

    Attributes:
        empty: there is no exchange in it.
        unreadable: a record was left out because another release wrote it.
    """

    empty: bool
    unreadable: bool

    def arrived(self) -> Iterator[Exchange]:
        """What came since the last call, oldest first; take all of it."""

    def left(self) -> Iterator[Exchange]:
        """What is left to read when the path names another file already."""

    def close(self) -> None:
        """Release the file; the next `arrived` opens it again and goes on."""


class Follower:
    """Remembers how far it has read a store, and gives what came since. For one thread.

    The store is a SQLite file or one of JSON lines, whatever its name. It need not exist yet. When
    it is deleted, moved or emptied and made anew, the new one is read from its beginning; files that
    were set aside in between (`spantap.export.archives`) are read before. Use it as a context manager,
    or call `close`.

    Attributes:
        path: the file.
        waiting: what it waited for at the last look: for a file (``missing``), for something in
            it (``empty``), for the file to become readable (``busy``); None when it was read.
        unreadable: whether records were left out because another release wrote them.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        wanted: Filter = EVERYTHING,
        *,
        last: int | None = None,
        patience: int = 0,
    ) -> None:
        """Args:
        path: the file.
        wanted: which exchanges to give.
        last: begin so many of the wanted exchanges before the end of what is there; None
            begins with the first. What a store made later holds is given from its beginning.
        patience: how many looks in a row may fail (the store is locked, or being replaced)
            before that is an error.
        """
        self.path = Path(path)
        self.waiting: Literal["missing", "empty", "busy"] | None = None
        self.unreadable = False
        self._wanted = wanted
        self._last = last
        self._patience = patience
        self._failures = 0
        self._reader: Reader | None = None
        self._file: Identity | None = None  # what the reader reads
        self._passed: str | None = None  # the last file set aside that was read, or is not to be

    def __enter__(self) -> Follower:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def arrived(self) -> Iterator[Exchange]:
        """What came since the last call, oldest first; take all of it.

        A call with nothing new costs a look at the file, and for SQLite one at its change counter.

        Raises:
            StoreError: it is not a store, or could not be read for longer than the patience.
        """
        try:
            yield from self._look()
        except (sqlite3.Error, OSError) as error:
            self.close()
            self._failures += 1
            self.waiting = "busy"
            # An error of exactly this class: the content is not a database, and will not become one.
            hopeless = type(error) is sqlite3.DatabaseError or isinstance(error, PermissionError)
            if hopeless or self._failures > self._patience:
                why = error.strerror if isinstance(error, OSError) else error
                raise StoreError(f"spantap: {self.path}: {why}") from error
        else:
            self._failures = 0

    def close(self) -> None:
        """Release the file; the next `arrived` goes on where this one stopped."""
        if self._reader is not None:
            self._reader.close()

    def _look(self) -> Iterator[Exchange]:
        if self._passed is None:
            self._passed = (
                max((each.name for each in archives(self.path)), default="") if self._last is not None else ""
            )
        while (named := self._named_now()) is None or named != self._file:
            if self._reader is not None:
                yield from self._reader.left()
            path, file = self._next(named)
            if file == self._file:
                break  # nothing is there, or nothing yet that came after what was set aside
            # At once, also when it is gone: the next store must not share its side files with us.
            self.close()
            self._file = self._reader = None
            if file is not None:
                try:
                    self._reader = self._opened(path)
                    if isinstance(self._reader, JSONLReader) and self._reader.identity != file:
                        raise FileNotFoundError
                except FileNotFoundError:
                    self.close()
                    self._reader = None
                    continue  # set aside or deleted after we looked: look again
            self._file = file
            if path != self.path and self._reader is not None:
                yield from self._reader.arrived()
        self._last = None
        if self._reader is not None and named is not None:
            yield from self._reader.arrived()
            self.waiting = "empty" if self._reader.empty else None
            self.unreadable |= self._reader.unreadable

    def _named_now(self) -> Identity | None:
        """Which file the path names; None when that is none, or one with nothing in it."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self.waiting = "missing"
            return None
        if not found.st_size:
            self.waiting = "empty"
            return None
        return _identity(found)

    def _next(self, named: Identity | None) -> tuple[Path, Identity | None]:
        """What to read after the present file: one that was set aside later, or else what the path names."""
        aside = {each.name: each for each in archives(self.path)}
        identities = {name: _identity(each.stat()) for name, each in aside.items() if each.exists()}
        ours = [name for name, identity in identities.items() if identity == self._file]
        self._passed = max(self._passed or "", *ours, "")
        for name, each in aside.items():
            if name > self._passed:
                self._passed = name
                return each, identities.get(name)
        return self.path, named or (self._file if ours else None)

    def _opened(self, path: Path) -> Reader:
        with path.open("rb") as file:
            beginning = file.read(len(BEGINNING))
        if beginning == BEGINNING:
            return SQLiteReader(path, self._wanted, self._last)
        if beginning.lstrip().startswith(b"{"):
            return JSONLReader(path, self._wanted, self._last)
        raise StoreError(f"spantap: {self.path}: is neither a SQLite store nor JSON lines")


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino
