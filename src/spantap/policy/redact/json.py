"""JSON: parsed, walked, written again; the very same text when nothing was masked.

Works on what a parser sees, so spelling (escapes, white space, key order) hides nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

import orjson

from spantap.policy.redact.detectors import is_card
from spantap.policy.redact.form import looks_sensitive
from spantap.policy.redact.patterns import encode
from spantap.policy.redact.prefilter import value_in
from spantap.policy.redact.rules import Rules
from spantap.policy.redact.tally import MASK, Tally

_DEEPEST: Final = 100  # levels of nesting; below, everything is masked unread
_PAIR_OR_MARKUP = re.compile(r"[=:<%]|--|[\"'`]")
# Members that name what stands in another member of the same object.
NAMING: Final = (
    "name",
    "key",
    "field",
    "header",
    "param",
    "parameter",
    "label",
    "id",
    "type",
    "Name",
    "Key",
    "n",
    "k",
)
NAMED: Final = frozenset({"value", "values", "val", "content", "data", "text", "default", "Value", "v"})

REFUSED: Final = frozenset({"input", "ctx"})


def clean_json(text: str, rules: Rules, tally: Tally, depth: int = 0, mask: str = MASK) -> str | None:
    """Redacted JSON text, or None when it is not JSON.

    Args:
        text: what claims to be JSON.
        rules: what is sensitive.
        tally: counts what is masked.
        depth: how deep inside other values we are.
        mask: what to put in place of a value.
    """
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    except UnicodeEncodeError:  # a lone surrogate in the text itself
        return None
    root = [parsed]
    if _Walk(rules, tally, depth, mask, encode(text)).walk(root):
        return orjson.dumps(root[0]).decode()
    if _says_it_all(text, parsed):
        return text
    tally.add("duplicate")
    return orjson.dumps(parsed).decode()


class _Walk:
    """Walks through parsed JSON, masking in place."""

    __slots__ = ("_depth", "_mask", "_masked", "_names", "_rules", "_strings", "_tally", "_values")

    def __init__(self, rules: Rules, tally: Tally, depth: int, mask: str, data: bytes) -> None:
        self._rules = rules
        self._names = rules.names
        self._tally = tally
        self._depth = depth
        self._mask = mask
        self._values = b"\\u" in data or value_in(data)
        self._strings: list[str] = []
        self._masked = False

    def walk(self, root: list[Any]) -> bool:
        """Mask everything sensitive below `root`; whether there was anything."""
        for node in self._levels(root, self._by_name):
            self._unread(node)
        # One look at all strings together: most documents have their secrets under names.
        if self._strings and looks_sensitive("\n".join(self._strings), self._rules):
            self._levels(root, self._inside)
        return self._masked

    def _levels(self, root: list[Any], visit: Callable[[Any, list[Any]], None]) -> list[Any]:
        """Visit every object and array, level by level; those too deep are returned."""
        level: list[Any] = [root]
        for _ in range(_DEEPEST):
            below: list[Any] = []
            for node in level:
                visit(node, below)
            if not below:
                return below
            level = below
        return level

    def _by_name(self, node: Any, below: list[Any]) -> None:
        if type(node) is not dict:
            self._array(node, below)
            return
        known = self._names.verdicts.get
        note = self._strings.append
        for key, value in node.items():
            verdict = known(key)
            if verdict or (verdict is None and key in self._names):
                node[key] = self._hidden("key", value)
                continue
            kind = type(value)
            if kind is str:
                note(value)
            elif kind is dict or kind is list:
                below.append(value)
            elif self._values:
                node[key] = self._number(value)
        if not NAMED.isdisjoint(node):
            self._named(node)
        if "loc" in node:
            self._located(node)
        if self._values:
            self._strings.extend(node)

    def _array(self, node: list[Any], below: list[Any]) -> None:
        for index, value in enumerate(node):
            kind = type(value)
            if kind is str:
                self._strings.append(value)
            elif kind is dict:
                below.append(value)
            elif kind is list:
                if len(value) == 2 and type(value[0]) is str and value[0] in self._names:
                    value[1] = self._hidden("key", value[1])  # [["Authorization", "..."], ...]
                below.append(value)
            elif self._values:
                node[index] = self._number(value)

    def _named(self, node: dict[str, Any]) -> None:
        """``{"name": "password", "value": "..."}``: the name is a value, too."""
        for member in NAMING:
            name = node.get(member)
            if type(name) is str and name in self._names:
                for each in NAMED.intersection(node):
                    node[each] = self._hidden("key", node[each])

    def _located(self, node: dict[str, Any]) -> None:
        """``{"loc": ["body", "password"], "input": "..."}``: how pydantic reports a value it refused."""
        place = node["loc"]
        if type(place) is list and any(type(each) is str and each in self._names for each in place):
            for each in REFUSED.intersection(node):
                node[each] = self._hidden("key", node[each])

    def _inside(self, node: Any, below: list[Any]) -> None:
        """Clean strings, and names that are values themselves: ``{"AKIA...": true}``."""
        members = list(node.items() if type(node) is dict else enumerate(node))
        for key, value in members:
            if type(value) is str:
                flag = type(node) is list and key > 0 and self._flag(members[key - 1][1])
                node[key] = self._hidden("key", value) if flag else self._string(value)
            elif type(value) is dict or type(value) is list:
                below.append(value)
        if self._values and type(node) is dict:
            names = [self._string(key) for key in node]
            if names != list(node):
                values = list(node.values())
                node.clear()
                node.update(zip(names, values, strict=True))

    def _flag(self, before: Any) -> bool:
        """``["--password", "..."]``: whether a command's argument is the value of a flag."""
        return type(before) is str and before.startswith("-") and before.lstrip("-") in self._names

    def _string(self, text: str) -> str:
        if not self._values and not _PAIR_OR_MARKUP.search(text):
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

    def _number(self, value: Any) -> Any:
        if type(value) is float and 1e12 <= value < 1e19 and value.is_integer():
            number = int(value)
        elif type(value) is int and 10**12 <= value < 10**19:
            number = value
        else:
            return value
        return self._hidden("card", number) if is_card(str(number)) else value


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
