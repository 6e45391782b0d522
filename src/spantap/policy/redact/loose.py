"""What means to be JSON and is not: trailing commas, single quotes, NaN, comments, several documents.

One pass over its tokens, masking in place, with the rules of `json`. Whatever no parser would
read is read in the way that hides more: a value that is not closed reaches to the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import orjson

from spantap.policy.redact.beside import LATER, LONGEST, NAMED, NAMERS, NAMING, REFUSED
from spantap.policy.redact.flat import DEEP, Passed
from spantap.policy.redact.form import looks_sensitive
from spantap.policy.redact.patterns import decode, encode
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, Tally
from spantap.policy.redact.text import clean_text

_TOKENS = re.compile(
    rb"(\s+|//[^\n]*|\#[^\n]*|/\*.*?(?:\*/|\Z))"
    rb'|("[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z))'
    rb"|('[^'\\]*(?:\\.[^'\\]*)*(?:'|\\?\Z)|`[^`\\]*(?:\\.[^`\\]*)*(?:`|\\?\Z))"
    rb"|([{}\[\],:])"
    rb"|[^\s\"`{}\[\],:][^\s\"`{}\[\],:]*",
    re.DOTALL,
)
_WHOLE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SPACE: Final = 1
_STRING: Final = 2
_OTHER_STRING: Final = 3
_MARK: Final = 4
_CLOSING: Final = {b"{": b"}", b"[": b"]"}
# Behind a comma a further member begins; any other comma belongs to an unquoted value.
_NEXT = re.compile(rb"\s*(?:[\"'`{}\[\]]|[\w$.-]{1,64}\s*:|\Z)")
_NOTHING: Final = frozenset(
    {b"", b'"', b"'", b"`", b"null", b'""', b"''", b"None", b"undefined", b"{}", b"[]"}
)
_MOST_PASSES: Final = 4
_DEEPEST: Final = 100  # levels of nesting; below, everything is masked unread
_BARE_MASK: Final = MASK.encode()
_HIDDEN: Final = b'"%s"' % _BARE_MASK


@dataclass(slots=True)
class _Level:
    """An object or an array that is not closed yet, or what stands around them."""

    opener: bytes = b""
    start: int = 0
    name: str | None = None  # of the member whose value comes
    secret: bool = False  # that value is to be masked
    spans: list[tuple[int, int, str]] = field(default_factory=list)  # the tokens of the member so far
    members: dict[str, tuple[int, int, str]] = field(default_factory=dict)  # those a name may stand beside
    elements: int = 0
    before: str | None = None  # the string before, in an array
    named: bool = False  # another member names a secret
    located: bool = False  # ``loc`` names one
    nameless: bool = True


class _Scan:
    """One pass over one text.

    Attributes:
        settled: another would change nothing: whole strings were masked by name, one by one, and
            the mask is a string, too.
    """

    def __init__(self, data: bytes, rules: Rules, tally: Tally, depth: int) -> None:
        self._depth = depth
        self._data = data
        self._rules = rules
        self._tally = tally
        self.settled = True
        self._ahead = Passed(data, rules)
        self._edits: list[tuple[int, int, bytes]] = []
        self._levels = [_Level()]
        self._strings: list[tuple[int, int, str]] = []  # what stands under names that say nothing
        self._names: list[tuple[int, int, str]] = []
        self._hidden: list[bytes] = []  # what is open inside a value that is masked
        self._until = len(data)  # what is read ends here

    def run(self) -> bytes:
        """The text with everything sensitive masked."""
        at = 0
        while (at := self._passed(at)) < self._until:
            match = _TOKENS.match(self._data, at)
            if match is None:
                at += 1
                continue
            start, end, kind = match.start(), match.end(), match.lastindex
            at = end
            if self._hidden:
                self._inside_hidden(match[0], kind, end)
            elif kind == _SPACE:
                if not match[0].isspace():
                    self._strings.append((start, end, decode(match[0])))
            elif kind == _MARK:
                self._mark(match[0], start, end)
            else:
                self._value(start, end, kind)
        while self._levels:
            self._member()
            self._close(len(self._data), whole=False)
        # One look at all of them together: most documents have their secrets under names.
        if looks_sensitive("\n".join([text for _, _, text in self._strings]), self._rules):
            self._clean(self._strings)
        if self._rules.prefilter.value_in(encode("\n".join([text for _, _, text in self._names]))):
            self._clean(self._names)
        return self._edited()

    def _passed(self, at: int) -> int:
        """Where to read on: most of a document has nothing in it."""
        level = self._levels[-1]
        if self._hidden or level.secret or not self._data[at : at + DEEP].strip(b"[{"):
            return at
        if not level.spans and level.name is None:
            if level.opener == b"{":
                at = self._ahead.members(at)
            elif level.opener == b"[" and not level.named and not self._flag(level.before or ""):
                start, at = at, self._ahead.elements(at)
                if at > start:
                    level.elements += 1
                    level.before = None
        if self._data[at : at + 1] in (b"{", b"["):
            start, at = at, self._ahead.value(at)
            if at > start:
                level.spans.append((start, at, ""))
        return at

    def _inside_hidden(self, token: bytes, kind: int | None, end: int) -> None:
        level = self._levels[-1]
        first, _, text = level.spans[-1]
        level.spans[-1] = (first, end, text)
        if kind != _MARK:
            return
        if token in _CLOSING:
            self._hidden.append(token)
        elif token in b"]}" and _CLOSING[self._hidden[-1]] == token:
            self._hidden.pop()

    def _mark(self, mark: bytes, start: int, end: int) -> None:
        level = self._levels[-1]
        if mark == b":":
            self._named(level)
        elif mark == b",":
            if level.secret and level.spans and not self._separates(level, end):
                first, _, text = level.spans[-1]
                level.spans[-1] = (first, end, text)
            else:
                self._member()
        elif mark in _CLOSING:
            if level.secret:
                self._hidden.append(mark)
                level.spans.append((start, end, ""))
            elif len(self._levels) > _DEEPEST:
                self._unread(start)
            else:
                self._levels.append(_Level(mark, start))
        elif _CLOSING.get(level.opener) == mark:
            self._member()
            self._close(end, whole=True)

    def _unread(self, start: int) -> None:
        """What is nested this deep nobody reads, and strangers may send: it is masked to its end."""
        self._tally.add("depth")
        self.settled = False
        self._edits.append((start, len(self._data), _HIDDEN))
        self._until = start

    def _separates(self, level: _Level, end: int) -> bool:
        first = level.spans[0][0]
        return self._data[first : first + 1] in b"\"'`{[" or _NEXT.match(self._data, end) is not None

    def _value(self, start: int, end: int, kind: int | None) -> None:
        level = self._levels[-1]
        quoted = kind in (_STRING, _OTHER_STRING)
        text = self._content(start, end) if quoted else decode(self._data[start:end])
        level.spans.append((start, end, text))
        if not level.secret:
            flag = level.opener == b"[" and level.before is not None and self._flag(level.before)
            if flag:
                self._mask(start, end)

    def _named(self, level: _Level) -> None:
        """A colon: what stands before it is a name."""
        if not level.spans:
            return
        if level.secret:
            if len(level.spans) < 2:
                return  # a colon inside an unquoted value
            name = level.spans.pop()  # no comma stood before the next member
            self._member()
            level.spans.append(name)
        text = level.spans[-1][2]
        together = " ".join([each for _, _, each in level.spans[-3:]])
        self._names += level.spans
        level.name, level.spans = text, []
        level.secret = text in self._rules.names or together in self._rules.names

    def _member(self) -> None:
        """The end of a member or an element."""
        level = self._levels[-1]
        if level.spans:
            span = (level.spans[0][0], level.spans[-1][1], level.spans[-1][2])
            if level.secret:
                self._mask(span[0], span[1])
            else:
                self._strings += level.spans
            self._noted(level, span)
        level.spans, level.name, level.secret = [], None, False
        self._hidden.clear()

    def _noted(self, level: _Level, span: tuple[int, int, str]) -> None:
        """Remember what a name may stand beside, and what is one."""
        start, end, text = span
        name, names = level.name, self._rules.names
        if level.opener == b"[":
            level.elements += 1
            if level.elements == 1 and text in names:
                level.named = True
            if level.elements == 2:
                level.members["1"] = span
            level.before = text
            parent = self._levels[-2]
            if parent.name == "loc" and text in names:
                parent.located = True
        elif name is not None:
            if name in NAMING and text in names:
                level.named = True
            if name in NAMERS and text and self._whole(start, end):
                level.nameless = False
            if name in LATER:
                level.members[name] = span

    def _whole(self, start: int, end: int) -> bool:
        return end < len(self._data) or self._data[end - 1 : end] in b"\"'`"

    def _close(self, end: int, *, whole: bool) -> None:
        """The end of an object or an array, or of everything."""
        level = self._levels.pop()
        if level.opener == b"[":
            if level.named and level.elements <= 2 and level.members:
                self._mask(*level.members["1"][:2])  # ["Authorization", "..."]
        else:
            for name, (first, last, _) in level.members.items():
                later = not whole and level.nameless and last - first <= LONGEST and level.opener == b"{"
                if (
                    (level.named and name in NAMED)
                    or (level.located and name in REFUSED)
                    or (later and self._scalar(first, last))
                ):
                    self._mask(first, last)
        if self._levels:
            parent = self._levels[-1]
            parent.spans.append((level.start, end, ""))

    def _scalar(self, start: int, end: int) -> bool:
        return self._data[start : start + 1] not in b"{[" and self._data[start:end] not in (b"true", b"false")

    def _flag(self, before: str) -> bool:
        return before.startswith("-") and before.lstrip("-") in self._rules.names

    def _mask(self, start: int, end: int) -> None:
        raw = self._data[start:end]
        quote = raw[:1]
        if raw in _NOTHING or _BARE_MASK in (raw, raw[1:-1], raw[1:]):  # the last is cut off
            return
        self._tally.add("key", self._content(start, end) if quote in b"\"'`" else decode(raw))
        self.settled = self.settled and _WHOLE.fullmatch(raw) is not None
        hidden = quote + _BARE_MASK + quote if quote in b"'`" else _HIDDEN
        self._edits.append((start, end, hidden))

    def _content(self, start: int, end: int) -> str:
        r"""What a string says: \u0070assword is a name, too."""
        raw = self._data[start:end]
        quote = raw[:1]
        inside = raw[1:-1] if len(raw) > 1 and raw.endswith(quote) else raw[1:]
        if b"\\" not in inside:
            return decode(inside)
        if quote != b'"':
            inside = inside.replace(b"\\'", b"'").replace(b"\\`", b"`").replace(b'"', b'\\"')
        try:
            content: str = orjson.loads(b'"' + inside + b'"')
        except orjson.JSONDecodeError:
            return decode(inside)
        return content

    def _clean(self, found: list[tuple[int, int, str]]) -> None:
        for start, end, text in found:
            clean = self._rules.value(text, self._tally, self._depth + 1, MASK)
            if clean != text:
                self.settled = False
                quote = self._data[start : start + 1]
                written = _written(clean, quote) if quote in b"\"'`" else encode(clean)
                self._edits.append((start, end, written))

    def _edited(self) -> bytes:
        pieces, at = [], 0
        for start, end, written in sorted(self._edits, key=lambda each: (each[0], -each[1])):
            if start >= at:
                pieces += [self._data[at:start], written]
                at = end
        return b"".join([*pieces, self._data[at:]])


def _written(text: str, quote: bytes) -> bytes:
    try:
        inside = orjson.dumps(text)[1:-1]
    except TypeError:  # a lone surrogate
        inside = _HIDDEN[1:-1]
    if quote != b'"':
        inside = inside.replace(b'\\"', b'"').replace(quote, b"\\" + quote)
    return quote + inside + quote


def clean_loose(text: str, rules: Rules, tally: Tally, depth: int = 0) -> str:
    """JSON-like text with everything sensitive masked; the same text when there is nothing."""
    for _ in range(_MOST_PASSES):
        before = text
        scan = _Scan(encode(text), rules, tally, depth)
        scanned = decode(scan.run())
        # Whatever the tokens have hidden from us: named values are found in running text, too.
        text = clean_text(scanned, rules, tally)
        if text == before or (text == scanned and scan.settled):
            break
    return text
