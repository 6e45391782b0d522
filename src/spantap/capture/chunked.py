"""The chunked transfer coding, taken off as it passes (RFC 9112, section 7.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_LONGEST: Final = 64 * 1024  # bytes of a line between chunks; what is longer is no chunked body


class Dechunker:
    """Gives on what is between the marks. Fed any pieces of the coded body, in order; never raises.

    Attributes:
        done: the last chunk, and what trails it, has passed.
        malformed: it is no chunked body; nothing more is given on.
    """

    __slots__ = ("_give", "_left", "_line", "_trailing", "done", "malformed")

    def __init__(self, give: Callable[[bytes], object]) -> None:
        """Args:
        give: called with each piece of the body.
        """
        self._give = give
        self._line = b""  # of a mark that has not ended
        self._left = 0  # bytes of the chunk that are to come, and the two behind it
        self._trailing = False
        self.done = self.malformed = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        at, end = 0, len(data)
        while at < end and not (self.done or self.malformed):
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                self._passed(piece)
                continue
            stop = data.find(b"\n", at)
            self._line += data[at : end if stop < 0 else stop + 1]
            at = end if stop < 0 else stop + 1
            if stop >= 0:
                line, self._line = self._line.rstrip(b"\r\n"), b""
                self._read(line)
            elif len(self._line) > _LONGEST:
                self.malformed = True

    def _passed(self, piece: bytes) -> None:
        inside = max(0, min(len(piece), self._left - 2))
        if inside:
            self._give(piece if inside == len(piece) else piece[:inside])
        self._left -= len(piece)

    def _read(self, line: bytes) -> None:
        if self._trailing:
            self.done = not line
            return
        try:
            size = int(line.partition(b";")[0].strip(), 16)
        except ValueError:
            self.malformed = True
            return
        if size < 0:
            self.malformed = True
        elif size:
            self._left = size + 2
        else:
            self._trailing = True
