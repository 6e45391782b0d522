"""Facts as short text a terminal may show: durations, sizes, times, and strangers' words."""

from __future__ import annotations

import unicodedata
from datetime import datetime

_BIDIRECTIONAL = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def duration(nanoseconds: int | None) -> str:
    """``840 µs``, ``12.3 ms``, ``1.24 s``; empty when there is none."""
    if nanoseconds is None:
        return ""
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1_000:.0f} µs"
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1_000_000:.1f} ms"
    return f"{nanoseconds / 1_000_000_000:.2f} s"


def size(count: int) -> str:
    """``312 B``, ``12.4 kB``, ``3.1 MB``; empty for nothing."""
    if count <= 0:
        return ""
    if count < 1_000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1_000:.1f} kB"
    return f"{count / 1_000_000:.1f} MB"


def clock(nanoseconds: int) -> str:
    """The local time of day, to the millisecond."""
    return f"{datetime.fromtimestamp(nanoseconds / 1e9):%H:%M:%S.%f}"[:-3]


def printable(text: str, keep: str = "") -> str:
    """The text with its control characters spelled out.

    What is shown came from whoever sent the request: an escape sequence in a header must not
    reach the terminal, nor a mark that turns the direction of writing.

    Args:
        keep: control characters to let through all the same.
    """
    return "".join(each if each in keep or _harmless(each) else _spelled(each) for each in text)


def _harmless(character: str) -> bool:
    return (
        unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
        and unicodedata.bidirectional(character) not in _BIDIRECTIONAL
    )


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
