"""Named values in running text: looked for around what may be a sensitive name, nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from spantap.policy.redact.patterns import compile_bytes

NAME: Final = r"[A-Za-z0-9_.%$\[\]\x80-\xff-]+"
QUOTES: Final = r"\\*[\"'`]"
_SEPARATOR: Final = r"(=>|->|:=|!?={1,3}|:)"
_PART: Final = bytes(each for each in range(256) if re.match(NAME.encode(), bytes([each])))
_WORD = re.compile(NAME.encode())
_TO_VALUE = re.compile(
    rf"({NAME})((?:[ \t]{NAME}){{0,2}})(?:{QUOTES})?\]?[ \t]*{_SEPARATOR}[ \t]*".encode("latin-1")
)
# A name is judged by more than its bytes when it is percent-encoded or not in ASCII.
_ODD = compile_bytes(
    rf"[%\x80-\xff](?:{NAME})?(?:[ \t]{NAME}){{0,2}}(?:{QUOTES})?\]?[ \t]*(?:!?=|->|:)", groups=False
)
# Full-width colon and equals sign; what stands for them has the same length.
_WIDE_MARKS: Final = {b"\xef\xbc\x9a": b":  ", b"\xef\xbc\x9d": b"=  "}
_MOST_WORDS: Final = 3
_LONGEST_WORD: Final = 256


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


def pairs(data: bytes, places: list[tuple[int, int]]) -> Iterator[Pair]:
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
