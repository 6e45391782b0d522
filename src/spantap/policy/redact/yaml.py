"""YAML, line by line: values below their names, and names that are values (``name: DB_PASSWORD``)."""

from __future__ import annotations

import re
from typing import Final

from spantap.policy.redact.beside import LONGEST, NAMED, NAMERS
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, Tally

_MEMBER = re.compile(
    r"([ \t]*(?:- +)*)((?:\"[^\"\n]*\"|'[^'\n]*'|[^\s#:\"'][^:\n]{0,255}?))[ \t]*:(?:[ \t]+(.*))?\Z"
)
_INDENT = re.compile(r"[ \t]*(- )?")
_EMPTY: Final = frozenset({"", "null", "~", '""', "''", MASK, f'"{MASK}"'})
_LATER: Final = frozenset({"|", ">", "|-", ">-", "|+", ">+"})


def clean_yaml(text: str, rules: Rules, tally: Tally, *, cut: bool = False) -> str:
    """YAML with the values of sensitive names masked; the same text when there are none."""
    return _Scan(rules, tally, cut=cut).run(text)


class _Scan:
    """One pass over one text."""

    def __init__(self, rules: Rules, tally: Tally, *, cut: bool) -> None:
        self._names = rules.names
        self._tally = tally
        self._cut = cut
        self._lines: list[str] = []
        self._hidden = -1  # lines deeper than that belong to a secret
        self._list = False  # and so do list items of the same depth
        self._items: list[_Item] = []

    def run(self, text: str) -> str:
        """The text, masked."""
        for line in text.split("\n"):
            self._lines.append(line)
            if line.strip():
                self._line(line.rstrip("\r"))
        if self._cut:
            for item in self._items:
                self._end(item)
        return "\n".join(self._lines)

    def _line(self, line: str) -> None:
        if self._hidden >= 0:
            found = _INDENT.match(line)
            bare = line.lstrip(" \t")
            indent = len(line) - len(bare)
            if indent > self._hidden or (indent == self._hidden and found and found[1] and self._list):
                self._hide(len(self._lines) - 1, indent + (2 if found and found[1] else 0))
                return
            self._hidden = -1
        member = _MEMBER.match(line)
        if member is None:
            return
        indent = len(member[1])
        self._enter(indent, begins="-" in member[1])
        name, value = _bare(member[2]), (member[3] or "").strip()
        item = self._items[-1]
        if name in self._names:
            if value in _LATER or value in ("", "&", "!"):
                self._hidden, self._list = indent, True
            elif value not in _EMPTY:
                self._hidden, self._list = indent, False  # it may go on in the next lines
                self._hide(len(self._lines) - 1, len(line) - len((member[3] or "").lstrip()))
        elif name in NAMERS:
            item.nameless = False
            if _bare(value) in self._names:
                item.named = True
        if name in NAMED and value not in _EMPTY and value not in _LATER:
            item.values.append((len(self._lines) - 1, len(line) - len((member[3] or "").lstrip())))
        if item.named:
            self._end(item)

    def _enter(self, indent: int, *, begins: bool) -> None:
        while self._items and (
            self._items[-1].indent > indent or (begins and self._items[-1].indent == indent)
        ):
            self._items.pop()
        if not self._items or self._items[-1].indent < indent:
            self._items.append(_Item(indent))

    def _end(self, item: _Item) -> None:
        if item.named or (self._cut and item.nameless):
            for number, start in item.values:
                if item.named or len(self._lines[number]) <= LONGEST:
                    self._hide(number, start)
            item.values.clear()

    def _hide(self, number: int, start: int) -> None:
        line = self._lines[number]
        raw = line[start:].rstrip("\r")
        if raw.strip() in _EMPTY:
            return
        self._tally.add("key", _bare(raw))
        self._lines[number] = f'{line[:start]}"{MASK}"' + ("\r" if line.endswith("\r") else "")


class _Item:
    """The members of one mapping."""

    __slots__ = ("indent", "named", "nameless", "values")

    def __init__(self, indent: int) -> None:
        self.indent = indent
        self.named = False
        self.nameless = True
        self.values: list[tuple[int, int]] = []  # line and place of those a name may stand beside


def _bare(text: str) -> str:
    return text.strip().strip("\"'")
