"""Rates as a service hands them out: in our own words, or in the shape of Moesif's configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from spantap.model import Observation, did_you_mean
from spantap.policy.patterns import InvalidPatternError, Patterns
from spantap.policy.rates import Known, Lookup, RateRule, Rates, parse_rate, parse_rates
from spantap.policy.sample import Always, CaptureSampler, parse_always

OURS: Final = ("capture_sample_rate", "capture_rates", "capture_always_on")
# Rates there are per cent. It has more members, which are not about sampling.
MOESIF: Final = ("sample_rate", "user_sample_rate", "company_sample_rate", "regex_config")


class InvalidDocumentError(ValueError):
    """A document that is not used; the message says why."""


class SampleDocument:
    """What holds where a document says nothing. Immutable, thread-safe."""

    def __init__(self, rate: float, rules: Sequence[RateRule], always: Always) -> None:
        """Args:
        rate: the share that is kept.
        rules: other rates for some.
        always: what is kept in any case.
        """
        self._rate = rate
        self._rules = tuple(rules)
        self._always = always

    def sampler(self, content: bytes = b"{}") -> CaptureSampler:
        """What decides by a document.

        Args:
            content: JSON.

        Raises:
            InvalidDocumentError: it cannot be used. It is taken whole or not at all.
        """
        try:
            document: Any = orjson.loads(content)
        except orjson.JSONDecodeError:
            raise InvalidDocumentError("it is not JSON") from None
        if not isinstance(document, dict):
            raise InvalidDocumentError("it is no JSON object")
        theirs = [name for name in MOESIF if name in document]
        if theirs:
            mixed = next((name for name in OURS if name in document), None)
            if mixed is not None:
                raise InvalidDocumentError(f"{theirs[0]} and {mixed} do not go together")
            return self._of_moesif(document)
        for name in document:
            if name not in OURS:
                raise InvalidDocumentError(
                    f"there is no {name[:50]!r}; use {', '.join(OURS)}{did_you_mean(name, OURS)}"
                )
        rate = _read(parse_rate, document, OURS[0], self._rate)
        rules = _read(parse_rates, document, OURS[1], self._rules)
        always = _read(parse_always, document, OURS[2], self._always)
        return CaptureSampler(Rates(rules, rate), always)

    def _of_moesif(self, document: Mapping[str, Any]) -> CaptureSampler:
        rate = _read(_per_cent, document, "sample_rate", self._rate)
        if not any(name in document for name in MOESIF[1:]):
            return CaptureSampler(Rates(self._rules, rate), self._always)
        lookups, needs = _conditional(document.get("regex_config"))
        for name, part in (("user_sample_rate", "user"), ("company_sample_rate", "company")):
            rates = document.get(name)
            if not isinstance(rates, dict | None):
                raise InvalidDocumentError(f"{name}: use an object of ids and rates")
            if rates:
                lookups.append(
                    _by_id(part, {each: _read(_per_cent, rates, each, 1.0, name) for each in rates})
                )
                needs = Known.IDENTIFIED
        return CaptureSampler(Rates((), rate, first=lookups, needs=needs), self._always)


def _read(parse: Any, document: Mapping[str, Any], name: str, default: Any, shown: str = "") -> Any:
    if name not in document:
        return default
    try:
        return parse(document[name])
    except ValueError as error:
        raise InvalidDocumentError(f"{shown or name}: {error}") from None


def _per_cent(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        raise ValueError("use a number from 0 to 100")
    return value / 100


def _by_id(part: str, rates: Mapping[str, float]) -> Lookup:
    return lambda seen: rates.get(getattr(seen, part))


def _conditional(given: Any) -> tuple[list[Lookup], Known]:
    """Rates on conditions, in their order, and what these need to know."""
    lookups: list[Lookup] = []
    needs = Known.PLAIN
    if not isinstance(given, list | None):
        raise InvalidDocumentError("regex_config: use a list")
    for number, each in enumerate(given or [], 1):
        shown = f"regex_config, entry {number}"
        if not isinstance(each, dict) or "sample_rate" not in each:
            raise InvalidDocumentError(f"{shown}: use an object with conditions and sample_rate")
        conditions = each.get("conditions")
        if not isinstance(conditions, list) or not conditions:
            raise InvalidDocumentError(f"{shown}: conditions are missing")
        tests = []
        for condition in conditions:
            tests.append(_condition(condition, shown))
            if condition["path"] == _ADDRESS:
                needs = Known.IDENTIFIED  # behind proxies it is known only then
        lookups.append(_when(tests, _read(_per_cent, each, "sample_rate", 1.0, shown)))
    return lookups, needs


_ADDRESS: Final = "request.ip_address"
_PARTS: Final[dict[str, Any]] = {
    "request.verb": lambda seen: seen.method,
    "request.route": lambda seen: seen.path,
    _ADDRESS: lambda seen: seen.client_address,
    "response.status": lambda seen: seen.status,
}


def _condition(condition: Any, shown: str) -> tuple[Any, Patterns]:
    path = condition.get("path") if isinstance(condition, dict) else None
    if not isinstance(path, str) or path not in _PARTS:
        raise InvalidDocumentError(
            f"{shown}: a condition has a path, one of {', '.join(_PARTS)}, and a value"
        )
    value = condition.get("value")
    if not isinstance(value, str):
        raise InvalidDocumentError(f"{shown}: the value of a condition is a text")
    try:
        return _PARTS[path], Patterns([f"re:{value}"])
    except InvalidPatternError as error:
        raise InvalidDocumentError(f"{shown}: {error}") from None


def _when(tests: list[tuple[Any, Patterns]], rate: float) -> Lookup:
    def lookup(seen: Observation) -> float | None:
        for part, pattern in tests:
            value = part(seen)
            if value is None or not pattern.match(str(value)):
                return None
        return rate

    return lookup
