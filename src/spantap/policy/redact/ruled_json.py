"""The user's rules for places, applied to parsed JSON before the names and values are looked at."""

from __future__ import annotations

from typing import Any, Final

from spantap.policy.redact.places import NEVER, Position
from spantap.policy.redact.ruled import Ruled
from spantap.policy.redact.tally import MASK, Tally

_DEEPEST: Final = 100  # levels of nesting; below, everything is masked unread
_DROPPED: Final = object()

Kept = set[tuple[int, str]]


class PlacedWalk:
    """Walks through parsed JSON once, changing it in place.

    A rule for an object or array holds for everything in it, unless an earlier rule names a place
    inside.

    Attributes:
        changed: whether anything was.
        kept: object (by id) and name of each member that a rule keeps, or hashes: its name is no reason
            to mask it.
    """

    __slots__ = ("_places", "_ruled", "_tally", "changed", "kept")

    def __init__(self, ruled: Ruled, tally: Tally) -> None:
        self._ruled = ruled
        self._places = ruled.places
        self._tally = tally
        self.changed = False
        self.kept: Kept = set()

    def walk(self, root: list[Any]) -> bool:
        """Treat the document that is the one element of `root`; False when nothing of it is left."""
        start = None if self._places is None else self._places.root
        value = self._treated(root[0], start, NEVER, 0)
        if value is _DROPPED:
            return False
        root[0] = value
        return True

    def _treated(self, value: Any, at: Position | None, above: int, depth: int) -> Any:
        """The value as it may be shown.

        Args:
            value: a value.
            at: its place; None where no rule names places.
            above: the first rule that holds for what is around it.
            depth: levels above it.
        """
        number = above if at is None else min(above, at.rule)
        kind = type(value)
        if kind is dict or kind is list:
            if not value:
                return value
            return self._container(value, at, number, depth)
        if number == NEVER:
            if not self._ruled.allow:
                return value
            clean = self._ruled.unlisted(value, self._tally)
        else:
            rule = self._ruled.rules[number]
            if rule.action == "keep":
                return value
            if rule.action == "drop":
                self._tally.add(rule.name, value)
                self.changed = True
                return _DROPPED
            clean = self._ruled.scalar(rule, value, self._tally)
        if clean is not value:
            self.changed = True
        return clean

    def _container(self, value: Any, at: Position | None, number: int, depth: int) -> Any:
        further = at is not None and at.below < number
        if number == NEVER:
            if not further and not self._ruled.allow:
                return value
        else:
            rule = self._ruled.rules[number]
            if rule.action == "keep" and not further:
                return value
            if rule.action in ("mask", "drop") and not further:
                self._tally.add(rule.name, value)
                self.changed = True
                return MASK if rule.action == "mask" else _DROPPED
        if depth >= _DEEPEST:
            self._tally.add("depth", value)
            self.changed = True
            return MASK
        self._inside(value, at, number, depth + 1)
        return value

    def _inside(self, node: Any, at: Position | None, number: int, depth: int) -> None:
        gone = []
        for key, value in list(node.items() if type(node) is dict else enumerate(node)):
            below = None if at is None or self._places is None else self._places.down(at, key)
            first = number if below is None else min(number, below.rule)
            if type(key) is str and first != NEVER and self._shows(first, number, value):
                self.kept.add((id(node), key))
            clean = self._treated(value, below, number, depth)
            if clean is _DROPPED:
                gone.append(key)
            elif clean is not value:
                node[key] = clean
        for key in reversed(gone):
            del node[key]

    def _shows(self, rule: int, around: int, value: Any) -> bool:
        """Whether a member is not to be masked for its name: kept by that very name, or hashed."""
        action = self._ruled.rules[rule].action
        return (action == "hash" and (rule < around or not isinstance(value, (dict, list)))) or (
            action == "keep" and rule < around
        )
