"""Where something was masked, and by which rule: found by comparing a text with what was made of it.

Redaction itself counts rules and remembers no places. Here each place that differs is put back alone into
the clean text around it, and cleaned once more: what is counted then is the rule that hit there. Names in
a place are those of the clean text, so a place shows nothing that the text does not show.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

import orjson

# Counts of the rules that hit in a text; None when it would be withheld.
Probe = Callable[[str], Mapping[str, int] | None]

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_INDEX: Final = re.compile(r"\[\d+\]")
_AROUND: Final = 3  # lines before and after one that are looked at with it
_MOST_LINES: Final = 2000  # of a text whose lines have to be searched for
_MOST_PAIRS: Final = 50
_TOKEN: Final = re.compile(r"<[^<>]*>|[^<]+|<")
_TAG: Final = re.compile(r"<\s*(/?)([\w.:-]+)")
_ATTRIBUTE: Final = re.compile(r"([\w.:-]+)\s*=\s*(\"[^\"]*\"|'[^']*')")


@dataclass(frozen=True, slots=True)
class Place:
    """A place where something was masked.

    Attributes:
        where: JSON path, name of a header, parameter or field, path of an element, or line.
        rule: what hit: ``key``, ``card``, ``jwt``, ...; ``echo`` for a value that was masked elsewhere.
        count: how often.
    """

    where: str
    rule: str
    count: int


def merged(places: Iterable[Place]) -> list[Place]:
    """The places, those that differ in an index alone as one: ``$.users[*].password``."""
    groups: dict[tuple[str, str], list[Place]] = {}
    for each in places:
        groups.setdefault((_INDEX.sub("[*]", each.where), each.rule), []).append(each)
    return [
        Place(anywhere if len({each.where for each in group}) > 1 else group[0].where, rule, _times(group))
        for (anywhere, rule), group in groups.items()
    ]


def _times(group: list[Place]) -> int:
    return sum(each.count for each in group)


def in_json(before: str, after: str, probe: Probe, prefix: str = "") -> list[Place]:
    """The places in a JSON document, as JSON paths.

    Raises:
        ValueError: one of them is not JSON.
    """
    found = []
    for steps, dirty in _differences(orjson.loads(before), orjson.loads(after)):
        document = _alone(steps, dirty)
        found += _places(prefix + _path(steps), probe(orjson.dumps(document).decode()))
    return found


def in_pairs(before: str, after: str, probe: Probe, prefix: str) -> list[Place]:
    """The places in a form or a query, as names of fields."""
    old, new = before.split("&"), after.split("&")
    if len(old) != len(new):
        return _places(prefix.strip(), probe(before))
    names = [f"{each.partition('=')[0]}=" for each in new[:_MOST_PAIRS]]  # a rule may ask for them
    found = []
    for dirty, clean in zip(old, new, strict=True):
        if dirty != clean:
            where = prefix + unquote_plus(clean.partition("=")[0])
            found += _places(where, probe("&".join([dirty, *names])))
    return found


def in_lines(before: str, after: str, probe: Probe) -> list[Place]:
    """The places in any text, as numbers of lines of the text before it was cleaned."""
    old, new = before.split("\n"), after.split("\n")
    found = []
    for number, dirty, clean, around in _changed_lines(old, new):
        where = f"line {number}"
        if clean[:1] in ("{", "[") and dirty[:1] == clean[:1]:
            try:
                found += in_json(dirty, clean, probe, f"{where} ")
                continue
            except ValueError:
                pass  # a line that only begins like JSON
        found += _places(where, probe("\n".join([*around[0], dirty, *around[1]])))
    return found


def in_markup(before: str, after: str, probe: Probe) -> list[Place]:
    """The places in XML or HTML, as paths of elements and attributes; else of lines."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    if len(old) != len(new):
        return in_lines(before, after, probe)
    found, open_tags = [], list[str]()
    for dirty, clean in zip(old, new, strict=True):
        tag = _TAG.match(clean)
        if tag is not None:
            _enter(open_tags, tag, clean)
        if dirty == clean:
            continue
        inside = [*open_tags, tag[2]] if tag is not None and clean.endswith("/>") else open_tags
        wrapped = "".join(f"<{name}>" for name in inside) if tag is None else ""
        closed = "".join(f"</{name}>" for name in reversed(inside)) if tag is None else ""
        where = "/" + "/".join(inside) + _attributes(dirty, clean)
        found += _places(where, probe(f"{wrapped}{dirty}{closed}"))
    return found


def _enter(open_tags: list[str], tag: re.Match[str], token: str) -> None:
    if tag[1]:
        if tag[2] in open_tags:
            while open_tags.pop() != tag[2]:
                pass  # HTML need not close what it opened
    elif not token.endswith("/>"):
        open_tags.append(tag[2])


def _attributes(dirty: str, clean: str) -> str:
    pairs = zip(_ATTRIBUTE.findall(dirty), _ATTRIBUTE.findall(clean), strict=False)
    names = [new[0] for old, new in pairs if old != new]
    return f"/@{','.join(names)}" if names else ""


def _places(where: str, counts: Mapping[str, int] | None) -> list[Place]:
    # By itself nothing is wrong with it: it was masked because it is masked somewhere else.
    return [Place(where, rule, count) for rule, count in (counts or {"echo": 1}).items()]


def _changed_lines(
    old: Sequence[str], new: Sequence[str]
) -> Iterator[tuple[int, str, str, tuple[Sequence[str], Sequence[str]]]]:
    """Number, line before and after, and the clean lines around it."""
    blocks: Iterable[tuple[int, int, int, int]]
    if len(old) == len(new):
        blocks = ((at, at + 1, at, at + 1) for at in range(len(old)) if old[at] != new[at])
    elif max(len(old), len(new)) > _MOST_LINES:
        blocks = [(0, len(old), 0, len(new))]
    else:
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        blocks = ((a, b, c, d) for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal")
    for start, end, first, last in blocks:
        around = (new[max(0, first - _AROUND) : first], new[last : last + _AROUND])
        yield start + 1, "\n".join(old[start:end]), "\n".join(new[first:last]), around


@dataclass(frozen=True, slots=True)
class _Renamed:
    """A name of a member that is a value itself."""

    name: str


# The containers of the clean document on the way to a place: each with the name or the number in it.
_Steps = tuple[tuple[Any, Any], ...]


def _differences(before: Any, after: Any) -> Iterator[tuple[_Steps, Any]]:
    """Every place where two documents differ, with what was there before."""
    waiting: list[tuple[_Steps, Any, Any]] = [((), before, after)]
    while waiting:
        steps, old, new = waiting.pop()
        below: list[tuple[_Steps, Any, Any]] = []
        if type(old) is dict and type(new) is dict and len(old) == len(new):
            for (old_name, old_value), (name, value) in zip(old.items(), new.items(), strict=True):
                here = (*steps, (new, name))
                if old_name != name:
                    yield here, _Renamed(old_name)
                below.append((here, old_value, value))
        elif type(old) is dict and type(new) is dict:
            for name, value in old.items():  # some are gone
                below.append(((*steps, (new, name)), value, new.get(name)))
        elif type(old) is list and type(new) is list and len(old) == len(new):
            below = [((*steps, (new, at)), each, new[at]) for at, each in enumerate(old)]
        elif type(old) is not type(new) or old != new:
            yield steps, old
        waiting += reversed(below)


def _alone(steps: _Steps, dirty: Any) -> Any:
    """The clean document, of which only the way to a place is left, with the dirty value there."""
    document = dirty
    for depth, (container, at) in enumerate(reversed(steps)):
        if type(container) is not dict:
            beside = [_scalar(each) for each in container[:at]] if not depth else []
            document = [*beside, document]
        elif depth:
            document = {at: document}
        elif isinstance(dirty, _Renamed):
            document = {dirty.name: None}
        else:
            document = {**{name: _scalar(each) for name, each in container.items()}, at: document}
    return document


def _scalar(value: Any) -> Any:
    """A neighbour of a value; rules look at names, at plain values and at lists of them."""
    if type(value) is list:
        return [each for each in value if type(each) is str]
    return None if type(value) is dict else value


def _path(steps: _Steps) -> str:
    path = "$"
    for container, at in steps:
        if type(container) is not dict:
            path += f"[{at}]"
        elif _IDENTIFIER.fullmatch(at):
            path += f".{at}"
        else:
            path += f"[{orjson.dumps(at).decode()}]"
    return path
