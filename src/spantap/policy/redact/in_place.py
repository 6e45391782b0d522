"""JSON masked where it stands: only what something could be in is read, the rest stays as it was written.

What a name or a value does not decide by itself (names that stand beside values, pairs, flags, names
that are values) is left to the walk of `json`, which sees everything.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from spantap.policy.redact.beside import NAMING
from spantap.policy.redact.detectors import card_number
from spantap.policy.redact.form import looks_sensitive
from spantap.policy.redact.outlines import is_message, is_operations, outline
from spantap.policy.redact.patterns import decode
from spantap.policy.redact.prefilter import NOTATION, SHAPED
from spantap.policy.redact.rules import DEEPEST, Rules
from spantap.policy.redact.tally import MASK, Tally
from spantap.policy.redact.url import clean_values

Places = list[tuple[int, int]]

# Behind a name: the value, if it is a string or a literal, else where its bracket stands.
_VALUE = re.compile(rb'\s*:\s*("[^"]*(?:"|\Z)|[^\s"{}\[\],]*)')
_SCALAR = re.compile(rb'"[^"]*(?:"|\Z)|[^\s"{}\[\],:]+')
_BRACKETS = re.compile(rb'"[^"]*(?:"|\Z)|([{\[])|[}\]]')
_NUMBER = re.compile(rb"-?[0-9][0-9.eE+-]{11,}")
_IN_NUMBER: Final = b"0123456789.eE+-"
_COLON: Final = b":"[0]
_QUOTE: Final = b'"'[0]
_SPACE: Final = b" \t\r\n"
_NAMING: Final = frozenset(each.encode() for each in (*NAMING, "title"))
_OF_KEYS: Final = b"kty"  # other members of a JSON web key are known by it
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})


class _WalkError(Exception):
    """It takes a walk."""


def bare(data: bytes) -> bytes:
    """JSON with escaped quotes blotted out: every quote in it begins or ends a string."""
    return data.replace(b"\\\\", b"__").replace(b'\\"', b"__") if b"\\" in data else data


def clean_in_place(
    text: str, data: bytes, places: Places, rules: Rules, tally: Tally, depth: int = 0, mask: str = MASK
) -> str | None:
    """The text with everything sensitive masked, or None when it takes a walk to tell.

    Args:
        text: well-formed JSON, or the beginning of it: what is not closed there reaches to the end.
        data: the same, encoded.
        places: where something could be in it.
        rules: what is sensitive.
        tally: counts what is masked.
        depth: how deep inside other values we are.
        mask: what to put in place of a value.
    """
    masking = _Masking(data, rules, tally.hashes, depth, mask)
    try:
        masking.run(places)
        if b"%" in data:
            masking.check_encoded()
    except _WalkError:
        return None
    return masking.done(text, tally)


class _Masking:
    """One pass over the places in one document."""

    __slots__ = (
        *("_at", "_bare", "_data", "_depth", "_harmless", "_hidden"),
        *("_known", "_mask", "_pieces", "_read", "_rules"),
    )

    def __init__(self, data: bytes, rules: Rules, hashes: set[str], depth: int, mask: str) -> None:
        self._data = data
        self._bare = bare(data)
        self._rules = rules
        self._depth = depth
        self._mask = mask
        self._pieces: list[bytes] = []
        self._at = 0  # what stands before is in the pieces
        self._hidden: list[tuple[str, Any]] = []  # rule and value of what was masked whole
        self._known = Tally()  # what was masked inside of strings
        self._known.hashes = hashes
        self._harmless: set[bytes] = set()  # names
        self._read: set[int] = set()  # where strings begin that were looked into

    def run(self, places: Places) -> None:
        """Look at the strings and numbers that touch these places."""
        text, done = self._bare, 0  # nothing but whole strings and values stand before it
        for start, end in places:
            if end <= done:
                continue
            start = max(start, done)
            inside = text.count(b'"', done, start) & 1
            at = text.rfind(b'"', done, start) if inside else text.find(b'"', start, end)
            done = start
            while 0 <= at < end:
                if done < at:
                    self._numbers(done, at)
                done = self._string(at)
                at = text.find(b'"', done, end) if done < end else -1
            if done < end:
                done = self._numbers(done, end)

    def check_encoded(self) -> None:
        """Look at the other strings with percent signs in them: what they say may be spelt so."""
        text, done = self._bare, 0
        encoded = []
        sign = text.find(b"%")
        while sign >= 0:
            start = text.rfind(b'"', done, sign)
            done = text.find(b'"', sign) + 1 or len(text)
            if _VALUE.match(text, done):
                raise _WalkError
            if start not in self._read:
                encoded.append(self._content(start, done))
            sign = text.find(b"%", done)
        if encoded and looks_sensitive("\n".join(encoded), self._rules):
            raise _WalkError

    def done(self, text: str, tally: Tally) -> str:
        """The clean text; what was masked is counted."""
        if not self._pieces:
            return text
        for rule, value in self._hidden:
            tally.add(rule, value)
        tally.take(self._known)
        self._pieces.append(self._data[self._at :])
        return decode(b"".join(self._pieces))

    def _edit(self, start: int, end: int, text: str) -> None:
        self._pieces += (self._data[self._at : start], orjson.dumps(text))
        self._at = end

    def _string(self, start: int) -> int:
        """Look at the string that begins there; where to read on."""
        end = self._bare.find(b'"', start + 1) + 1 or len(self._data)
        value = _VALUE.match(self._bare, end)
        if value is None:
            self._value(start, end)
        elif self._is_secret(self._data[start + 1 : end - 1]):
            end = self._hide(value.start(1), value.end())
        return end

    def _is_secret(self, name: bytes) -> bool:
        if name in self._harmless:
            return False
        if b"\\" in name or b"%" in name or name == _OF_KEYS:
            raise _WalkError
        content = decode(name)
        if content in self._rules.names:
            return True
        if NOTATION.search(content) or self._rules.prefilter.value_in(name):
            raise _WalkError  # it may be a value
        self._harmless.add(name)
        return False

    def _hide(self, start: int, end: int) -> int:
        """Mask the value behind a name, the end of which is known unless it has brackets; where it ends."""
        if start == end:
            end = self._closed(start)
        value = self._loaded(start, end) if start < end else None
        if type(value) is dict and (outline("", value, []) is not None or is_operations("/", value)):
            raise _WalkError
        if is_message(value):
            return end
        if value != self._mask and value not in _NOTHING:
            self._hidden.append(("key", value))
            self._edit(start, end, self._mask)
        return end

    def _closed(self, start: int) -> int:
        """The end of the object or array that begins there."""
        depth = 0
        for match in _BRACKETS.finditer(self._bare, start):
            if match[1]:
                depth += 1
            elif self._bare[match.start()] != _QUOTE:
                depth -= 1
                if not depth:
                    return match.end()
        return len(self._data)

    def _loaded(self, start: int, end: int) -> Any:
        """What stands there; of a value that ends too early the text, or the values inside."""
        raw = self._data[start:end]
        if raw[:1] == b'"' and not self._is_closed(start, end):
            raw += b'"'
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            if raw[0] in b"{[":
                return [self._scalars(start + 1, end)]  # something, even if there is nothing in it yet
            return decode(raw.strip(b'"'))

    def _scalars(self, start: int, end: int) -> list[Any]:
        """The values inside of an object or array that ends too early."""
        return [
            self._loaded(*match.span())
            for match in _SCALAR.finditer(self._bare, start, end)
            if _VALUE.match(self._bare, match.end()) is None
        ]

    def _is_closed(self, start: int, end: int) -> bool:
        return end > start + 1 and self._bare[end - 1] == _QUOTE

    def _content(self, start: int, end: int) -> str:
        raw = self._data[start + 1 : end - 1]
        if b"\\" not in raw and self._is_closed(start, end):
            return decode(raw)
        content: str = self._loaded(start, end)
        return content

    def _value(self, start: int, end: int) -> None:
        """Look into a string that is a value."""
        text = self._content(start, end)
        self._read.add(start)
        may_name = self._may_name(start)
        if (may_name and self._is_name(text)) or ("$" in text and b'"variables"' in self._data):
            raise _WalkError
        if text in self._known.hashes:
            return
        rules, depth = self._rules, self._depth
        if depth >= DEEPEST or SHAPED.search(text):
            clean = rules.value(text, self._known, depth + 1, self._mask)
        else:
            clean = clean_values(text, rules, self._known, self._mask)
        if clean != text:
            if may_name and self._is_name(clean):
                raise _WalkError
            self._edit(start, end, clean)

    def _may_name(self, start: int) -> bool:
        """Whether a value is an element of an array, or stands under a name such as ``name``."""
        data, at = self._data, start - 1
        while at >= 0 and data[at] in _SPACE:
            at -= 1
        if at < 0 or data[at] != _COLON:
            return at >= 0
        at -= 1
        while data[at] in _SPACE:
            at -= 1
        name = data[self._bare.rfind(b'"', 0, at) + 1 : at]
        if b"\\" in name:
            raise _WalkError
        return name in _NAMING

    def _is_name(self, text: str) -> bool:
        names = self._rules.names
        return text in names or (text.startswith("-") and text.lstrip("-") in names)

    def _numbers(self, start: int, end: int) -> int:
        """Look at the numbers that touch a place; where the last of them ends."""
        data = self._data
        if data[start] in _IN_NUMBER:
            while start and data[start - 1] in _IN_NUMBER:
                start -= 1
        while end < len(data) and data[end] in _IN_NUMBER:
            end += 1
        for match in _NUMBER.finditer(data, start, end):
            number = card_number(self._loaded(*match.span()))
            if number is not None:
                self._hidden.append(("card", number))
                self._edit(match.start(), match.end(), self._mask)
        return end
