"""Named values in running text: looked for around what may be a sensitive name, nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote

from spantap.policy.redact.keys import SensitiveNames
from spantap.policy.redact.patterns import compile_bytes
from spantap.policy.redact.tally import MASK, URL_MASK

NAME: Final = r"[A-Za-z0-9_.%$\[\]\x80-\xff-]+"
QUOTES: Final = r"\\*[\"'`]"
_SEPARATOR: Final = r"(=>|->|:=|!?={1,3}|:)"
# [password] =>, Key (token)=(x), **Password**: x, Password (temporary): x
_BETWEEN: Final = r"(?:[\])*]{1,2}|[ \t]?[(\[][^()\[\]\r\n]{1,32}[)\]])?"
_PART: Final = bytes(each for each in range(256) if re.match(NAME.encode(), bytes([each])))
_WORD = re.compile(NAME.encode())
_TO_VALUE = re.compile(
    rf"({NAME})((?:[ \t]{NAME}){{0,2}})(?:{QUOTES})?{_BETWEEN}[ \t]*{_SEPARATOR}[ \t]*".encode("latin-1")
)
# A name is judged by more than its bytes when it is percent-encoded or not in ASCII.
_ODD = compile_bytes(
    rf"[%\x80-\xff](?:{NAME})?(?:[ \t]{NAME}){{0,2}}(?:{QUOTES})?{_BETWEEN}[ \t]*(?:!?=|->|:)", groups=False
)
# Full-width colon and equals sign; what stands for them has the same length.
_WIDE_MARKS: Final = {b"\xef\xbc\x9a": b":  ", b"\xef\xbc\x9d": b"=  "}
# On the same line or the next one.
_BEHIND = re.compile(
    rb"(?:[ \t]{1,8}|[ \t]{0,8}\r?\n(?:[ \t]{0,8}\r?\n)?[ \t]{0,8}(?:- )?)"
    rb"([A-Za-z0-9_.~+=-][A-Za-z0-9_.~+/=-]{7,127})(?![A-Za-z0-9(\[])"
)
_MOST_WORDS: Final = 3
_MASK: Final = MASK.encode()
_LONGEST_WORD: Final = 256


_EMPTY: Final = frozenset({"", "None", "null", "nil", "undefined", MASK, URL_MASK})
PUNCTUATION: Final = b">)}.,;:!?"

Places = list[tuple[int, int]]  # where something is that could be a sensitive name, or touches one


class Pair(NamedTuple):
    """A name and what stands behind it: its place, that of its value, and what is between them."""

    name: int
    name_end: int
    value: int
    separator: bytes


def with_plain_marks(data: bytes) -> bytes:
    """Text in which colons and equals signs are those of ASCII; every other byte stays where it is."""
    if b"\xef\xbc" in data:
        for wide, plain in _WIDE_MARKS.items():
            data = data.replace(wide, plain)
    return data


def pairs(data: bytes, places: Places) -> Iterator[Pair]:
    """Names with a separator and a value behind them, in order, as far as they could be sensitive.

    Args:
        data: the text.
        places: where something is that could be a sensitive name, or touches one.
    """
    if b"%" in data or not data.isascii():
        places = sorted([*places, *_ODD.places(data)])
    tried = 0  # what stands before was looked at
    for start, end in places:
        for word in _WORD.finditer(data, max(start, tried), min(end + 1, len(data))):
            at = word.start()
            if at < tried:
                continue
            found = _TO_VALUE.match(data, at)
            if found is None:
                tried = _end_of_word(data, at)
                continue
            tried = found.start(3)
            yield Pair(_beginning(data, found.end(2)), found.end(2), found.end(), found[3])


def followers(data: bytes, places: Places) -> Iterator[tuple[int, int, int, int]]:
    """Names that a word follows, with nothing between them but space: where name and word begin and end.

    Args:
        data: the text.
        places: where something is that could be a sensitive name, or touches one.
    """
    tried = 0
    for start, end in places:
        for word in _WORD.finditer(data, max(start, tried), min(end + 1, len(data))):
            if word.start() >= tried:
                tried = _end_of_word(data, word.start())
                found = _BEHIND.match(data, tried)
                if found is not None:
                    yield _beginning(data, tried), tried, found.start(1), found.end(1)


def _end_of_word(data: bytes, at: int) -> int:
    word = _WORD.match(data, at)
    return word.end() if word else at + 1


def _beginning(data: bytes, end: int) -> int:
    """Where the name that ends there begins, which has up to three words."""
    start = end
    for number in range(_MOST_WORDS):
        least = max(0, start - _LONGEST_WORD)
        first = least + len(data[least:start].rstrip(_PART))
        if first == start:
            return start + (number > 0)  # there is no word before the space
        start = first
        if number + 1 == _MOST_WORDS or data[start - 1 : start] not in (b" ", b"\t"):
            break
        start -= 1
    return start


def is_named(data: bytes, start: int, end: int, names: SensitiveNames) -> bool:
    """Whether what stands there is a sensitive name, or ends with one."""
    name = data[start:end].decode("utf-8", "replace")
    if name in names or ("%" in name and unquote(name) in names):
        return True
    if " " in name and name.rpartition(" ")[2] in names:
        return True
    # Behind a backslash the first letter is an escape: \npin=1234.
    return data[start - 1 : start] == b"\\" and name[1:] in names


def is_nothing(value: bytes) -> bool:
    """Whether a value is none, or masked."""
    if not value.replace(_MASK, b"").strip(b" \t\r\n\"'-"):
        return True  # a list of masked values
    if value.strip() in (b"()", b"[]", b"{}"):
        return True
    return value.strip().rstrip(PUNCTUATION).decode("utf-8", "replace") in _EMPTY
