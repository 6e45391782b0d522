"""Free text, tracebacks, log lines: values that give themselves away, URLs, and named values.

A named value is ``key: value``, ``key=value``, ``"key": "value"``, ``--key value``,
``<key>value</key>``, ``key 'value'`` or "key is value" with a sensitive key. Everything found is collected
as spans first and replaced in one go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple
from urllib.parse import unquote

from spantap.policy.redact.detectors import find
from spantap.policy.redact.keys import SensitiveNames
from spantap.policy.redact.literal import literal_end
from spantap.policy.redact.named import (
    NAME,
    PUNCTUATION,
    QUOTES,
    Places,
    is_named,
    is_nothing,
    pairs,
    with_plain_marks,
)
from spantap.policy.redact.patterns import compile_bytes, decode, encode
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.sentences import told
from spantap.policy.redact.tally import MASK, URL_MASK, Tally
from spantap.policy.redact.url import clean_url

# No separator between them: token "value", --token value, ('token', 'value') as in reprs of header
# lists, .netrc, <add key="token" value="value"/>. Groups come in twos: name, beginning of the value.
_BARE = compile_bytes(
    rf"({NAME})[ \t]+({QUOTES})"
    r"|--([A-Za-z][A-Za-z0-9_.-]*)[ \t]+([^-\s])"
    r"|machine\s+[^\s]+\s+login\s+[^\s]+\s+(password)\s+([^\s])"
    rf"|[\"']({NAME})\\*[\"'](?:;s:[0-9]+:|\]=>\s+string\([0-9]+\)\s+)({QUOTES})"  # PHP
    rf"|({NAME})[ ]\.[ ]({QUOTES})"  # Lisp
    rf"|({NAME})\\*[\"'][ ](?:got|has)[ ]invalid[ ]value:?[ ]({QUOTES})"  # GraphQL
    rf"|({NAME})[ ]+(?:eq|ne|like|LIKE)[ ]+({QUOTES})"  # OData, SQL
    rf"|\([bBuU]?[\"']({NAME})[\"'],[ ]*[bBuU]?({QUOTES})"
    rf"|(?i:name|key)[ ]*=[ ]*[\"']({NAME})[\"'][^<>\"']*[ ](?i:value)[ ]*=[ ]*({QUOTES})"
)
_ELEMENT = compile_bytes(r"<(?:[A-Za-z0-9_]+:)?([A-Za-z0-9_.-]+)(?:\s[^<>]*)?>")
_BLOCK = re.compile(rb"[|>]?[+-]?\r?\n([ \t]+[^\n]+(?:\n[ \t]+[^\n]+)*)")  # YAML, folded headers
_URL = compile_bytes(r"[A-Za-z][A-Za-z0-9+.-]*:(?:\\*/){2}[^\s\"'<>`]+")
_WHOLE_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,64}:(?:\\*/){2}[!#-&(-;=?-_a-~]+\Z")
# A link without scheme and host: what stands beside `code` tells whether that is OAuth's.
_LINK = compile_bytes(r"[^\s\"'<>`(){}\[\]]*[?#][^\s\"'<>`(){}\[\]]*\bcode=[^\s\"'<>`(){}\[\]]*")
# Values that are nothing, or masked, where they surely end: many documents have them by the dozen.
_DONE = re.compile(
    rb'(?:null|\[REDACTED\])(?=[}\])\n]|</|,\s*["\']|,?\Z)|""(?!["\w])|"\[REDACTED\]"(?!["\w])'
)


class _Span(NamedTuple):
    start: int
    end: int
    rule: str
    replacement: bytes
    inner: Tally | None = None


def clean_text(text: str, rules: Rules, tally: Tally, depth: int = 0, mask: str = MASK) -> str:
    """Text with everything sensitive masked; the same text when there is nothing."""
    data = encode(text)
    if not rules.prefilter.anything(data) and not (
        b"%" in data and rules.prefilter.anything(encode(unquote(text)))
    ):
        return text
    if _WHOLE_URL.match(text):
        # Nothing else counts in a URL in which something was masked.
        inner = Tally()
        clean = clean_url(text, rules, inner, depth)
        if clean != text:
            tally.take(inner)
            return clean
    data = with_plain_marks(data)
    hidden = mask.encode()
    places = rules.prefilter.names.places(data)
    spans = [
        *_urls(data, rules, depth),
        *_values(data, rules, hidden),
        *_pairs(data, places, rules, hidden),
        *_bare(data, rules.names, hidden),
        *_elements(data, rules.names, hidden),
        *(_Span(*each, hidden) for each in told(data, places, rules.names)),
    ]
    if not spans:
        return text
    return decode(_replaced(encode(text), _apart(spans, data, hidden), tally))


def _replaced(data: bytes, spans: list[_Span], tally: Tally) -> bytes:
    pieces, at = [], 0
    for start, end, rule, replacement, inner in spans:
        if inner is None:
            tally.add(rule, decode(data[start:end]))
        else:
            tally.take(inner)
        pieces += [data[at:start], replacement]
        at = end
    return b"".join([*pieces, data[at:]])


def _apart(spans: list[_Span], data: bytes, hidden: bytes) -> list[_Span]:
    """Spans that do not overlap: of two the one around the other, else one over both."""
    done: list[_Span] = []
    for span in sorted(spans, key=lambda each: (each.start, -each.end)):
        last = done[-1] if done else None
        if last is None or span.start >= last.end:
            done.append(span)
        elif span.end > last.end and last.inner is not None:
            # Begins inside a cleaned URL: its part in there is clean already.
            if data[last.end : span.end].strip(PUNCTUATION):
                done.append(span._replace(start=last.end))
        elif span.end > last.end:
            done[-1] = _Span(last.start, span.end, span.rule, hidden)
    return done


def _urls(data: bytes, rules: Rules, depth: int) -> Iterator[_Span]:
    found = _URL.finditer(data) if b":" in data else iter(())
    for match in chain(found, _LINK.finditer(data) if b"code=" in data else ()):
        start, end = match.start(), match.end()
        inner = Tally()
        url = decode(data[start:end])
        clean = clean_url(url, rules, inner, depth)
        # One that is clean already is none of the other rules' business, either.
        if clean != url or URL_MASK in url:
            yield _Span(start, end, "url", encode(clean), inner)


def _values(data: bytes, rules: Rules, hidden: bytes) -> Iterator[_Span]:
    if rules.prefilter.value_in(data):
        for start, end, rule in find(data, rules.prefilter.optional):
            yield _Span(start, end, rule, hidden)


def _pairs(data: bytes, places: Places, rules: Rules, hidden: bytes) -> Iterator[_Span]:
    done = 0
    for name, name_end, value, separator in pairs(data, places):
        # Inside a value that is masked already; a name in there may have its value outside.
        if value < done or _DONE.match(data, value) or not is_named(data, name, name_end, rules.names):
            continue
        colon = separator == b":"
        called = data[name:name_end].lower()
        # A header's value goes to the end of its line.
        line = colon and (b"cookie" in called or b"authoriz" in called)
        start, end = literal_end(data, value, spaces=colon, whole_line=line)
        block = _BLOCK.match(data, value) if colon else None
        if block is not None:
            start, end = block.start(1), block.end()
        done = max(done, end)
        if not is_nothing(data[start:end]):
            yield _Span(start, end, "key", hidden)


def _bare(data: bytes, names: SensitiveNames, hidden: bytes) -> Iterator[_Span]:
    done = 0
    for match in _BARE.finditer(data):
        first = next(group for group in range(1, 19, 2) if match.start(group) >= 0)
        value = match.start(first + 1)
        # Inside a value that is masked already; what begins there ends where it ends, or at a
        # quote further on that would be looked for again and again.
        if value >= done and is_named(data, match.start(first), match.end(first), names):
            start, end = literal_end(data, value)
            done = max(done, end)
            if not is_nothing(data[start:end]):
                yield _Span(start, end, "key", hidden)


def _elements(data: bytes, names: SensitiveNames, hidden: bytes) -> Iterator[_Span]:
    if b"<" not in data:
        return
    unclosed: set[bytes] = set()
    for match in _ELEMENT.finditer(data):
        if not is_named(data, match.start(1), match.end(1), names):
            continue
        start, end = match.end(), -1
        closing = b"</" + data[match.start() + 1 : match.end(1)]
        if closing not in unclosed:  # looked for in vain once, it is not looked for again
            end = data.find(closing, start)
        if end < 0:
            unclosed.add(closing)
            if data[match.start() - 1 : match.start()].isalnum():
                continue  # List<Token>
            end = data.find(b"<", start)
        end = end if end >= 0 else len(data)
        if not is_nothing(data[start:end]):
            yield _Span(start, end, "key", hidden)
