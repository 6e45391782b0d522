"""Chunks in, collected bytes out; memory bounded by the cap, whatever passes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from spantap.capture.multipart import FormReader, Part, boundary_of
from spantap.model import Collected

Chunk = bytes | bytearray | memoryview

_SMALL: Final = 256  # bytes; a chunk costs some sixty beside them


@dataclass(frozen=True, slots=True)
class CollectedForm(Collected):
    """A form with files that is longer than the cap: its parts instead of its bytes.

    Attributes:
        boundary: what stood between the parts.
        parts: all of them, files without their content.
        failed: why the parts are not all of it (``truncated``, ``malformed``).
        ended: the end of the form was seen.
    """

    boundary: bytes = b""
    parts: tuple[Part, ...] = ()
    failed: str | None = None
    ended: bool = True


class BodyRecorder:
    """Copies the first bytes of a body as its chunks pass, and counts the rest.

    A form with files (``multipart/form-data``) that is longer than the cap is taken apart as it
    passes: what is kept then are its fields, and the names and sizes of its files.

    Not thread-safe: one message body passes one chunk at a time. `collected` may be called
    while the body still passes.

    Attributes:
        size: bytes that passed so far.
        missing: set by the door when the body passes where nobody can see it (``file``).
        whole: set by the door when the last byte has passed.
        uncoded: set by the door when what passes has lost its content-coding already.
    """

    __slots__ = ("_cap", "_chunks", "_form", "_full", "_kept", "missing", "size", "uncoded", "whole")

    def __init__(self, cap: int) -> None:
        """Args:
        cap: bytes to keep at most.
        """
        self._cap = cap
        self._chunks: list[bytes | bytearray] = []
        self._kept = 0
        self._full = not cap
        self._form: FormReader | None = None
        self.size = 0
        self.missing: str | None = None
        self.whole = False
        self.uncoded = False

    def chunk(self, data: Chunk) -> None:
        """Take note of bytes that pass. They are copied, unless they are all so far and immutable."""
        if type(data) is not bytes:
            view = memoryview(data)  # of something wider, bytes are counted, not items
            data = view.cast("B") if view.c_contiguous else view.tobytes()
        length = len(data)
        self.size += length
        if self._full:
            if self._form is not None:
                self._form.feed(data)
        elif length <= self._cap - self._kept:
            if length:
                self._keep(data, length)
            self._kept += length
        else:
            self._fill(data)

    def _keep(self, data: bytes | memoryview, length: int) -> None:
        chunks = self._chunks
        if length >= _SMALL or not chunks:
            chunks.append(bytes(data))
        # An event stream has many and stays open for long: small ones are one object together.
        elif type(chunks[-1]) is bytearray:
            chunks[-1] += data
        else:
            chunks.append(bytearray(data))

    def _fill(self, data: bytes | memoryview) -> None:
        """The chunk that passes the cap: keep its beginning, or begin to take a form apart."""
        self._full = True
        chunks = self._chunks
        # A slice of bytes is a copy, so a kept beginning never pins a large chunk.
        self._chunks = [*chunks, bytes(data[: self._cap - self._kept])]
        boundary = boundary_of(b"".join(self._chunks))
        if boundary is not None:
            self._chunks = []
            self._form = FormReader(boundary, self._cap)
            for each in (*chunks, data):
                self._form.feed(each)

    def collected(self) -> Collected:
        """What was kept so far."""
        form = self._form
        if form is not None:
            return CollectedForm(
                size=self.size,
                missing=self.missing,
                whole=self.whole,
                uncoded=self.uncoded,
                boundary=form.boundary,
                # Copied: while the body passes, the last part still grows.
                parts=tuple([replace(part) for part in form.parts]),
                failed=form.failed,
                ended=form.ended,
            )
        chunks = self._chunks
        data = bytes(chunks[0]) if len(chunks) == 1 else b"".join(chunks)
        return Collected(data, self.size, self.missing, self.whole, self.uncoded)
