"""The user's own rules: where a value stands, and what is done with it.

As text, one rule is::

    [name:] [path] [request.|response.]field selector [mask|drop|hash|keep]

such as ``request.body $.user.*.name``, ``query q drop``, ``iban: /accounts/* body $..iban hash``.
As a table it has the members ``name``, ``path``, ``field``, ``select`` and ``action``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from spantap.model import did_you_mean
from spantap.policy.redact.patterns import Pattern, compile_bytes, encode
from spantap.policy.redact.places import PlaceError, Step, covers, parse_place
from spantap.policy.select import InvalidPatternError, Selection

SIDES: Final = ("request", "response")
FIELDS: Final = ("body", "header", "cookie", "query", "form")
ACTIONS: Final = ("mask", "drop", "hash", "keep")
MEMBERS: Final = ("name", "path", "field", "select", "action")

_RULE = re.compile(r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^;\n])+")
_TOKEN = re.compile(r"(?:\[(?:\"[^\"]*\"|'[^']*'|[^\]\"'])*\]|\"[^\"]*\"|'[^']*'|\S)+")
_NAME = re.compile(r"[A-Za-z][\w.-]{0,63}")
_FORM: Final = "write [name:] [path] [request.|response.]field selector [action]"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, checked.

    Attributes:
        name: what its uses are counted under.
        sides: ``request``, ``response`` or both.
        field: one of `FIELDS`.
        selector: a place in bodies; elsewhere a name, with ``*`` for any characters.
        action: one of `ACTIONS`.
        path: a glob or ``re:`` expression for the route or the path; None for all.
    """

    name: str
    sides: tuple[str, ...]
    field: str
    selector: str
    action: str = "mask"
    path: str | None = None

    def __str__(self) -> str:
        """As it would be written."""
        field = self.field if self.sides == SIDES else f"{self.sides[0]}.{self.field}"
        selector = f'"{self.selector}"' if " " in self.selector else self.selector
        parts = (f"{self.name}:", self.path, field, selector, self.action)
        return " ".join(each for each in parts if each)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps to the place in a body."""
        return parse_place(self.selector)


class RuleProblem(NamedTuple):
    """A rule that cannot work: which one, how it was written, what to do."""

    which: str
    text: str
    remedy: str


class InvalidRulesError(ValueError):
    """Rules that cannot work.

    Attributes:
        problems: all of them, in the order of the rules.
    """

    def __init__(self, problems: Sequence[RuleProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{each.which}: {each.remedy}" for each in self.problems))


class _WrongError(ValueError):
    """One rule that cannot work."""


def parse_rules(value: object) -> tuple[Rule, ...]:
    """Rules from text (one a line, or separated by ``;``), or from a list of texts and tables.

    Raises:
        InvalidRulesError: some cannot work.
    """
    if isinstance(value, str):
        given: Sequence[object] = [each for each in map(str.strip, _RULE.findall(value)) if each]
    elif isinstance(value, Sequence):
        given = value
    else:
        raise InvalidRulesError([RuleProblem("all", repr(value), "use a list of rules, or text")])
    rules: list[Rule] = []
    problems = []
    for number, each in enumerate(given, 1):
        try:
            rule = _rule(each, f"rule_{number}")
            _require_use(rule, rules)
            rules.append(rule)
        except (_WrongError, PlaceError) as error:
            problems.append(RuleProblem(f"rule {number}", str(each), str(error)))
    if problems:
        raise InvalidRulesError(problems)
    return tuple(rules)


def _rule(given: object, name: str) -> Rule:
    if isinstance(given, Rule):
        return given
    if isinstance(given, str):
        given = _members(given)
    elif not isinstance(given, Mapping):
        raise _WrongError(f"a rule is text or a table; {_FORM}")
    members: dict[str, str] = {}
    for member, value in given.items():
        if member not in MEMBERS:
            near = did_you_mean(str(member), MEMBERS)
            raise _WrongError(f"unknown member {member!r}; there are {', '.join(MEMBERS)}{near}")
        if not (isinstance(value, str) and value.strip()):
            raise _WrongError(f"{member} has to be text")
        members[member] = value.strip()
    for member in ("field", "select"):
        if member not in members:
            raise _WrongError(f"{'the field' if member == 'field' else 'a selector'} is missing; {_FORM}")
    sides, field = _field(members["field"])
    rule = Rule(
        name=members.get("name", name),
        sides=sides,
        field=field,
        selector=members["select"],
        action=members.get("action", "mask").lower(),
        path=members.get("path"),
    )
    _check(rule)
    return rule


def _members(text: str) -> dict[str, str]:
    tokens = _TOKEN.findall(text)
    members = {}
    if tokens and tokens[0].endswith(":") and _NAME.fullmatch(tokens[0][:-1]):
        members["name"] = tokens.pop(0)[:-1]
    if tokens and tokens[0].startswith(("/", "*", "re:")):
        members["path"] = tokens.pop(0)
    if len(tokens) > 3:
        raise _WrongError(f"{tokens[3]!r} is one word too many; quote names with spaces; {_FORM}")
    members.update(zip(("field", "select", "action"), map(_unquoted, tokens), strict=False))
    return members


def _unquoted(token: str) -> str:
    return token[1:-1] if len(token) > 1 and token[0] == token[-1] and token[0] in "\"'" else token


def _field(text: str) -> tuple[tuple[str, ...], str]:
    side, dot, field = text.lower().rpartition(".")
    if dot and side not in SIDES:
        raise _WrongError(f"unknown side {side!r}; use request or response{did_you_mean(side, SIDES)}")
    if field not in FIELDS:
        near = did_you_mean(field, FIELDS)
        raise _WrongError(f"unknown field {field!r}; there are {', '.join(FIELDS)}{near}; {_FORM}")
    if field == "query":
        if side == "response":
            raise _WrongError("a response has no query: this never matches; write request.query")
        return ("request",), field
    return (side,) if dot else SIDES, field


def _check(rule: Rule) -> None:
    if not _NAME.fullmatch(rule.name):
        raise _WrongError(f"{rule.name!r} is no name; use letters, digits, '_', '.', '-', a letter first")
    if rule.action not in ACTIONS:
        near = did_you_mean(rule.action, ACTIONS)
        raise _WrongError(f"unknown action {rule.action!r}; there are {', '.join(ACTIONS)}{near}")
    if rule.path is not None:
        if not rule.path.startswith(("/", "*", "re:")):
            raise _WrongError(f"{rule.path!r} never matches; a path begins with /, * or re:")
        try:
            Selection(include=(rule.path,))
        except InvalidPatternError as error:
            raise _WrongError(str(error)) from None
    if rule.field == "body":
        parse_place(rule.selector)
    elif rule.selector.startswith("$"):
        raise _WrongError(f"places such as {rule.selector!r} are for bodies; a {rule.field} has a name")
    elif rule.field == "header":
        never = {"set-cookie": "request", "cookie": "response"}.get(rule.selector.lower())
        if rule.sides == (never,):
            raise _WrongError(f"a {never} has no {rule.selector.lower()}: this never matches")


def _require_use(rule: Rule, before: Sequence[Rule]) -> None:
    """The first rule that matches counts: one that an earlier one leaves nothing for is a mistake."""
    for number, other in enumerate(before, 1):
        if other.name == rule.name:
            raise _WrongError(f"rule {number} is called {rule.name!r} already; give each a name of its own")
        if (
            other.field == rule.field
            and set(rule.sides) <= set(other.sides)
            and other.path in (None, rule.path)
            and _around(other, rule)
        ):
            remedy = "delete one" if other.action == rule.action else "put this one first, or delete one"
            raise _WrongError(f"never used: rule {number} ({other}) comes first and covers it; {remedy}")


def _around(other: Rule, rule: Rule) -> bool:
    if rule.field == "body":
        return covers(other.steps, rule.steps)
    if "*" in rule.selector:
        return other.selector == "*" or other.selector.lower() == rule.selector.lower()
    return name_pattern(other.selector).search(encode(rule.selector.casefold())) is not None


def name_pattern(glob: str) -> Pattern:
    """What finds names in folded case that match as a whole; ``*`` is for any characters."""
    return compile_bytes(r"\A(?s:" + ".*".join(map(re.escape, glob.casefold().split("*"))) + r")\z")
