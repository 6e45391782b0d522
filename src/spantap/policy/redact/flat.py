"""What of a JSON-like document is passed over: whole members and elements in which nothing could be."""

from __future__ import annotations

import re
from typing import Final

from spantap.policy.redact.beside import LATER, NAMERS
from spantap.policy.redact.rules import Rules

_BETWEEN: Final = rb"[^{}\[\]\"'`/#\\]*"  # no strings, brackets, comments
# A name that has an escape in it may be any name.
_QUOTED: Final = rb'"[^"\\]*(?:"|(?:\\["\\/nrt][^"\\]*)+"(?!\s*:))'
_SINGLE: Final = rb"(?<=[\s{}\[\],:])'[^'\\]*'(?=[\s{}\[\],:])"
_LEVELS: Final = 4
DEEP: Final = _LEVELS + 2  # brackets in a row: nothing that begins with them is passed
_SPELT = re.compile(rb"%[0-9A-Fa-f]")
# Members that are masked, or have nothing to mask.
_NOTHING = re.compile(
    rb"[\"']?([\w-]{1,64})[\"']\s*:\s*(?:null|None|\"\"|''|([\"'])\[REDACTED\]\2)(?=\s*[,}])"
)


def _flat(levels: int) -> bytes:
    inside = rb"|".join([_QUOTED, _SINGLE, *([_flat(levels - 1)] if levels else [])])
    content = rb"%b(?:(?:%b)%b)*" % (_BETWEEN, inside, _BETWEEN)
    return rb"\{%b\}|\[%b\]" % (content, content)


_BESIDE: Final = b"|".join(each.encode() for each in sorted({*LATER, *NAMERS}))
_VALUE: Final = rb"(?:%b|%b|[\w.+-]+|%b)\s*," % (_QUOTED, _SINGLE, _flat(_LEVELS - 1))
_FLAT = re.compile(_flat(_LEVELS))
_ELEMENTS = re.compile(rb"(?:\s*%b)*" % _VALUE)
_MEMBERS = re.compile(
    rb"(?:\s*(?:\"(?!(?:%b)\")[^\"\\]*\"|'(?!(?:%b)')[^'\\]*'|(?!(?:%b)\b)[A-Za-z_$][\w$]*)\s*:\s*%b)*"
    % (_BESIDE, _BESIDE, _BESIDE, _VALUE)
)


class Passed:
    """Knows where in one document something could be."""

    __slots__ = ("_data", "_next", "_places")

    def __init__(self, data: bytes, rules: Rules) -> None:
        self._data = data
        self._next = 0
        known: dict[bytes, bool] = {}
        places = []
        for start, end in rules.prefilter.places(data):
            nothing = _NOTHING.match(data, start)
            if nothing is not None:
                name = nothing[1]
                if name not in known:
                    known[name] = not rules.prefilter.value_in(name)
                if known[name]:
                    continue
            places.append((start, end))
        if b"%" in data:
            places = sorted([*places, *(match.span() for match in _SPELT.finditer(data))])
        self._places = places

    def elements(self, at: int) -> int:
        """Where to read on at an element's beginning: there, or further on."""
        return self._matched(_ELEMENTS, at)

    def members(self, at: int) -> int:
        """The same at a member's. One that names what stands beside it is read, and what may stand there."""
        return self._matched(_MEMBERS, at)

    def value(self, at: int) -> int:
        """The end of the object or array that begins there, or there."""
        return self._matched(_FLAT, at)

    def _matched(self, pattern: re.Pattern[bytes], at: int) -> int:
        # What touches a place belongs to it.
        while self._next < len(self._places) and self._places[self._next][1] < at:
            self._next += 1
        limit = self._places[self._next][0] if self._next < len(self._places) else len(self._data)
        found = pattern.match(self._data, at, limit) if at < limit else None
        return found.end() if found else at
