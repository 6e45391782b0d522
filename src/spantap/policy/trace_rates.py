"""Which traces are sampled: ``0.1,route:/orders/{id}=1,path:/poll/*=0,limit=20``."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from spantap.model import Observation, did_you_mean
from spantap.policy.patterns import Patterns
from spantap.policy.rates import Lookup, RateRule, Rates, parse_rate, parse_rates
from spantap.policy.redact.user_rules import InvalidRulesError, RuleProblem

KINDS: Final = ("route", "path", "method")  # what is known when a trace begins
TAKES: Final = "a rate from 0 to 1, route:, path: or method: rules with a rate, limit=TRACES_PER_SECOND"
_LIMIT: Final = "limit"
_PARAMETER: Final = re.compile(r"\{[^{}]*\}|<[^<>]*>|\*")


@dataclass(frozen=True, slots=True)
class TraceRates:
    """What was asked for, checked.

    Attributes:
        rate: the share of traces that is sampled where no rule matches.
        rules: other rates for some.
        limit: new traces a second, at most, in one process; None: as many as there are.
    """

    rate: float = 1.0
    rules: tuple[RateRule, ...] = ()
    limit: float | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """As it would be written."""
        limit = () if self.limit is None else (f"{_LIMIT}={self.limit:g}",)
        return (f"{self.rate:g}", *map(str, self.rules), *limit)

    def compiled(self) -> Rates:
        """What tells the rate of a request that has just begun, from its method and path."""
        routes = sorted(
            (each for each in self.rules if each.kind == "route"), key=lambda each: -_literal(each.pattern)
        )
        others = [each for each in self.rules if each.kind != "route"]
        return Rates(others, self.rate, first=[_on_path(each) for each in routes])


class TokenBucket:
    """So many a second; what was not used is left for one second, and no longer. Thread-safe.

    It has no lock, which a fork might leave locked: threads that come in the very same moment may get
    one more.
    """

    __slots__ = ("_ahead", "_next", "_step")

    def __init__(self, limit: float) -> None:
        """Args:
        limit: tokens a second, above 0.
        """
        self._step = 1 / limit
        self._ahead = max(1.0 - self._step, 0.0)
        self._next = 0.0

    def take(self, now: float | None = None) -> bool:
        """Whether there is one.

        Args:
            now: seconds on a clock that only goes forward; None asks it.
        """
        now = time.monotonic() if now is None else now
        due = max(self._next, now)
        if due - now > self._ahead + 1e-9:
            return False
        self._next = due + self._step
        return True


def parse_trace_rates(value: Any) -> TraceRates:
    """Rates from text, separated by commas, or from a list of texts.

    Raises:
        InvalidRulesError: some cannot be.
    """
    given = [value] if isinstance(value, (int, float)) else value
    given = given.split(",") if isinstance(given, str) else given
    if not isinstance(given, Sequence):
        raise InvalidRulesError([RuleProblem("all", repr(value), f"use {TAKES}")])
    found: dict[str, float] = {}
    rules: list[RateRule] = []
    problems = []
    for number, word in enumerate(filter(None, (str(each).strip() for each in given)), 1):
        try:
            _take(word, found, rules)
        except InvalidRulesError as error:
            problems.append(RuleProblem(f"word {number}", word, error.problems[-1].remedy))
        except ValueError as error:
            problems.append(RuleProblem(f"word {number}", word, str(error)))
    if problems:
        raise InvalidRulesError(problems)
    return TraceRates(found.get("rate", 1.0), tuple(rules), found.get(_LIMIT))


def _take(word: str, found: dict[str, float], rules: list[RateRule]) -> None:
    name, equals, bound = (part.strip() for part in word.partition("="))
    if ":" in word:
        rules[:] = parse_rates([*rules, word], KINDS)
        rule = rules[-1]
        if rule.kind == "route" and rule.pattern.startswith(("^", "re:")):
            del rules[-1]
            raise ValueError("when a trace begins there is a path only: write path:re:...")
        return
    if equals and name.lower() != _LIMIT:
        raise ValueError(f"use {TAKES}{did_you_mean(name.lower(), (_LIMIT, *KINDS))}")
    what = _LIMIT if equals else "rate"
    if what in found:
        raise ValueError("is there already: delete one")
    found[what] = _limit(bound) if equals else parse_rate(word)


def _limit(text: str) -> float:
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit <= 1e6:
        raise ValueError("use a number of traces a second above 0, as in limit=20")
    return limit


def _literal(template: str) -> int:
    """How much of a template is said; parameters are not."""
    return len(_PARAMETER.sub("", template))


def _on_path(rule: RateRule) -> Lookup:
    """A route's template, looked for in the path: which route it will be is not known yet."""
    parts, end = [], 0
    for found in _PARAMETER.finditer(rule.pattern):
        parts.append(re.escape(rule.pattern[end : found.start()]))
        inner, end = found.group(), found.end()
        parts.append(".*" if inner == "*" else ".+" if _is_path(inner[1:-1]) else "[^/]+")
    parts.append(re.escape(rule.pattern[end:]))
    pattern, rate = Patterns([f"re:(?s)^(?:{''.join(parts)})$"]), rule.rate

    def lookup(seen: Observation) -> float | None:
        return rate if pattern.match(seen.path) else None

    return lookup


def _is_path(parameter: str) -> bool:
    """Whether it may have slashes: ``{rest:path}``, ``<path:rest>``."""
    return parameter.endswith(":path") or parameter.startswith("path:")
