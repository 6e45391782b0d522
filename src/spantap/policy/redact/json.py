"""JSON: parsed, walked, written again; the very same text when nothing was masked.

Works on what a parser sees, so spelling (escapes, white space, key order) hides nothing.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, Final

import orjson

from spantap.policy.redact.beside import KEY_PARTS, NAMED, NAMING, PLACES, REFUSED
from spantap.policy.redact.columns import HEADINGS, Cell, below_columns, below_heading, has_columns
from spantap.policy.redact.detectors import LEAST_CARD, card_number
from spantap.policy.redact.form import suspicious
from spantap.policy.redact.in_place import Places, clean_in_place
from spantap.policy.redact.outlines import is_message, is_operations, outline
from spantap.policy.redact.patterns import encode
from spantap.policy.redact.prefilter import NOTATION
from spantap.policy.redact.ruled import Ruled
from spantap.policy.redact.ruled_json import Kept, PlacedWalk
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, Tally

_DEEPEST: Final = 100  # levels of nesting; below, everything is masked unread
_ARGUMENT = re.compile(r"\b(\w{1,128})\s{0,16}:\s{0,16}\$(\w{1,128})")  # of GraphQL
_NOTHING_KEPT: Final[Kept] = set()


def clean_json(
    text: str,
    rules: Rules,
    tally: Tally,
    depth: int = 0,
    mask: str = MASK,
    ruled: Ruled | None = None,
    *,
    places: Places | None = None,
) -> str | None:
    """Redacted JSON text, or None when it is not JSON, or nothing of it is left.

    Args:
        text: what claims to be JSON.
        rules: what is sensitive.
        tally: counts what is masked.
        depth: how deep inside other values we are.
        mask: what to put in place of a value.
        ruled: the user's rules.
        places: where something could be, if that is known.
    """
    if ruled is None:
        try:
            orjson.loads(text)
        except (
            orjson.JSONDecodeError,
            UnicodeEncodeError,
        ):  # the latter for a lone surrogate in the text itself
            return None
        data = encode(text)
        places = rules.prefilter.touched(data) if places is None else places
        if places is not None:
            clean = clean_in_place(text, data, places, rules, tally, depth, mask)
            if clean is not None:
                return clean
    return clean_walking(text, rules, tally, depth, mask, ruled)


def clean_walking(
    text: str, rules: Rules, tally: Tally, depth: int = 0, mask: str = MASK, ruled: Ruled | None = None
) -> str | None:
    """The same with everything looked at: for what `clean_in_place` leaves to it."""
    try:
        parsed = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    root = [parsed]
    placed = None
    if ruled is not None:
        placed = PlacedWalk(ruled, tally)
        if not placed.walk(root):
            return None
    walk = _Walk(rules, tally, depth, mask, encode(text), placed.kept if placed else _NOTHING_KEPT)
    if walk.walk(root) or (placed and placed.changed):
        return orjson.dumps(root[0]).decode()
    if _says_it_all(text, parsed):
        return text
    tally.add("duplicate")
    return orjson.dumps(parsed).decode()


class _Walk:
    """Walks through parsed JSON, masking in place."""

    __slots__ = (
        *("_depth", "_kept", "_mask", "_masked", "_names", "_rules", "_tally", "_values"),
        *("_harmless", "_owners", "_spelt", "_starts", "_strings"),
    )

    def __init__(self, rules: Rules, tally: Tally, depth: int, mask: str, data: bytes, kept: Kept) -> None:
        self._rules = rules
        self._names = rules.names
        self._tally = tally
        self._depth = depth
        self._mask = mask
        self._kept = kept
        self._values = b"\\u" in data or rules.prefilter.value_in(data)
        # Every string that stands under no sensitive name; the strings of an owner begin at its start.
        self._strings: list[str] = []
        self._owners: list[Any] = []
        self._starts: list[int] = []
        self._harmless: set[str] = set()  # names, as far as they were met
        self._spelt: set[str] = set()  # names that may be values themselves
        self._masked = False

    def walk(self, root: list[Any]) -> bool:
        """Mask everything sensitive below `root`; whether there was anything."""
        for node in self._levels(root):
            self._unread(node)
        for owner, suspects in self._suspicious():
            self._inside(owner, suspects)
        self._rename()
        return self._masked

    def _levels(self, root: list[Any]) -> list[Any]:
        """Visit every object and array, level by level; those too deep are returned."""
        level: list[Any] = [root]
        for _ in range(_DEEPEST):
            level = self._visited(level)
            if not level:
                break
        return level

    def _visited(self, level: list[Any]) -> list[Any]:
        """The objects and arrays inside of some. In one piece: calls would cost more than what they do."""
        below: list[Any] = []
        strings, owners, starts, harmless = self._strings, self._owners, self._starts, self._harmless
        for node in level:
            starts.append(len(strings))
            owners.append(node)
            is_object = type(node) is dict
            if is_object and not harmless.issuperset(node):  # objects of an array mostly have the same names
                self._by_name(node)
            elif not is_object and len(node) > 1 and type(node[0]) is list:
                self._below(below_heading(node, self._names))
            large = False
            for value in node.values() if is_object else node:
                kind = type(value)
                if kind is str:
                    strings.append(value)
                elif kind is dict:
                    below.append(value)
                elif kind is list:
                    if not is_object:
                        self._pair(value)
                    below.append(value)
                elif kind is int or kind is float:
                    large = large or value >= LEAST_CARD
            if large and self._values:
                self._numbers(node)
        return below

    def _suspicious(self) -> Iterator[tuple[Any, set[str]]]:
        """The objects and arrays with strings that something could be in, and those strings."""
        suspects: dict[int, set[str]] = {}
        for index in suspicious(self._strings, self._rules):
            owner = bisect_right(self._starts, index) - 1
            suspects.setdefault(owner, set()).add(self._strings[index])
        return ((self._owners[owner], strings) for owner, strings in suspects.items())

    def _by_name(self, node: dict[str, Any]) -> None:
        known = self._names.verdicts.get
        for key, value in node.items():
            verdict = known(key)
            if not (verdict or (verdict is None and key in self._names)):
                self._harmless.add(key)
            elif not (self._kept and (id(node), key) in self._kept):
                node[key] = self._under(key, value)
        if not NAMED.isdisjoint(node):
            self._named(node)
            self._harmless -= NAMED  # so that we come here again
        for each in PLACES:
            if type(node.get(each)) is list:
                self._located(node, node[each])
                self._harmless.discard(each)
        if "kty" in node:
            self._parts_of_key(node)
            self._harmless.discard("kty")
        if has_columns(node):
            self._below(below_columns(node, self._names))
            self._harmless -= HEADINGS
        if "variables" in node:
            self._varied(node)
            self._harmless.discard("variables")
        if self._values:
            self._spelt.update(node)

    def _under(self, name: str, value: Any) -> Any:
        """What stands under a sensitive name."""
        kind = type(value)
        if (kind is str or kind is list) and is_message(value):
            return value
        if kind is dict:
            masked: list[Any] = []
            schema = outline(name, value, masked)
            if schema is not None and not masked:
                return value
            if schema is not None:
                self._hidden("key", masked)
                return schema
            if is_operations(name, value):
                return value
        return self._hidden("key", value)

    def _pair(self, pair: list[Any]) -> None:
        """``[["Authorization", "..."], ...]``"""
        if len(pair) == 2 and type(pair[0]) is str and pair[0] in self._names:
            pair[1] = self._hidden("key", pair[1])

    def _named(self, node: dict[str, Any]) -> None:
        """``{"name": "password", "value": "..."}``: the name is a value, too."""
        for member in NAMING:
            name = node.get(member)
            if type(name) is str and name in self._names:
                for each in NAMED.intersection(node):
                    if (id(node), each) not in self._kept:
                        node[each] = self._hidden("key", node[each])
        title = node.get("title")  # of a field in a message; other titles have texts beside them
        if type(title) is str and title in self._names and "value" in node:
            node["value"] = self._hidden("key", node["value"])

    def _located(self, node: dict[str, Any], place: list[Any]) -> None:
        """``{"loc": ["body", "password"], "input": "..."}``: how validators report a value they refused."""
        if any(type(each) is str and each in self._names for each in place):
            for each in (REFUSED | NAMED).intersection(node):
                node[each] = self._hidden("key", node[each])

    def _parts_of_key(self, node: dict[str, Any]) -> None:
        """A JSON web key; those of its members that are public stay."""
        for each in KEY_PARTS.intersection(node):
            node[each] = self._hidden("jwk", node[each])

    def _varied(self, node: dict[str, Any]) -> None:
        """``{"query": "{ login(password: $p) }", "variables": {"p": "..."}}``: the argument is the name."""
        query, variables = node.get("query"), node["variables"]
        if type(query) is str and type(variables) is dict:
            for argument, variable in _ARGUMENT.findall(query):
                if variable in variables and argument in self._names:
                    variables[variable] = self._hidden("key", variables[variable])

    def _inside(self, node: Any, suspects: set[str]) -> None:
        """Clean strings."""
        before, changed = "", False
        for key, value in list(node.items() if type(node) is dict else enumerate(node)):
            if type(value) is not str:
                before = ""
                continue
            if before in suspects and type(node) is list and self._flag(before):
                node[key] = self._hidden("key", value)
            elif value in suspects:
                node[key] = self._string(value)
                changed = changed or node[key] != value
            before = value
        if changed:
            # What is a name now was too long, or something else, to be one before.
            if type(node) is list:
                self._pair(node)
            else:
                self._named(node)

    def _rename(self) -> None:
        """Clean names that are values themselves: ``{"AKIA...": true}``."""
        names = list(self._spelt)
        cleaned = {names[index]: self._string(names[index]) for index in suspicious(names, self._rules)}
        cleaned = {name: clean for name, clean in cleaned.items() if clean != name}
        if not cleaned:
            return
        for node in self._owners:
            if type(node) is dict and not cleaned.keys().isdisjoint(node):
                members = [(cleaned.get(name, name), value) for name, value in node.items()]
                node.clear()
                node.update(members)

    def _flag(self, before: str) -> bool:
        """``["--password", "..."]``: whether a command's argument is the value of a flag."""
        return before.startswith("-") and before.lstrip("-") in self._names

    def _string(self, text: str) -> str:
        if text in self._tally.hashes:
            return text
        if not NOTATION.search(text) and not (self._values and self._rules.prefilter.value_in(encode(text))):
            return text
        clean = self._rules.value(text, self._tally, self._depth + 1, self._mask)
        if clean != text:
            self._masked = True
        return clean

    def _unread(self, node: Any) -> None:
        self._tally.add("depth", node)
        self._masked = True
        if type(node) is list:
            node[:] = [self._mask]
        else:
            node.clear()
            node[self._mask] = self._mask

    def _hidden(self, rule: str, value: Any) -> Any:
        if value in (None, "", self._mask) or value == [] or value == {}:
            return value
        self._tally.add(rule, value)
        self._masked = True
        return self._mask

    def _below(self, cells: Iterator[Cell]) -> None:
        for row, place in cells:
            row[place] = self._hidden("key", row[place])

    def _numbers(self, node: Any) -> None:
        for key, value in list(node.items() if type(node) is dict else enumerate(node)):
            node[key] = self._number(value)

    def _number(self, value: Any) -> Any:
        number = card_number(value)
        return value if number is None else self._hidden("card", number)


def _says_it_all(text: str, parsed: Any) -> bool:
    r"""Whether the parser saw every member: of a repeated name it keeps the last.

    A member it dropped takes the quotes of its name along, so equal counts of quotes prove
    that none was. ``\u0022`` is a quote, too; counting too many of those can only lead to the
    exact, slow answer.
    """
    written = orjson.dumps(parsed).count(b'"')
    if written == text.count('"') + text.count("\\u0022"):
        return True
    try:
        json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return False
    return True


def _once(members: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in members}) < len(members):
        raise ValueError("a name is repeated")
