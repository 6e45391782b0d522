"""Which exchanges are kept when not all are: decided at the end, when it is known what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from spantap.model import Observation, did_you_mean
from spantap.policy.decide import Drop
from spantap.policy.rates import Known, Rates
from spantap.policy.redact.user_rules import InvalidRulesError, RuleProblem

SAMPLED_OUT: Final = Drop("sampled_out")
_ALWAYS: Final = ("error", "slow", "header")
_FORM: Final = "use error, slow:MILLISECONDS, header:NAME, or none alone"
# The part of a trace id that is random for certain (W3C Trace Context, level 2).
_BITS: Final = (1 << 56) - 1
# An odd number near 2^56 times the golden ratio: multiples of it lie evenly in any interval.
_SPREAD: Final = 0x9E3779B97F4A7D


def is_kept(trace_id: int, rate: float) -> bool:
    """Whether a trace is within a rate: the same wherever it is asked; who is within 0.01 is within 0.1.

    Not the choice of the sampler that decides which traces are exported, nor its opposite: those compare
    the very number the id is. Python's takes the small ones, the one of OpenTelemetry's specification the
    large ones; a second choice by it would keep all, or nothing, of what was sampled.

    Args:
        trace_id: the whole id.
        rate: the share that is kept, from 0 to 1.
    """
    return (trace_id & _BITS) * _SPREAD & _BITS < rate * (_BITS + 1)


@dataclass(frozen=True, slots=True)
class Always:
    """What is kept whatever the rates say.

    Attributes:
        error: what failed: an exception, a status from 500 on, no answer of the app's.
        slow: milliseconds; what took so long or longer. None: whatever it took.
        headers: lower-case names; a request that has one of them.
    """

    error: bool = False
    slow: float | None = None
    headers: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """As it would be written."""
        error = ("error",) if self.error else ()
        slow = () if self.slow is None else (f"slow:{self.slow:g}",)
        return (*error, *slow, *(f"header:{each}" for each in self.headers))


class Judges(Protocol):
    """What decides whether exchanges are kept."""

    def judge(self, seen: Observation, trace_id: int, *, kept: bool, known: Known) -> Drop | None:
        """Decide, once enough is known; weight and reason are written down when it is kept.

        Args:
            seen: the exchange, ended.
            trace_id: of its trace.
            kept: the app wants it.
            known: how much is known. To be asked with `Known.PLAIN` first, then with more, unless it
                is dropped.

        Returns:
            Why it is not kept; None when it is, or when more has to be known.
        """


class CaptureSampler:
    """Decides by rates, and by what is always kept. Immutable, thread-safe."""

    __slots__ = ("_always", "_needs", "_rates", "_slow")

    def __init__(self, rates: Rates, always: Always) -> None:
        self._rates = rates
        self._always = always
        self._slow = None if always.slow is None else always.slow * 1e6
        self._needs = max(rates.needs, Known.DESCRIBED if always.headers else Known.PLAIN)

    def judge(self, seen: Observation, trace_id: int, *, kept: bool, known: Known) -> Drop | None:
        """See `Judges`."""
        if known is Known.PLAIN:
            seen.capture_reason = None
        if known < self._needs or seen.capture_reason is not None:
            return None
        reason, weight = "keep" if kept else self._always_kept(seen), 1.0
        if reason is None:
            rate = self._rates.of(seen)
            if not is_kept(trace_id, rate):
                return SAMPLED_OUT
            reason, weight = "rate", 1 / rate
        seen.capture_reason, seen.weight = reason, weight
        return None

    def _always_kept(self, seen: Observation) -> str | None:
        always = self._always
        if always.error and _failed(seen):
            return "error"
        if self._slow is not None and seen.end - seen.start >= self._slow:
            return "slow"
        if always.headers and any(name.lower() in always.headers for name, _ in seen.request_headers):
            return "header"
        return None


def _failed(seen: Observation) -> bool:
    if seen.status is None:
        return seen.error_type is not None or seen.incomplete == "no_response"
    return seen.status >= 500 or seen.error_type is not None


def parse_always(value: Any) -> Always:
    """``error``, ``slow:MS``, ``header:NAME``, separated by commas or in a list; ``none`` alone is nothing.

    Raises:
        InvalidRulesError: some cannot be.
    """
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
        raise InvalidRulesError([RuleProblem("all", repr(value), _FORM)])
    words = [each.strip() for each in given if each.strip()]
    if [each.lower() for each in words] == ["none"]:
        return Always()
    found: dict[str, float | None] = {}
    problems = []
    for number, word in enumerate(words, 1):
        try:
            what, bound = _word(word)
            if what in found:
                raise ValueError("is there already: delete one")
            found[what] = bound
        except ValueError as error:
            problems.append(RuleProblem(f"word {number}", word, str(error)))
    if problems:
        raise InvalidRulesError(problems)
    headers = (each.partition(":")[2] for each in found if each.startswith("header:"))
    return Always("error" in found, found.get("slow"), tuple(headers))


def _word(word: str) -> tuple[str, float | None]:
    """What is meant, and its bound."""
    kind, _, rest = (part.strip().lower() for part in word.partition(":"))
    if kind == "error" and not rest:
        return kind, None
    if kind == "slow":
        return kind, _milliseconds(rest)
    if kind == "header" and _is_name(rest):
        return f"header:{rest}", None
    raise ValueError(_FORM + ("" if kind in _ALWAYS else did_you_mean(kind, _ALWAYS)))


def _milliseconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise ValueError("use a number of milliseconds above 0, as in slow:500")
    return number


def _is_name(text: str) -> bool:
    return bool(text) and text.isascii() and text.replace("-", "").replace("_", "").isalnum()
