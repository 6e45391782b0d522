"""YAML: values below their names, names that are values (``name: DB_PASSWORD``), flags in lists.

No parser: lines are read by their indentation, whatever is broken in them. What does not close reaches
to the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from spantap.policy.redact.beside import LONGEST, NAMED, NAMERS
from spantap.policy.redact.form import looks_sensitive
from spantap.policy.redact.loose import clean_loose
from spantap.policy.redact.plain import spelt_out
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, Tally
from spantap.policy.redact.yaml_values import beginning, extent, flow_end

_KEY = re.compile(
    r"(\"[^\"\\\n]*(?:\\.[^\"\\\n]*)*\"|'[^'\n]*(?:''[^'\n]*)*'"
    r"|[^\s#\"'{}\[\]][^\n]{0,255}?)[ \t]{0,16}:(?=\s|\Z)"
)
_DASH = re.compile(r"-(?:[ \t]+|(?=\r?\n|\r?\Z))")
_ASKED = re.compile(r"\?[ \t]+([^\r\n]+)")
_ANSWER = re.compile(r":(?=\s|\Z)")
_ANCHOR = re.compile(r"(?:![^\s]*[ \t]+)?&([^\s,\[\]{}]+)")
_ALIAS = re.compile(r"\*([^\s,\[\]{}]+)")
_EMPTY: Final = frozenset({"", "null", "~", '""', "''", MASK, f'"{MASK}"', f"'{MASK}'"})
_MOST_UNCLOSED: Final = 16  # then nobody looks for an end any more
_NAMES_BESIDE: Final = "|".join(sorted(NAMED | NAMERS | {"kind"}))
# What no single line tells: names beside values, flags in lists, collections on one line.
_YAML = re.compile(
    rf"^[ \t]*(?:- +)*(?:[\"']?(?:{_NAMES_BESIDE})[\"']?[ \t]*:[ \t\r\n]"
    r"|- +[\"']?--?[A-Za-z]|- +[\[{]|[\w\"'.-]+:[ \t]+(?:[\[{]|[&!|>*]))",
    re.MULTILINE,
)


def is_yaml(text: str) -> bool:
    """Whether a text may be YAML with names and values on different lines."""
    return "\n" in text and _YAML.search(text) is not None


def clean_yaml(text: str, rules: Rules, tally: Tally, *, cut: bool = False, depth: int = 0) -> str:
    """YAML with the values of sensitive names masked; the same text when there are none.

    Args:
        text: the YAML.
        rules: what is sensitive.
        tally: counts what is masked.
        cut: whether it ends too early.
        depth: how deep inside other values we are.
    """
    return _Scan(text, rules, tally, cut=cut, depth=depth).run()


@dataclass(slots=True)
class _Level:
    """A mapping or a sequence that is not over yet."""

    column: int
    sequence: bool = False
    named: bool = False  # of a mapping: another member names a secret
    nameless: bool = True
    values: list[tuple[int, int]] = field(default_factory=list)  # those a name may stand beside
    count: int = 0  # of a sequence: its elements
    before: str = ""  # the one before
    pair: bool = False  # it is an element itself, and the first one names a secret
    second: tuple[int, int] | None = None


class _Scan:
    """One pass over one text. Values are known by where they begin and the column of what holds them."""

    def __init__(self, text: str, rules: Rules, tally: Tally, *, cut: bool, depth: int) -> None:
        self._depth = depth
        self._text = text
        self._rules = rules
        self._names = rules.names
        self._tally = tally
        self._cut = cut
        self._levels: list[_Level] = []
        self._until = 0  # what stands before is done
        self._asked: str | None = None  # ``? name``, whose value comes
        self._anchors: dict[str, list[tuple[int, int]]] = {}
        self._aliases: list[str] = []
        self._edits: list[tuple[int, int, str]] = []
        self._hidden = 0  # what was hidden last ends here
        self._unclosed = 0  # collections whose end was looked for in vain

    def run(self) -> str:
        """The text, masked."""
        text, at = self._text, 0
        while at < len(text):
            end = text.find("\n", at) + 1 or len(text)
            if at >= self._until:
                self._line(at, end)
            at = end
        while self._levels:
            self._leave(over=True)
        for alias in self._aliases:
            self._hide_all(self._anchors.pop(alias, []))
        return self._edited()

    def _line(self, start: int, end: int) -> None:
        text = self._text
        bare = text[start:end].lstrip(" \t\r\n")
        at = end - len(bare)
        if not bare or bare[0] == "#":
            return
        if at == start and bare.rstrip() in ("---", "..."):
            while self._levels:
                self._leave(over=False)
            return
        dash = None
        while (found := _DASH.match(text, at, end)) is not None:
            dash = self._element(at - start)
            at = found.end()
        asked = _ASKED.match(text, at, end)
        if asked is not None:
            self._asked = _bare(asked[1])
            return
        answer = _ANSWER.match(text, at, end) if self._asked is not None else None
        key = _KEY.match(text, at, end)
        if answer is not None and self._asked is not None:
            self._member(self._asked, answer.end(), at - start)
            self._asked = None
        elif key is not None:
            if dash is not None:
                dash.before = ""
            self._member(_bare(key[1]), key.end(), at - start)
        elif dash is not None:
            self._scalar(dash, at, end)
        elif text[at] in "{[":
            self._flow(at)

    def _element(self, column: int) -> _Level:
        """A further element of the sequence in that column."""
        inside = False
        while self._levels and self._levels[-1].column > column:
            self._leave(over=False)
        if self._levels:
            inside = self._levels[-1].sequence and self._levels[-1].column < column
        if not (self._levels and self._levels[-1].sequence and self._levels[-1].column == column):
            self._levels.append(_Level(column, sequence=True, pair=inside))
        level = self._levels[-1]
        level.count += 1
        return level

    def _scalar(self, level: _Level, at: int, end: int) -> None:
        """An element that is no mapping."""
        said, flag = _bare(self._text[at:end]), level.before
        level.before = said
        self._anchored(at, level.column)
        if flag.startswith("-") and flag.lstrip("-") in self._names:
            self._hide(at, level.column)
        elif self._text[at : at + 1] in ("{", "["):
            self._flow(at)
        elif level.count == 1:
            level.pair = level.pair and said in self._names
        elif level.count == 2:
            level.second = (at, level.column)

    def _member(self, name: str, at: int, column: int) -> None:
        """A member of the mapping in that column."""
        level = self._mapping(column)
        value = beginning(self._text, at)
        line = self._text[value : self._text.find("\n", value) + 1 or len(self._text)]
        said = _bare(line) if "\n" not in self._text[at:value] else ""
        self._anchored(value, column)
        if name in self._names:
            alias = _ALIAS.match(self._text, value)
            if alias is not None:
                self._aliases.append(alias[1])
            self._hide(at, column)
            return
        if name in NAMERS:
            level.nameless = False
        if name in NAMERS or name == "kind":
            level.named = level.named or said in self._names
        if name in NAMED:
            level.values.append((at, column))
        if level.named:
            self._hide_all(level.values)
            level.values.clear()
        elif said[:1] in ("{", "["):
            self._flow(value)

    def _mapping(self, column: int) -> _Level:
        while self._levels and (
            self._levels[-1].column > column
            or (self._levels[-1].column == column and self._levels[-1].sequence)
        ):
            self._leave(over=False)
        if not self._levels or self._levels[-1].column < column:
            self._levels.append(_Level(column))
        return self._levels[-1]

    def _leave(self, *, over: bool) -> None:
        """The end of a collection, or of the text."""
        level = self._levels.pop()
        if level.pair and level.count == 2 and level.second is not None:
            self._hide(*level.second)
        if over and self._cut and level.nameless:
            self._hide_all(level.values, most=LONGEST)

    def _hide_all(self, values: list[tuple[int, int]], most: int | None = None) -> None:
        """Mask values, in their order, none of those longer than `most`."""
        self._hidden = 0
        for at, column in values:
            if at >= self._hidden:  # or it is part of the one before
                self._hide(at, column, most)

    def _anchored(self, at: int, column: int) -> None:
        anchor = _ANCHOR.match(self._text, at)
        if anchor is not None:
            self._anchors.setdefault(anchor[1], []).append((at, column))

    def _flow(self, at: int) -> None:
        """``{password: x}``, ``[--password, x]``: what else is JSON without quotes."""
        end = flow_end(self._text, at) if self._unclosed < _MOST_UNCLOSED else -1
        if end < 0:
            self._unclosed += 1
            return
        flow = self._text[at:end]
        self._until = end
        if looks_sensitive(flow, self._rules):
            clean = clean_loose(flow, self._rules, self._tally, self._depth)
            if clean != flow:
                self._edits.append((at, end, clean))

    def _hide(self, at: int, column: int, most: int | None = None) -> None:
        start, end = extent(self._text, at, column)
        self._hidden = max(self._hidden, end)
        raw = self._text[start:end]
        if most is not None and len(raw) > most:
            return
        self._until = max(self._until, end)
        if raw.strip() not in _EMPTY:
            self._tally.add("key", _bare(raw))
            self._edits.append((start, end, f'"{MASK}"'))

    def _edited(self) -> str:
        pieces, at = [], 0
        for start, end, written in sorted(self._edits, key=lambda each: (each[0], -each[1])):
            if start >= at:
                pieces += [self._text[at:start], written]
                at = end
        return "".join([*pieces, self._text[at:]])


def _bare(text: str) -> str:
    text = text.strip().strip("\"'")
    return spelt_out(text) if "\\" in text else text
