"""google-re2 over bytes: what `prefilter`, `detectors` and `text` compile and search.

Bytes, because offsets then need no conversion, and because text with lone surrogates (which
has no UTF-8 form) must be searched too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol, cast

import re2

# Where a word may begin. In JSON and in reprs a line feed is written \n, whose letter is not
# part of the word after it.
WORD_START: Final = r"(?:^|[^a-zA-Z0-9]|\\[abfnrtv])"


class Match(Protocol):
    """What we use of a match."""

    def start(self, group: int = 0) -> int:
        """Where a group begins, or -1."""

    def end(self, group: int = 0) -> int:
        """Where a group ends, or -1."""


class Pattern(Protocol):
    """What we use of a compiled pattern."""

    def search(self, text: bytes, pos: int | None = None) -> Match | None:
        """The first match from a position on."""

    def finditer(self, text: bytes) -> Iterator[Match]:
        """All matches that do not overlap."""


def compile_bytes(pattern: str, *, groups: bool = True) -> Pattern:
    """A linear-time pattern over bytes; letters beyond ASCII in it match their UTF-8 form.

    Args:
        pattern: in RE2's syntax.
        groups: whether anybody asks for groups; without them a match is found much quicker.
    """
    options = re2.Options()
    options.never_capture = not groups
    options.encoding = re2.Options.Encoding.LATIN1  # a byte is a character: any byte can match
    options.log_errors = False
    options.max_mem = 32 << 20  # room for the states of the large alternations
    return cast("Pattern", re2.compile(pattern.encode(), options))


def encode(text: str) -> bytes:
    """Text as bytes to be searched; never fails."""
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    """The reverse of `encode`."""
    return data.decode("utf-8", "surrogatepass")
