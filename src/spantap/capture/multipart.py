"""Forms with files (``multipart/form-data``, RFC 7578) taken apart as they pass.

Fields are kept, of files only what they are called and how large they are: an upload of any
length costs no more memory than its fields. Whatever is written in an unusual way, so that two
readers might read it differently, is not kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

_HEAD_MAX: Final = 8 * 1024  # bytes of header lines that one part may have
_PART_COST: Final = 64  # what a part counts beside its bytes, so that empty ones are bounded too
_SLICE: Final = 64 * 1024
_BEGINNING = re.compile(rb"--([0-9A-Za-z'()+_,./:=? -]{1,70})\r\n(?:content-)", re.IGNORECASE)
_PARAMETER = re.compile(r";\s*([^\s=;\"]+)\s*=\s*(?:\"([^\"]*)\"|([^\s;\"]*))\s*")
_PLAIN_ENCODINGS: Final = frozenset({"7bit", "8bit", "binary"})


@dataclass(slots=True)
class Part:
    """One part of a form.

    Attributes:
        name: the field's; None when it cannot be told for certain.
        filename: what the client calls the file; None for a field.
        content_type: as the part says.
        size: bytes of its content.
        value: the content of a field; None for files, and for what cannot be read.
        whole: its end was seen.
    """

    name: str | None = None
    filename: str | None = None
    content_type: str | None = None
    size: int = 0
    value: bytes | None = None
    whole: bool = False


def boundary_of(beginning: bytes) -> bytes | None:
    """The boundary of a body that begins as a form does."""
    match = _BEGINNING.match(beginning)
    return match[1] if match else None


class FormReader:
    """Reads a form chunk by chunk. Never raises; not thread-safe.

    Attributes:
        boundary: what is between the parts.
        parts: those seen so far.
        failed: why the form cannot be told: ``malformed``, or ``truncated`` when names and
            fields are more than the cap: then the parts are those before.
        ended: the closing delimiter has passed.
    """

    __slots__ = (
        "_delimiter",
        "_in_head",
        "_pieces",
        "_rest",
        "_room",
        "boundary",
        "ended",
        "failed",
        "parts",
    )

    def __init__(self, boundary: bytes, cap: int) -> None:
        """Args:
        boundary: without the dashes in front of it.
        cap: bytes of header lines and field values to keep at most.
        """
        self.boundary = boundary
        self.parts: list[Part] = []
        self.failed: str | None = None
        self.ended = False
        self._delimiter = b"\r\n--" + boundary
        self._room = cap
        self._rest = b"\r\n"  # the first delimiter may stand at the very beginning
        self._in_head = False
        self._pieces: list[bytes] | None = None  # of the field being read

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take note of bytes that pass."""
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _SLICE):  # a large chunk is not copied whole
            if self.ended or self.failed:
                return
            self._read(self._rest + view[start : start + _SLICE])

    def _read(self, data: bytes) -> None:
        at = 0
        while not (self.failed or self.ended):
            after = self._head(data, at) if self._in_head else self._content(data, at)
            if after is None:
                return
            at = after
        self._rest = b""

    def _content(self, data: bytes, at: int) -> int | None:
        """What comes before a delimiter, and the delimiter; None when the data ends first."""
        delimiter = self._delimiter
        found = data.find(delimiter, at)
        end = found + len(delimiter)
        if found < 0 or len(data) < end + 2:
            keep = found if found >= 0 else max(at, len(data) - len(delimiter) + 1)
            self._take(data[at:keep])
            self._rest = data[keep:]
            return None
        self._take(data[at:found])
        if self.failed:
            return None
        self._close()
        sign = data[end : end + 2]
        if sign == b"--":
            self.ended = True
        elif sign == b"\r\n":
            self._in_head = True
        else:
            self.failed = "malformed"
        return end + 2

    def _head(self, data: bytes, at: int) -> int | None:
        """The header lines of a part; None when the data ends first."""
        empty = data[at : at + 2] == b"\r\n"
        found = at if empty else data.find(b"\r\n\r\n", at)
        if (found if found >= 0 else len(data)) - at > _HEAD_MAX:
            self.failed = "malformed"
            return None
        if found < 0:
            self._rest = data[at:]
            return None
        head = data[at:found]
        self._spend(len(head) + _PART_COST)
        part = _described(head)
        self.parts.append(part)
        self._pieces = None if part.value is None else []
        self._in_head = False
        return found + (2 if empty else 4)

    def _take(self, content: bytes) -> None:
        if not content or not self.parts:
            return  # before the first delimiter there may be anything
        self.parts[-1].size += len(content)
        if self._pieces is not None:
            self._pieces.append(content)
            self._spend(len(content))

    def _close(self) -> None:
        if self.parts:
            self.parts[-1].whole = True
        if self._pieces is not None:
            value = self.parts[-1].value = b"".join(self._pieces)
            if self._delimiter[2:] in value:
                self.failed = "malformed"  # to a reader content with bare line feeds it is another part
        self._pieces = None

    def _spend(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            self.failed = "truncated"
            self._pieces = None


def _described(head: bytes) -> Part:
    """A part as its header lines describe it; with an empty value when it is a field to be kept."""
    lines: dict[str, str] = {}
    try:
        for line in head.decode("utf-8").split("\r\n") if head else ():
            name, colon, value = line.partition(":")
            name = name.lower()
            if not colon or name in lines or name != name.strip() or "\n" in line or "\r" in line:
                return Part()  # folded, repeated or no field line
            lines[name] = value.strip()
    except UnicodeDecodeError:
        return Part()
    kind, parameters = _parameters(lines.get("content-disposition", ""))
    name = parameters.get("name", "")
    if kind != "form-data" or not name or "\\" in name or "name*" in parameters:
        return Part()
    part = Part(name, _filename(parameters), lines.get("content-type"))
    encoding = lines.get("content-transfer-encoding", "8bit").lower()
    if part.filename is None and encoding in _PLAIN_ENCODINGS:
        part.value = b""
    return part


def _parameters(disposition: str) -> tuple[str, dict[str, str]]:
    """The type and the parameters; none when they are not all plain."""
    kind, semicolon, _ = disposition.partition(";")
    found: dict[str, str] = {}
    at = len(kind)
    while at < len(disposition):
        match = _PARAMETER.match(disposition, at)
        if match is None or match[1].lower() in found:
            return "", {}
        found[match[1].lower()] = match[3] if match[2] is None else match[2]
        at = match.end()
    return kind.strip().lower(), found if semicolon else {}


def _filename(parameters: dict[str, str]) -> str | None:
    extended = parameters.get("filename*")
    if extended is not None:
        return unquote(extended.rpartition("'")[2])
    return parameters.get("filename")
