"""Where a value of YAML ends: a word, a quoted text, a block, a collection."""

from __future__ import annotations

import re
from typing import Final

_PROPERTY = re.compile(r"[&!][^\s]*(?:[ \t]+|(?=\r?\n|\Z))")
_DOUBLE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SINGLE = re.compile(r"'[^']*(?:''[^']*)*'")
_BRACKET = re.compile(r"\"[^\"\\]*(?:\\.[^\"\\]*)*\"|(?<=[\s,:\[{])'[^']*(?:''[^']*)*'|[\[\]{}]", re.DOTALL)
_SPACE: Final = " \t\r\n"


def beginning(text: str, at: int) -> int:
    """Where the value behind a name begins; on a further line, if the rest of this one is empty."""
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def extent(text: str, at: int, column: int) -> tuple[int, int]:
    """The place of a value, with all lines that belong to it, without the white space around it.

    Args:
        text: the whole text.
        at: where its name, or the dash before it, ends.
        column: of the name or the dash. Lines further in belong to the value.
    """
    line = text.find("\n", at) + 1 or len(text)
    start = at
    while start < line and text[start] in _SPACE:
        start += 1
    said = start
    while (found := _PROPERTY.match(text, said, line)) is not None:
        said = found.end()
    empty = not text[said:line].strip() or text[said] == "#"
    end = line
    if not empty and text[said] in "\"'":
        quoted = (_DOUBLE if text[said] == '"' else _SINGLE).match(text, said)
        end = len(text) if quoted is None else text.find("\n", quoted.end()) + 1 or len(text)
    elif not empty and text[said] in "{[":
        closed = flow_end(text, said)
        end = len(text) if closed < 0 else text.find("\n", closed) + 1 or len(text)
    while end < len(text) and _belongs(text, end, column, items=empty):
        end = text.find("\n", end) + 1 or len(text)
    if empty and start == said:
        start = min(beginning(text, start), end)
    while end > start and text[end - 1] in _SPACE:
        end -= 1
    return start, end


def _belongs(text: str, at: int, column: int, *, items: bool) -> bool:
    """Whether the line that begins there is part of a value, or empty."""
    start = at
    while start < len(text) and text[start] in " \t":
        start += 1
    if start >= len(text) or text[start] in "\r\n":
        return True
    return start - at > column or (
        items and start - at == column and text[start] == "-" and text[start + 1 : start + 2] in ("", *_SPACE)
    )


def flow_end(text: str, at: int) -> int:
    """The end of the ``{...}`` or ``[...]`` that begins there, or -1."""
    depth = 0
    for found in _BRACKET.finditer(text, at):
        mark = found[0]
        if mark in ("{", "["):
            depth += 1
        elif mark in ("}", "]"):
            depth -= 1
            if not depth:
                return found.end()
    return -1
