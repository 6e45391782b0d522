"""Places in a JSON document: ``$.user.name``, ``$..iban``, ``$.items[*].note``.

The part of JSONPath (RFC 9535) that names places and asks nothing about values: it can be followed
while a document is walked once, whatever the number of rules. Letter case does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

NEVER: Final = 1 << 30  # the number of no rule; every rule comes before it
_MOST_STATES: Final = 4096

_STEP = re.compile(
    r"(?P<deep>\.\.)?(?:(?P<dot>(?(deep)|\.))(?:(?P<any>\*)|(?P<name>[\w-]+))"
    r"|\[\s*(?:(?P<every>\*)|(?P<index>[0-9]{1,9})|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\")\s*\])"
)


class Step(NamedTuple):
    """One step down.

    Attributes:
        to: a member's name in folded case, an element's index, or None for any.
        deep: whether any number of levels may lie between.
    """

    to: str | int | None
    deep: bool


class PlaceError(ValueError):
    """Not a place; the message says what is wrong."""


def parse_place(text: str) -> tuple[Step, ...]:
    """The steps from the root to a place.

    Raises:
        PlaceError: the text names none.
    """
    if not text.startswith("$"):
        raise PlaceError(f"a place in a body begins with $, such as $.user.name or $..iban, not {text!r}")
    steps, at = [], 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise PlaceError(_unreadable(text[at:]))
        to: str | int | None = None
        if found["index"] is not None:
            to = int(found["index"])
        elif found["any"] is None and found["every"] is None:
            named = (found[each] for each in ("name", "single", "double"))
            to = next(each for each in named if each is not None).casefold()
        steps.append(Step(to, found["deep"] is not None))
        at = found.end()
    return tuple(steps)


def _unreadable(rest: str) -> str:
    if rest.startswith(("[?", "[(", "..[?")):
        return f"filters are not supported: {rest!r}; name the place"
    if re.match(r"(\.\.)?\[\s*-?[0-9]*\s*[:,-]", rest) or re.match(r"(\.\.)?\[\s*-", rest):
        return f"slices, lists and negative indexes are not supported: {rest!r}; use [*] or one index"
    return f"cannot be read from {rest!r} on; use .name, ['a name'], [0], [*], .* or ..name"


class Position:
    """Where a walk stands: what has matched, and what may match further down.

    Attributes:
        rule: the first of the rules whose place this is, or `NEVER`.
        below: the first of the rules that may still match further down, or `NEVER`.
    """

    __slots__ = ("_reached", "_steps", "below", "rule")

    def __init__(self, reached: frozenset[tuple[int, int]], places: dict[int, tuple[Step, ...]]) -> None:
        self._reached = reached
        self._steps: dict[Any, Position] = {}
        self.rule = min((rule for rule, at in reached if at == len(places[rule])), default=NEVER)
        self.below = min((rule for rule, at in reached if at < len(places[rule])), default=NEVER)


class Places:
    """Several places, followed together. Thread-safe: what it remembers is only added to, and bounded.

    Attributes:
        root: the position a walk begins at.
    """

    __slots__ = ("_known", "_named", "_places", "root")

    def __init__(self, places: Iterable[tuple[int, tuple[Step, ...]]]) -> None:
        """Args:
        places: the number of each rule, and its steps; lower numbers come first.
        """
        self._places = dict(places)
        self._named = frozenset(step.to for steps in self._places.values() for step in steps)
        self._known: dict[frozenset[tuple[int, int]], Position] = {}
        self.root = self._position(frozenset((rule, 0) for rule in self._places))

    def down(self, position: Position, key: str | int) -> Position:
        """The position of a member (by name) or an element (by index)."""
        to: str | int | None = key.casefold() if isinstance(key, str) else key
        if to not in self._named:
            to = None  # names nobody asked for are all alike
        known = position._steps.get(to)
        if known is None:
            known = self._position(frozenset(self._followed(position._reached, to)))
            position._steps[to] = known
        return known

    def _followed(
        self, reached: frozenset[tuple[int, int]], to: str | int | None
    ) -> Iterable[tuple[int, int]]:
        for rule, at in reached:
            steps = self._places[rule]
            if at < len(steps):
                step = steps[at]
                if step.to is None or step.to == to:
                    yield rule, at + 1
                if step.deep:
                    yield rule, at

    def _position(self, reached: frozenset[tuple[int, int]]) -> Position:
        known = self._known.get(reached)
        if known is None:
            known = Position(reached, self._places)
            if len(self._known) < _MOST_STATES:
                self._known[reached] = known
        return known


def covers(first: tuple[Step, ...], second: tuple[Step, ...]) -> bool:
    """Whether the first place is, or lies around, every place the second one names."""
    if first == second:
        return True
    reached = {0}
    for step in second:
        if len(first) in reached:
            return True
        after = {at for at in reached if first[at].deep}
        if not step.deep:
            after |= {at + 1 for at in reached if first[at].to is None or first[at].to == step.to}
        else:  # however many levels lie between, only what is deep itself follows
            after |= {at + 1 for at in reached if first[at].deep and first[at].to in (None, step.to)}
        reached = after
    return len(first) in reached
