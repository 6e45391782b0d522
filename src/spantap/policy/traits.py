"""Rules about how an exchange is answered and by what: ``status:5xx``, ``endpoint:admin.*``, ..."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from spantap.model import did_you_mean
from spantap.policy.patterns import InvalidPatternError, Patterns

_STATUS: Final = re.compile(
    r"(?P<low>[1-9]\d\d)(-(?P<high>[1-9]\d\d))?|(?P<hundreds>[1-9])xx|(?P<sign>[<>]=?)(?P<bound>[1-9]\d\d)",
    re.ASCII | re.IGNORECASE,
)
_NO_STATUS: Final = 0


class Facts(Protocol):
    """What rules look at: an `Observation` has it, and an exchange in `policy.destination`."""

    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def user_agent(self) -> str | None: ...  # noqa: D102
    @property
    def route(self) -> str | None: ...  # noqa: D102
    @property
    def endpoint(self) -> str | None: ...  # noqa: D102
    @property
    def status(self) -> int | None: ...  # noqa: D102
    @property
    def response_headers(self) -> Sequence[tuple[str, str]]: ...  # noqa: D102
    @property
    def error_type(self) -> str | None: ...  # noqa: D102
    @property
    def start(self) -> int: ...  # noqa: D102
    @property
    def end(self) -> int: ...  # noqa: D102


Test = Callable[[Facts], bool]


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
        tests = {name: TRAITS[name](wanted) for name, wanted in by_trait(rules).items()}
        self.early = tuple(test for name, test in tests.items() if name in _EARLY)
        self.late = tuple(test for name, test in tests.items() if name not in _EARLY)


def by_trait(rules: Iterable[str]) -> dict[str, list[str]]:
    """Trait -> what it is to be, one or another of these.

    Raises:
        InvalidPatternError: there is no such trait.
    """
    grouped: dict[str, list[str]] = {}
    for rule in rules:
        name, colon, wanted = rule.partition(":")
        name = name.strip().lower()
        if not colon or name not in TRAITS or not wanted.strip():
            near = did_you_mean(name, TRAITS)
            raise InvalidPatternError(f"{rule!r} is no rule: use {', '.join(TRAITS)} and :pattern{near}")
        grouped.setdefault(name, []).append(wanted.strip())
    return grouped


def contradictions(taken: Iterable[str], left_out: Iterable[str]) -> list[str]:
    """Those of the rules that take which take nothing, because others leave out all of it.

    Args:
        taken, left_out: valid rules. Two expressions, or globs that overlap, are not compared.
    """
    without = by_trait(left_out)
    return [
        f"{name}:{each}"
        for name, wanted in by_trait(taken).items()
        if name in without
        for each in wanted
        if _is_within(name, each, without[name])
    ]


def _is_within(name: str, wanted: str, others: list[str]) -> bool:
    if wanted in others:
        return True
    if name == "status":
        low, high = status_range(wanted)
        ranges = [status_range(each) for each in others]
        return all(any(first <= code <= last for first, last in ranges) for code in range(low, high + 1))
    if name == "slower":
        return float(wanted) >= min(map(float, others))
    if wanted.startswith("re:") or "*" in wanted:
        return False
    return (
        Patterns(others, any_case=True).match(wanted.lower())
        if name in _ANY_CASE
        else Patterns(others).match(wanted)
    )


def _method(wanted: list[str]) -> Test:
    methods = frozenset(each.upper() for each in wanted)
    return lambda seen: seen.method in methods


def _path(wanted: list[str]) -> Test:
    patterns = Patterns(wanted)
    return lambda seen: patterns.match(seen.path)


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

    def test(seen: Facts) -> bool:
        for name, value in seen.response_headers:
            if name.lower() == "content-type":
                return patterns.match(value.partition(";")[0].strip().lower())
        return False

    return test


def _status(wanted: list[str]) -> Test:
    ranges = [status_range(each) for each in wanted]

    def test(seen: Facts) -> bool:
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

    def test(seen: Facts) -> bool:
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
    "path": _path,
    "user-agent": _user_agent,
    "route": _route,
    "endpoint": _endpoint,
    "content-type": _content_type,
    "status": _status,
    "error": _error,
    "slower": _slower,
}
_ANY_CASE: Final = frozenset({"method", "content-type", "user-agent"})
_EARLY: Final = frozenset({"method", "path", "user-agent"})
