"""Chunks in, collected bytes out; memory bounded by the cap, whatever passes."""

from __future__ import annotations

from spantap.model import Collected

Chunk = bytes | bytearray | memoryview


class BodyRecorder:
    """Copies the first bytes of a body as its chunks pass, and counts the rest.

    Not thread-safe: one message body passes one chunk at a time. `collected` may be called
    while the body still passes.

    Attributes:
        size: bytes that passed so far.
        missing: set by the door when the body passes where nobody can see it (``file``).
        whole: set by the door when the last byte has passed.
    """

    __slots__ = ("_cap", "_chunks", "_kept", "missing", "size", "whole")

    def __init__(self, cap: int) -> None:
        """Args:
        cap: bytes to keep at most.
        """
        self._cap = cap
        self._chunks: list[bytes] = []
        self._kept = 0
        self.size = 0
        self.missing: str | None = None
        self.whole = False

    def chunk(self, data: Chunk) -> None:
        """Take note of bytes that pass. The data is copied unless it is immutable and kept whole."""
        length = len(data)
        self.size += length
        room = self._cap - self._kept
        if room <= 0 or not length:
            return
        # A slice of bytes is a copy, so a kept beginning never pins a large chunk; a bytearray
        # or memoryview may change or be released after we return, so it is copied too.
        self._chunks.append(bytes(data) if length <= room else bytes(data[:room]))
        self._kept += min(length, room)

    def collected(self) -> Collected:
        """What was kept so far."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return Collected(data=data, size=self.size, missing=self.missing, whole=self.whole)
