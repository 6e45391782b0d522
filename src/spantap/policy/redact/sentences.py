"""Secrets told in words: "your password is hunter2", a label above its value, messages of databases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spantap.policy.redact.keys import SensitiveNames
from spantap.policy.redact.literal import literal_end
from spantap.policy.redact.named import NAME, PUNCTUATION, QUOTES, Places, followers, is_named, is_nothing
from spantap.policy.redact.patterns import Pattern, compile_bytes

_WORDS: Final = rf"({NAME}(?:[ \t]{NAME}){{0,2}})"
# What stands between a name and its value in a sentence; NOTATION knows these, too.
_SAYS: Final = (
    r"(?:is|was|are|were|to|est|es|ist|lautet|\xc3\xa8|\xc3\xa9|-|\||\.{3}|\xe2\x80[\x93\x94]|\xe2\x86\x92"
    r"|(?:has been|was|is|wurde|now) (?:set|reset|changed)(?: to)?)"
)
# What is no word of the language is a value.
_SENTENCE = compile_bytes(rf"{_WORDS}[ \t]+{_SAYS}(?:[ \t]*:)?[ \t]+(?:{QUOTES})?([^\s\"'`<>]{{4,}})")
# The same where no space stands between words, and no letter of the language in a value.
_EASTERN = compile_bytes(r"(密码|密碼|口令|パスワード|비밀번호)(?:是|为|為|は|는|은)[ ]?([!-~]{4,})")
# In messages: "123456 is your verification code", and a label on a line of its own.
_IS_YOUR = compile_bytes(rf"([^\s\"'`<>=:]{{4,64}})[ \t]+is[ \t]+your[ \t]+{_WORDS}")
_LABEL = compile_bytes(
    rf"{_WORDS}:[ \t]*\r?\n(?:[ \t]*(?:```[a-z]*)?\r?\n)?[ \t]*"
    r"([^\s\"'`<>]{4,64})[ \t]*(?:[\r\n]|$)"
)
# "Your Acme code is 123456": what else is called a code is none.
_CODE = compile_bytes(r"(?i:\byour(?:[ ][\w-]{1,32})?[ ](code)[ ]?(?:is|:)[ ]?)([0-9A-Za-z-]{4,16})")
_CODE_IS = compile_bytes(r"([0-9A-Za-z-]{4,16})(?i:[ ]is[ ]your(?:[ ][\w-]{1,32})?[ ](code)\b)")
# Pydantic: a name on one line, the value it refused on the next.
_REFUSED = compile_bytes(rf"(?:^|\n)({NAME})\r?\n[ ][^\n]*input_value=([^\n]*), input_type=")
# PostgreSQL tells all values of a row; statements have their columns in one list and values in another.
_ROW = compile_bytes(r"Failing row contains (\()")
_INSERT = compile_bytes(r"(?i:insert\s+into\s)[^()]{1,256}\(([^()]{1,1000})\)\s*(?i:values)\s*(\()")
_PARAMETERS = compile_bytes(r"\[SQL: [^\[]{0,1000}\[parameters: ([(\[])")
# Clients quote what they refuse to send: http.client, h11 and requests the value of a header ("Invalid header
# value b'...'"), requests a URL without its scheme.
_HEADER = compile_bytes(r"(?i:header value:?[ ])([bB]?[\"'])")
_HEADER_PART = compile_bytes(r"Header part (\([^\n]*\)) must be of type")
_NO_SCHEME = compile_bytes(r"No connection adapters were found for [\"']([^\"'\s]+)@")
_COLUMN = re.compile(rb"\w+")
_LONG: Final = 16  # characters of a value whose letters are all small or all capital
_DIGIT = re.compile(rb"[0-9]")

Told = tuple[int, int, str]  # where a value begins and ends, and which rule says so


def told(data: bytes, places: Places, names: SensitiveNames) -> Iterator[Told]:
    """Values that sentences tell.

    Args:
        data: the text.
        places: where something is that could be a sensitive name, or touches one.
        names: the sensitive names.
    """
    yield from _sentences(_SENTENCE, data, names)
    yield from _sentences(_EASTERN, data, names)
    yield from _sentences(_LABEL, data, names)
    yield from _sentences(_IS_YOUR, data, names, name=2)
    for name, name_end, start, end in followers(data, places):
        if _random(data[start:end]) and is_named(data, name, name_end, names):
            yield start, end, "key"
    for pattern, value in ((_CODE, 2), (_CODE_IS, 1)):
        for match in pattern.finditer(data) if b"our" in data else ():
            if _DIGIT.search(data, match.start(value), match.end(value)):
                yield match.start(value), match.end(value), "key"
    yield from _refused(data, names)
    yield from _unsent(data)
    yield from _rows(data, names)


def _sentences(pattern: Pattern, data: bytes, names: SensitiveNames, name: int = 1) -> Iterator[Told]:
    for match in pattern.finditer(data):
        start, end = match.start(3 - name), match.end(3 - name)
        value = data[start:end].rstrip(PUNCTUATION)
        word = value.islower() or value.istitle() or value.isupper()
        opaque = not word or _DIGIT.search(value) is not None
        if opaque and not is_nothing(value) and is_named(data, match.start(name), match.end(name), names):
            yield start, start + len(value), "key"


def _refused(data: bytes, names: SensitiveNames) -> Iterator[Told]:
    for match in _REFUSED.finditer(data) if b"input_value=" in data else ():
        value = data[match.start(2) : match.end(2)]
        if not is_nothing(value) and _any_of(data[match.start(1) : match.end(1)], names):
            yield match.start(2), match.end(2), "key"


def _unsent(data: bytes) -> Iterator[Told]:
    for match in _HEADER.finditer(data):
        start, end = literal_end(data, match.start(1))
        if start < end:
            yield start, end, "header"
    for pattern, rule in ((_HEADER_PART, "header"), (_NO_SCHEME, "userinfo")):
        for match in pattern.finditer(data):
            yield match.start(1), match.end(1), rule


def _rows(data: bytes, names: SensitiveNames) -> Iterator[Told]:
    for pattern, lists, rule in ((_ROW, 1, "row"), (_INSERT, 2, "key"), (_PARAMETERS, 1, "key")):
        done = 0  # what is not closed reaches to the end, and is not looked at again
        for match in pattern.finditer(data):
            at = match.start(lists)
            if at < done or (rule == "key" and not _any_of(data[match.start() : at], names)):
                continue
            while at >= 0:
                start, done = literal_end(data, at)
                value = data[start:done]
                if value.startswith((b"(", b"[")) and (rule == "row" or b"'" in value or b'"' in value):
                    yield start, done, rule  # no placeholders
                further = data[done : done + 4].lstrip(b", \r\n").startswith(b"(")
                at = data.index(b"(", done) if further else -1


def _any_of(text: bytes, names: SensitiveNames) -> bool:
    return any(each.decode("utf-8", "replace") in names for each in _COLUMN.findall(text))


def _random(value: bytes) -> bool:
    """Whether it has letters and digits, small and capital ones or many: no word, no number, no date."""
    if _DIGIT.search(value) is None or b"://" in value or value.upper() == value.lower():
        return False
    return len(value) >= _LONG or value.upper() != value != value.lower()
