"""Rates by what an exchange is: ``route:/orders/{id}=0.1``, ``user:42=1``, ``path:/x/*=0``, ..."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from spantap.model import Observation, did_you_mean
from spantap.policy.patterns import Patterns
from spantap.policy.redact.user_rules import InvalidRulesError, RuleProblem
from spantap.policy.traits import TRAITS, Test, status_range

Lookup = Callable[[Observation], float | None]

# What has a name that is looked up, the most specific first; then what is asked of an exchange.
_NAMED: Final = ("user", "company", "route", "endpoint", "path")
_ASKED: Final = ("status", "error", "slower", "content-type", "method", "user-agent")
KINDS: Final = (*_NAMED, *_ASKED)
_ANY_CASE: Final = frozenset({"method", "user-agent", "content-type", "status"})
A_RATE: Final = "a rate from 0 to 1; 0.1 keeps every tenth"
_FORM: Final = "write trait:pattern=rate, as in route:/orders/{id}=0.1"


class Known(IntEnum):
    """How much is known of an exchange when it is judged.

    Attributes:
        PLAIN: method, path, status, times, errors.
        DESCRIBED: headers, route and endpoint as well.
        IDENTIFIED: also who was behind it.
    """

    PLAIN = 0
    DESCRIBED = 1
    IDENTIFIED = 2


_NEEDS: Final = {
    **dict.fromkeys(("user", "company"), Known.IDENTIFIED),
    **dict.fromkeys(("route", "endpoint", "content-type"), Known.DESCRIBED),
}


@dataclass(frozen=True, slots=True)
class RateRule:
    """One rule, checked.

    Attributes:
        kind: one of `KINDS`.
        pattern: what it is to be.
        rate: the share that is kept of those that match, from 0 to 1.
    """

    kind: str
    pattern: str
    rate: float

    def __str__(self) -> str:
        """As it would be written."""
        return f"{self.kind}:{self.pattern}={self.rate:g}"


class Rates:
    """Which rate holds for an exchange. Immutable, thread-safe.

    One rule decides: of the first kind of `KINDS` that has one which matches; within a kind a whole name
    goes before a pattern, of patterns the one with more characters beside ``*``, ``re:`` last.

    Attributes:
        needs: how much has to be known.
    """

    __slots__ = ("_default", "_lookups", "needs")

    def __init__(
        self,
        rules: Iterable[RateRule] = (),
        default: float = 1.0,
        *,
        first: Sequence[Lookup] = (),
        needs: Known = Known.PLAIN,
    ) -> None:
        """Args:
            rules: checked rules.
            default: the rate of what no rule matches.
            first: asked before the rules.
            needs: how much these need.

        Raises:
            InvalidPatternError: a pattern cannot be compiled.
        """
        rules = list(rules)
        self._default = default
        self._lookups = (*first, *_lookups(rules))
        self.needs = max((needs, *(_NEEDS.get(each.kind, Known.PLAIN) for each in rules)))

    def of(self, seen: Observation) -> float:
        """The rate that holds for an exchange that has ended."""
        for lookup in self._lookups:
            rate = lookup(seen)
            if rate is not None:
                return rate
        return self._default


def _lookups(rules: list[RateRule]) -> Iterator[Lookup]:
    for kind in KINDS:
        of_kind = sorted((each for each in rules if each.kind == kind), key=_unspecific)
        if kind in _NAMED and of_kind:
            yield _named(kind, of_kind)
        elif of_kind:
            yield _asked([(TRAITS[kind]([each.pattern]), each.rate) for each in of_kind])


def _unspecific(rule: RateRule) -> tuple[float, ...]:
    """Sorts rules of one kind, the most specific first."""
    pattern = rule.pattern
    if rule.kind == "status":
        low, high = status_range(pattern)
        return (high - low,)
    if rule.kind == "slower":
        return (-float(pattern),)
    if pattern.startswith("re:"):
        return (2,)
    return (1, pattern.count("*") - len(pattern)) if "*" in pattern else (0,)


def _named(kind: str, rules: list[RateRule]) -> Lookup:
    names = {each.pattern: each.rate for each in rules if not is_pattern(each.pattern)}
    patterns = [(Patterns([each.pattern]), each.rate) for each in rules if is_pattern(each.pattern)]

    def lookup(seen: Observation) -> float | None:
        name = getattr(seen, kind)
        if name is None:
            return None
        rate = names.get(name)
        if rate is None:
            for pattern, of_pattern in patterns:
                if pattern.match(name):
                    return of_pattern
        return rate

    return lookup


def _asked(tests: list[tuple[Test, float]]) -> Lookup:
    def lookup(seen: Observation) -> float | None:
        for test, rate in tests:
            if test(seen):
                return rate
        return None

    return lookup


def is_pattern(text: str) -> bool:
    """Whether it stands for more than itself."""
    return "*" in text or text.startswith("re:")


def parse_rate(value: Any) -> float:
    """A share from 0 to 1.

    Raises:
        ValueError: it is none.
    """
    try:
        rate = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        rate = -1.0
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"use {A_RATE}")
    return rate


def parse_rates(value: Any, kinds: Sequence[str] = KINDS) -> tuple[RateRule, ...]:
    """Rules from text (separated by commas), a list of texts, or a table of trait:pattern and rate.

    Args:
        value: what was given.
        kinds: those that are allowed.

    Raises:
        InvalidRulesError: some cannot work.
    """
    rules: list[RateRule] = []
    problems = []
    for number, (text, key, rate) in enumerate(_split(value), 1):
        try:
            rule = _rule(key, rate, kinds)
            _require_alone(rule, rules)
            rules.append(rule)
        except ValueError as error:
            problems.append(RuleProblem(f"rule {number}", text, str(error)))
    if problems:
        raise InvalidRulesError(problems)
    return tuple(rules)


def _split(value: Any) -> Iterator[tuple[str, str, Any]]:
    """What each rule was written as, its key, its rate."""
    if isinstance(value, Mapping):
        yield from ((f"{key}={rate}", str(key), rate) for key, rate in value.items())
        return
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, Sequence):
        raise InvalidRulesError([RuleProblem("all", repr(value), "use a list of rules, or a table")])
    for each in given:
        if isinstance(each, RateRule):
            yield str(each), f"{each.kind}:{each.pattern}", each.rate
        elif str(each).strip():
            key, equals, rate = str(each).strip().rpartition("=")
            yield str(each).strip(), key if equals else rate, rate if equals else None


def _rule(key: str, rate: Any, kinds: Sequence[str]) -> RateRule:
    kind, colon, pattern = key.partition(":")
    kind, pattern = kind.strip().lower(), pattern.strip()
    if not colon or kind not in kinds or not pattern:
        raise ValueError(f"is no rule: {_FORM}; there are {', '.join(kinds)}{did_you_mean(kind, kinds)}")
    if rate is None:
        raise ValueError(f"has no rate: {_FORM}")
    if kind in _ANY_CASE and not pattern.startswith("re:"):
        pattern = pattern.lower()
    rule = RateRule(kind, pattern, parse_rate(rate))
    if kind in ("path", "route") and not pattern.startswith(("/", "*", "re:", "^")):
        raise ValueError(f"never matches: a {kind} begins with /; write {kind}:/{pattern}, or use * or re:")
    if kind in _NAMED:
        Patterns([pattern])
    else:
        TRAITS[kind]([pattern])
    if kind == "slower" and not 0 <= float(pattern) < 1e9:
        raise ValueError(f"{pattern!r} is no number of milliseconds: use slower:250")
    return rule


def _require_alone(rule: RateRule, before: Sequence[RateRule]) -> None:
    for number, other in enumerate(before, 1):
        if (other.kind, other.pattern) == (rule.kind, rule.pattern):
            contradicts = f"and says {other.rate:g}" if other.rate != rule.rate else "as it is"
            raise ValueError(
                f"{rule.kind}:{rule.pattern} is there already, {contradicts} (rule {number}): delete one"
            )
