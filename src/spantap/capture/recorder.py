"""Chunks in, collected bytes out; memory bounded by the cap, whatever passes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spantap.capture.multipart import FormReader, Part, boundary_of
from spantap.model import Collected

Chunk = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class CollectedForm(Collected):
    """A form with files that is longer than the cap: its parts instead of its bytes.

    Attributes:
        boundary: what stood between the parts.
        parts: all of them, files without their content.
        failed: why the parts are not all of it (``truncated``, ``malformed``).
    """

    boundary: bytes = b""
    parts: tuple[Part, ...] = ()
    failed: str | None = None


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
    """

    __slots__ = ("_cap", "_data", "_form", "_full", "_kept", "missing", "size", "whole")

    def __init__(self, cap: int) -> None:
        """Args:
        cap: bytes to keep at most.
        """
        self._cap = cap
        # One object, not one for each chunk: an event stream has many, and stays open for long.
        self._data: bytes | bytearray = b""
        self._kept = 0
        self._full = not cap
        self._form: FormReader | None = None
        self.size = 0
        self.missing: str | None = None
        self.whole = False

    def chunk(self, data: Chunk) -> None:
        """Take note of bytes that pass. They are copied, unless they are all so far and immutable."""
        length = len(data) if type(data) is bytes else memoryview(data).nbytes
        self.size += length
        if self._full:
            if self._form is not None:
                self._form.feed(data)
        elif length <= self._cap - self._kept:
            if not self._kept:
                self._data = bytes(data)
            elif length:
                self._growing().extend(memoryview(data).cast("B"))
            self._kept += length
        else:
            self._fill(data)

    def _growing(self) -> bytearray:
        if not isinstance(self._data, bytearray):
            self._data = bytearray(self._data)
        return self._data

    def _fill(self, data: Chunk) -> None:
        """The chunk that passes the cap: keep its beginning, or begin to take a form apart."""
        self._full = True
        before = bytes(self._data)
        # Joined, the beginning is a copy, which never pins a large chunk.
        self._data = b"".join((before, memoryview(data).cast("B")[: self._cap - self._kept]))
        boundary = boundary_of(self._data)
        if boundary is not None:
            self._data = b""
            self._form = FormReader(boundary, self._cap)
            self._form.feed(before)
            self._form.feed(data)

    def collected(self) -> Collected:
        """What was kept so far."""
        form = self._form
        if form is not None:
            return CollectedForm(
                size=self.size,
                missing=self.missing,
                whole=self.whole,
                boundary=form.boundary,
                # Copied: while the body passes, the last part still grows.
                parts=tuple([replace(part) for part in form.parts]),
                failed=form.failed or (None if form.ended else "malformed"),
            )
        return Collected(data=bytes(self._data), size=self.size, missing=self.missing, whole=self.whole)
