"""Stretches of a page in which nothing sensitive can be: passed over, not read tag by tag."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from spantap.policy.redact.patterns import encode
from spantap.policy.redact.rules import Rules

# Texts and plain tags. Anything unusual, and what has no tags inside, ends the stretch.
_STRETCH = re.compile(
    r"(?:[^<]+"
    r"|</?(?!(?i:script|style))[A-Za-z][^\s<>\"'/=]*"
    r"(?:\s+[^\s<>\"'/=]+(?:\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s<>\"'=]+))?)*\s*/?>)*"
)
_CELLS = re.compile(r"<(?:td|th|dd|dt)\b", re.IGNORECASE)
_ROWS = re.compile(r"</?(?:tr|dl|table|tbody|thead|tfoot)\b", re.IGNORECASE)
# What character references and percent-encoding may spell; the usual ones of texts spell nothing.
_SPELT = re.compile(
    r"%[0-9A-Fa-f]|&(?!(?:amp|lt|gt|quot);(?!code=))(?!(?:nbsp|copy|[mn]dash|[lr]aquo);(?![ -]{0,2}\w))"
)
_CONTINUED: Final = bytes(range(0x80, 0xC0))


class Stretches:
    """Knows where in one page something could be."""

    __slots__ = ("_ends", "_next", "_starts", "_text")

    def __init__(self, text: str, rules: Rules) -> None:
        self._text = text
        self._starts: list[int] = []  # the tag before each place, or the row it stands in
        self._ends: list[int] = []
        self._next = 0
        rows = [match.start() for match in _ROWS.finditer(text)] if _CELLS.search(text) else None
        tag = last = 0
        for start, end in sorted([*_places(text, rules), *(match.span() for match in _SPELT.finditer(text))]):
            tag = max(tag, text.rfind("<", last, start + 1))
            last = max(last, start)
            row = bisect_right(rows, start) if rows is not None else 0
            self._starts.append(tag if rows is None else min(tag, rows[row - 1] if row else 0))
            self._ends.append(end)

    def passed(self, at: int) -> int:
        """Where to read on, from a piece of the page on: there, or further on."""
        while self._next < len(self._ends) and self._ends[self._next] <= at:
            self._next += 1
        limit = self._starts[self._next] if self._next < len(self._starts) else len(self._text)
        found = _STRETCH.match(self._text, at, limit) if at < limit else None
        return found.end() if found else at


def _places(text: str, rules: Rules) -> Iterator[tuple[int, int]]:
    places = rules.prefilter.places(encode(text))
    if text.isascii():
        yield from places
        return
    data, at, characters = encode(text), 0, 0
    for start, end in places:
        characters += len(data[at:start].translate(None, _CONTINUED))
        at = start
        yield max(0, characters - 1), characters + len(data[start:end].translate(None, _CONTINUED)) + 1
