"""How long the parts of a record may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from spantap.capture.limits import CaptureLimits
from spantap.model import Headers

METADATA_MAX_BYTES: Final = 4096
METRICS_MAX: Final = 16
NAME_MAX: Final = 1024  # characters of an id, an address or a name that the app or the client gives


def named(text: str) -> str:
    """A name, or its length where it is too long to be one."""
    return text if len(text) <= NAME_MAX else f"[{len(text)} characters]"


def within(pairs: Iterable[tuple[str, str]], limits: CaptureLimits) -> tuple[Headers, int]:
    """The headers there is room for, and how many values there is none for."""
    room, dropped = limits.header_bytes, 0
    kept: list[tuple[str, str]] = []
    for name, value in pairs:
        size = len(name) + len(value)
        if len(kept) < limits.headers and size <= room:
            kept.append((name, value))
            room -= size
        else:
            dropped += 1
    return Headers(kept), dropped


def cut(text: str, most: int) -> tuple[str, bool]:
    """The beginning of a text that fits into `most` bytes of UTF-8, and whether that is less."""
    if len(text) * 4 <= most:
        return text, False
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= most:
        return text, False
    while most and data[most] & 0xC0 == 0x80:
        most -= 1
    return data[:most].decode("utf-8", "surrogatepass"), True
