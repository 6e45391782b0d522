"""Where a value ends that stands in running text: a quoted string, a bracketed literal, a word."""

from __future__ import annotations

import re
from typing import Final

# Before a quote: the prefix of a literal, a shell's $, a space of a form that was decoded as a URL.
_OPENING = re.compile(rb"(?:[bBrRuUfFL]{0,2}|[+$@!~*-]{1,2})(\\*)(\"\"\"|'''|[\"'`])")
_MARKS = re.compile(rb"[\"'`(){}\[\],;&<>\s]")
_CLOSING_OF: Final = {b"("[0], b"["[0], b"{"[0]}
_CLOSING: Final = {b")"[0], b"]"[0], b"}"[0]}
# After these a list of further names goes on; otherwise the mark belongs to the value.
_NEXT_NAME = re.compile(rb"[,;&]\s*(?:$|[\"'\\\s)\]}]|[\w.%\[\]-]{1,64}\s?[=:])")


def literal_end(
    data: bytes, start: int, *, spaces: bool = False, whole_line: bool = False
) -> tuple[int, int]:
    """The place of the value that begins at `start`, without its quotes.

    What is not closed reaches to the end: the rest of a cut value is the value, too.

    Args:
        data: the text.
        start: where the value, or its opening quote, stands.
        spaces: whether an unquoted value may hold spaces (``key: a b``).
        whole_line: whether it goes to the end of the line (``Cookie: a=b; c=d``).
    """
    opening = _OPENING.match(data, start)
    if opening is not None:
        return opening.end(), _closing_quote(data, opening.end(), opening[1], opening[2])
    depth, at = 0, start
    while True:
        mark = _MARKS.search(data, at)
        if mark is None:
            return start, len(data)
        found, char = mark.start(), mark[0][0]
        at = found + 1
        if char in _CLOSING_OF:
            depth += 1
        elif char in _CLOSING:
            if not depth:
                return _trimmed(data, start, found)
            depth -= 1
        elif char in b"\"'`":
            if data[found - 1 : found].isalnum() and data[at : at + 1].isalnum():
                continue  # an apostrophe
            if not depth and not (whole_line and data[found - 1 : found] == b"="):  # Digest username="..."
                return _trimmed(data, start, found)
            slashes = data[start:found]
            slashes = slashes[len(slashes.rstrip(b"\\")) :]
            at = min(len(data), _closing_quote(data, at, slashes, mark[0]) + len(slashes) + 1)
        elif not depth and _ends(data, found, char, spaces=spaces, whole_line=whole_line):
            return _trimmed(data, start, found)


def _ends(data: bytes, at: int, char: int, *, spaces: bool, whole_line: bool) -> bool:
    if char in b"\r\n":
        return True
    if whole_line:
        return False
    if char in b",;&":
        return _NEXT_NAME.match(data, at) is not None
    if char in b"<":
        return data[at + 1 : at + 2] == b"/"
    if char in b">":
        return not data[at + 1 : at + 2].isalnum()
    return not spaces


def _closing_quote(data: bytes, at: int, slashes: bytes, quote: bytes) -> int:
    r"""Where the quote is closed: by its like with as many backslashes before it, or at the end."""
    while True:
        found = data.find(quote, at)
        if found < 0:
            return len(data)
        before = found
        while before > at and data[before - 1] == 92:
            before -= 1
        if slashes and found - before <= len(slashes):
            return before
        after = data[found + len(quote) : found + len(quote) + 1]
        # 'it's' and 'it''s' go on after the second quote.
        inside = after.isalnum() or (after == quote and found > at)
        if not slashes and (found - before) % 2 == 0 and not inside:
            return found
        at = found + len(quote)


def _trimmed(data: bytes, start: int, end: int) -> tuple[int, int]:
    while end > start and data[end - 1] in b" \t\\":
        end -= 1
    return start, end
