"""Rules about how an exchange is answered and by what: ``status:5xx``, ``endpoint:admin.*``, ..."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from spantap.model import Observation, did_you_mean
from spantap.policy.patterns import InvalidPatternError, Patterns

_STATUS: Final = re.compile(
    r"(?P<low>[1-9]\d\d)(-(?P<high>[1-9]\d\d))?|(?P<hundreds>[1-9])xx|(?P<sign>[<>]=?)(?P<bound>[1-9]\d\d)",
    re.ASCII | re.IGNORECASE,
)
_NO_STATUS: Final = 0

Test = Callable[[Observation], bool]


class Traits:
    """Rules, grouped by what they look at. Immutable, thread-safe.

    Attributes:
        early: tests of what is known when the request comes.
        late: tests of what is known when it is answered.
    """

    __slots__ = ("early", "late")

    def __init__(self, rules: Iterable[str]) -> None:
        """Args:
            rules: each is the name of a trait, a colon and what it is to be.

        Raises:
            InvalidPatternError: there is no such trait, or it cannot be that.
        """
        grouped: dict[str, list[str]] = {}
        for rule in rules:
            name, colon, wanted = rule.partition(":")
            name = name.strip().lower()
            if not colon or name not in TRAITS or not wanted.strip():
                near = did_you_mean(name, TRAITS)
                raise InvalidPatternError(f"{rule!r} is no rule: use {', '.join(TRAITS)} and :pattern{near}")
            grouped.setdefault(name, []).append(wanted.strip())
        tests = {name: TRAITS[name](wanted) for name, wanted in grouped.items()}
        self.early = tuple(test for name, test in tests.items() if name in _EARLY)
        self.late = tuple(test for name, test in tests.items() if name not in _EARLY)


def _method(wanted: list[str]) -> Test:
    methods = frozenset(each.upper() for each in wanted)
    return lambda seen: seen.method in methods


def _user_agent(wanted: list[str]) -> Test:
    patterns = Patterns(wanted, any_case=True)
    return lambda seen: patterns.match((seen.user_agent or "").lower())


def _route(wanted: list[str]) -> Test:
    patterns = Patterns(wanted)
    return lambda seen: seen.route is not None and patterns.match(seen.route)


def _endpoint(wanted: list[str]) -> Test:
    patterns = Patterns(wanted)
    return lambda seen: seen.endpoint is not None and patterns.match(seen.endpoint)


def _content_type(wanted: list[str]) -> Test:
    patterns = Patterns(wanted, any_case=True)

    def test(seen: Observation) -> bool:
        for name, value in seen.response_headers:
            if name.lower() == "content-type":
                return patterns.match(value.partition(";")[0].strip().lower())
        return False

    return test


def _status(wanted: list[str]) -> Test:
    ranges = [status_range(each) for each in wanted]

    def test(seen: Observation) -> bool:
        status = seen.status or _NO_STATUS
        return any(low <= status <= high for low, high in ranges)

    return test


def status_range(text: str) -> tuple[int, int]:
    """The lowest and the highest status that is meant by ``404``, ``400-499``, ``4xx``, ``>=400``; none is 0.

    Raises:
        InvalidPatternError: it is no such text.
    """
    if text.lower() == "none":
        return _NO_STATUS, _NO_STATUS
    found = _STATUS.fullmatch(text)
    if found is None:
        raise InvalidPatternError(f"{text!r} is no status: use 404, 400-499, 5xx, >=400 or none")
    if found["hundreds"]:
        low = int(found["hundreds"]) * 100
        return low, low + 99
    if found["sign"]:
        bound, equal = int(found["bound"]), found["sign"].endswith("=")
        return (bound + (not equal), 999) if found["sign"][0] == ">" else (100, bound - (not equal))
    return int(found["low"]), int(found["high"] or found["low"])


def _error(wanted: list[str]) -> Test:
    patterns = Patterns(wanted)

    def test(seen: Observation) -> bool:
        kind = seen.error_type
        return kind is not None and (patterns.match(kind) or patterns.match(kind.rpartition(".")[2]))

    return test


def _slower(wanted: list[str]) -> Test:
    try:
        shortest = min(float(each) for each in wanted) * 1e6
    except ValueError:
        raise InvalidPatternError(f"{wanted[0]!r} is no number of milliseconds: use slower:250") from None
    return lambda seen: seen.end - seen.start >= shortest


TRAITS: Final[dict[str, Callable[[list[str]], Any]]] = {
    "method": _method,
    "user-agent": _user_agent,
    "route": _route,
    "endpoint": _endpoint,
    "content-type": _content_type,
    "status": _status,
    "error": _error,
    "slower": _slower,
}
_EARLY: Final = frozenset({"method", "user-agent"})
