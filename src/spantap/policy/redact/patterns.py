"""google-re2 over bytes: what `prefilter`, `detectors` and `text` compile and search.

Bytes, because offsets then need no conversion, and because text with lone surrogates (which
has no UTF-8 form) must be searched too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import re2

# Where a word may begin. In JSON and in reprs a line feed is written \n, whose letter is not
# part of the word after it.
WORD_START: Final = r"(?:^|[^a-zA-Z0-9]|\\[abfnrtv])"

# How a text is searched: anchor, text, from, to; the places of the match and of its groups, or (-1, -1).
Search = Callable[[Any, bytes, int, int], "list[tuple[int, int]]"]
try:
    _ANYWHERE: Any = re2._re2.RE2.Anchor.UNANCHORED
except AttributeError:  # another release of the package, whose insides are others
    _ANYWHERE = None


class Match:
    """A match; immutable.

    Attributes:
        spans: the places of all of it and of its groups, (-1, -1) of those without one.
    """

    __slots__ = ("spans",)

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self.spans = spans

    def start(self, group: int = 0) -> int:
        """Where a group begins, or -1."""
        return self.spans[group][0]

    def end(self, group: int = 0) -> int:
        """Where a group ends, or -1."""
        return self.spans[group][1]


class Pattern:
    """A compiled pattern. Immutable, thread-safe.

    The package's own search makes a generator and a match each time; in a short text they take
    longer than the search, so what is beneath it is asked where that is within reach.
    """

    __slots__ = ("_search",)

    def __init__(self, search: Search) -> None:
        self._search = search

    def found(self, data: bytes) -> bool:
        """Whether there is a match."""
        return self._search(_ANYWHERE, data, 0, len(data))[0][0] >= 0

    def search(self, data: bytes) -> Match | None:
        """The first match."""
        spans = self._search(_ANYWHERE, data, 0, len(data))
        return Match(spans) if spans[0][0] >= 0 else None

    def finditer(self, data: bytes) -> Iterator[Match]:
        """All matches that do not overlap; the pattern never matches an empty text."""
        search, at, size = self._search, 0, len(data)
        while True:
            spans = search(_ANYWHERE, data, at, size)
            at = spans[0][1]
            if at < 0:
                return
            yield Match(spans)

    def places(self, data: bytes, most: int = sys.maxsize) -> list[tuple[int, int]]:
        """Where all of them are, or the first so many."""
        search, size = self._search, len(data)
        found: list[tuple[int, int]] = []
        spans = search(_ANYWHERE, data, 0, size)
        while spans[0][0] >= 0 and len(found) < most:
            found.append(spans[0])
            spans = search(_ANYWHERE, data, spans[0][1], size)
        return found


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
    compiled = re2.compile(pattern.encode(), options)
    inner = getattr(compiled, "_regexp", None)
    return Pattern(by_package(compiled) if inner is None or _ANYWHERE is None else inner.Match)


def by_package(compiled: Any) -> Search:
    """The search of a compiled pattern as the package offers it."""

    def search(_: Any, data: bytes, start: int, end: int) -> list[tuple[int, int]]:
        found = compiled.search(data, start, end)
        if found is None:
            return [(-1, -1)]
        return [found.span(group) for group in range(compiled.groups + 1)]

    return search


def encode(text: str) -> bytes:
    """Text as bytes to be searched; never fails."""
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    """The reverse of `encode`."""
    return data.decode("utf-8", "surrogatepass")
