"""Comma-separated values: the columns whose heading is a sensitive name."""

from __future__ import annotations

import re
from typing import Final

from spantap.policy.redact.beside import NAMED, NAMING
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, Tally

_DELIMITERS: Final = ("\t", ";", ",", "|")
_LONGEST_HEADING: Final = 64
_BREAK = re.compile(r"\r\n?|\n")


def delimiter_of(text: str, *, sure: bool) -> str | None:
    """What separates the cells of a text that has headings, or None when it is no table.

    Args:
        text: the text.
        sure: it is a table, says its media type.
    """
    end = _BREAK.search(text)
    if end is None:
        return None
    heading = text[: min(end.start(), 64 * _LONGEST_HEADING)]
    if sure:
        return max(_DELIMITERS, key=heading.count)
    for delimiter in _DELIMITERS:
        # Markdown draws lines around the table, too.
        cells = [each.strip(" \"'\ufeff") for each in heading.strip(" |").split(delimiter)]
        if len(cells) > 1 and all(_is_heading(each) for each in cells):
            return delimiter
    return None


def _is_heading(cell: str) -> bool:
    return (
        0 < len(cell) <= _LONGEST_HEADING
        and len(cell.split()) <= 4
        and "=" not in cell
        and ": " not in f"{cell} "  # no YAML
    )


def clean_table(text: str, delimiter: str, rules: Rules, tally: Tally, *, any_row: bool) -> str:
    """A table with the cells under sensitive headings masked; the same text when there are none.

    Args:
        text: the table.
        delimiter: what stands between its cells.
        rules: what is sensitive.
        tally: counts what is masked.
        any_row: headings may stand in any row, not in the first alone.
    """
    cells = re.compile(rf'[ ]*("[^"]*(?:""[^"]*)*(?:"|\Z))?([^{re.escape(delimiter)}\r\n]*)')
    pieces: list[str] = []
    secret: set[int] = set()
    naming: set[int] = set()  # columns of names, and of the values that stand beside them
    beside: set[int] = set()
    named = False  # this row names a secret
    at, column, heading = 0, 0, True
    while at < len(text):
        cell = cells.match(text, at)
        end = cell.end() if cell else at
        raw = text[at:end]
        bare = raw.strip()
        name = bare.strip("\"'\ufeff")
        says_name = len(name) <= _LONGEST_HEADING and name in rules.names
        if says_name and column in naming:
            named = True
        elif says_name and (heading or any_row):
            secret.add(column)
        elif heading:
            beside |= {column} if name in NAMED else set()
            naming |= {column} if name in NAMING else set()
        elif (column in secret or (named and column in beside)) and bare.strip('"-:') not in ("", MASK):
            tally.add("key", bare.strip('"'))
            raw = f'"{MASK}"' if bare.startswith('"') else MASK
        pieces.append(raw)
        at = end
        found = _BREAK.match(text, at)
        if found is not None:
            pieces.append(found[0])
            at, column, heading, named = found.end(), 0, False, False
        elif at < len(text):
            pieces.append(text[at])
            at += 1
            column += 1
    return "".join(pieces)
