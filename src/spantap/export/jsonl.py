"""Exchanges as JSON lines appended to a file; several processes may share it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from spantap.codec.jsonl import from_lines, to_line
from spantap.export.files import create_private
from spantap.export.outcome import not_kept
from spantap.model import Exchange
from spantap.policy.destination import DestinationPolicy


class JSONLSink:
    """Appends one line per exchange.

    Each batch is one ``write`` to a file opened for appending, so lines of different processes
    do not mix. The file is created with mode 0600.

    Attributes:
        name: ``jsonl``.
        path: the file.
        policy: which exchanges it gets, and which fields of them.
    """

    name = "jsonl"

    def __init__(self, path: str | os.PathLike[str], *, policy: DestinationPolicy | None = None) -> None:
        """Args:
        path: the file; its directory must exist.
        policy: see the class.
        """
        self.policy = policy
        self.path = Path(path)
        self._descriptor: int | None = None
        self._pid = 0
        self._torn = False  # our last line has no end

    @property
    def target(self) -> str:
        """The absolute path of the file."""
        return str(self.path.absolute())

    def write(self, exchanges: Sequence[Exchange], /) -> Mapping[str, int]:
        """Append the batch.

        Returns:
            How many lines the disk had no room for after the first ones, as ``unwritten``.

        Raises:
            OSError: nothing was written.
        """
        if self._descriptor is None or self._pid != os.getpid():
            create_private(self.path)
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            self._pid = os.getpid()
        lines = b"".join(map(to_line, exchanges))
        if self._torn:
            lines = b"\n" + lines  # what follows a torn line must not be lost with it
        written = os.write(self._descriptor, lines)
        if written == len(lines):
            self._torn = False
            return {}
        self._torn = lines[written - 1 : written] != b"\n"
        return not_kept(unwritten=lines[written:].count(b"\n"))

    def read(self) -> Iterator[Exchange]:
        """The exchanges in the file, oldest first."""
        with self.path.open("rb") as lines:
            yield from from_lines(lines)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None and self._pid == os.getpid():
            os.close(self._descriptor)
        self._descriptor = None
