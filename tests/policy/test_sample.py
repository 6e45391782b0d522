"""Which traces are within a rate, and what is kept whatever the rate."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from policy.test_rates import seen
from spantap.policy.decide import Drop
from spantap.policy.rates import Known, Rates, parse_rates
from spantap.policy.redact.user_rules import InvalidRulesError
from spantap.policy.sample import Always, CaptureSampler, is_kept, parse_always

MANY = 40_000
LOW = 0x3C35612E4A8D15D81D296588571CEEEE  # within a rate of 0.06
HIGH = 0x69DD649317788B9503B96D91ABA018EA  # not within 0.95


def ids() -> list[int]:
    numbers = random.Random(11)
    return [numbers.getrandbits(128) for _ in range(MANY)]


def head_of_python(trace_id: int, rate: float) -> bool:
    return trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < TraceIdRatioBased.get_bound_for_rate(rate)


def head_of_the_specification(trace_id: int, rate: float) -> bool:
    """Consistent probability sampling: the 56 random bits are at least the threshold."""
    return trace_id & (2**56 - 1) >= (1 - rate) * 2**56


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.01])
def test_the_share_is_the_rate(rate: float) -> None:
    """So many traces are within a rate, give or take chance."""
    kept = sum(is_kept(each, rate) for each in ids())
    assert abs(kept - rate * MANY) < 4 * (MANY * rate * (1 - rate)) ** 0.5


@pytest.mark.parametrize("head", [head_of_python, head_of_the_specification])
@pytest.mark.parametrize("head_rate", [0.2, 0.01, 0.001])
@pytest.mark.parametrize("rate", [0.5, 0.1])
def test_it_is_not_the_choice_of_the_head(
    head: Callable[[int, float], bool], head_rate: float, rate: float
) -> None:
    """Of the traces a sampler has chosen the same share is within a rate as of all."""
    numbers = random.Random(12)
    chosen: list[int] = []
    while len(chosen) < 2000:
        # Ids a head with a small rate would choose, found without trying thousands for each.
        each = numbers.getrandbits(128)
        if head is head_of_python:
            each = each >> 64 << 64 | int((each & (2**64 - 1)) * head_rate)
        else:
            each = each >> 56 << 56 | 2**56 - 1 - int((each & (2**56 - 1)) * head_rate * 0.999)
        assert head(each, head_rate)
        chosen.append(each)

    kept = sum(is_kept(each, rate) for each in chosen)
    assert abs(kept - rate * 2000) < 4 * (2000 * rate * (1 - rate)) ** 0.5


def test_who_is_within_a_small_rate_is_within_a_larger_one() -> None:
    """Services with different rates agree: the smaller choice is part of the larger one."""
    for each in ids()[:2000]:
        kept = [is_kept(each, rate) for rate in (0.0, 0.01, 0.1, 0.5, 1.0)]
        assert kept == sorted(kept)
        assert (kept[0], kept[-1]) == (False, True)
    # The same wherever it is asked, this release or another: these must never change.
    assert [is_kept(LOW, 0.0514), is_kept(LOW, 0.0515), is_kept(HIGH, 0.9511), is_kept(HIGH, 0.9512)] == [
        False, True, False, True,
    ]  # fmt: skip


def judged(sampler: CaptureSampler, trace_id: int = HIGH, **facts: Any) -> Any:
    """What comes of an exchange: the drop, or weight and reason."""
    exchange = seen(**facts)
    for known in Known:
        drop = sampler.judge(exchange, trace_id, kept=False, known=known)
        if drop is not None:
            return drop
    return exchange.weight, exchange.capture_reason


OUT = Drop("sampled_out")


@pytest.mark.parametrize(
    ("always", "facts", "came"),
    [
        ("error", {}, OUT),
        ("error", {"status": 500}, (1.0, "error")),
        ("error", {"status": 599}, (1.0, "error")),
        ("error", {"status": 499}, OUT),
        ("error", {"error_type": "ValueError"}, (1.0, "error")),
        ("error", {"status": None, "error_type": "ValueError"}, (1.0, "error")),
        ("error", {"status": None, "incomplete": "no_response"}, (1.0, "error")),
        ("error", {"status": None, "incomplete": "client_disconnected"}, OUT),
        ("error", {"incomplete": "cancelled"}, OUT),
        ("slow:250", {"end": 250_000_000}, (1.0, "slow")),
        ("slow:250", {"end": 249_999_999}, OUT),
        ("slow:250", {"status": 500}, OUT),
        ("header:X-Debug", {"request_headers": [("x-debug", "")]}, (1.0, "header")),
        ("header:x-debug", {"request_headers": [("X-Debug", "1")]}, (1.0, "header")),
        ("header:x-debug", {"response_headers": [("x-debug", "1")]}, OUT),
        ("error,slow:1,header:x", {"status": 500, "end": 10**9}, (1.0, "error")),
        ("none", {"status": 500, "end": 10**12}, OUT),
    ],
)
def test_always(always: str, facts: dict[str, Any], came: Any) -> None:
    """Errors, slow ones and requests with a header are kept with weight 1; the first reason counts."""
    assert judged(CaptureSampler(Rates((), 0.0), parse_always(always)), **facts) == came


@pytest.mark.parametrize(
    ("rules", "trace_id", "came"),
    [
        ("", LOW, (10.0, "rate")),
        ("", HIGH, OUT),
        ("user:42=0.25", LOW, (4.0, "rate")),
        ("user:42=0.25", HIGH, OUT),
        ("user:42=1", HIGH, (1.0, "rate")),
        ("user:42=0", LOW, OUT),
    ],
)
def test_weights(rules: str, trace_id: int, came: Any) -> None:
    """An exchange stands for as many as its own rate says."""
    sampler = CaptureSampler(Rates(parse_rates(rules), 0.1), Always())
    assert judged(sampler, trace_id, user="42") == came


def test_an_exchange_is_judged_anew() -> None:
    """One that was kept before it failed gets its reason from how it ended."""
    sampler, exchange = CaptureSampler(Rates((), 0.1), Always(error=True)), seen()
    assert sampler.judge(exchange, LOW, kept=False, known=Known.PLAIN) is None
    assert (exchange.weight, exchange.capture_reason) == (10.0, "rate")

    exchange.status = 500
    assert sampler.judge(exchange, LOW, kept=False, known=Known.PLAIN) is None
    assert (exchange.weight, exchange.capture_reason) == (1.0, "error")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("error, slow:250,header:X-Debug", ("error", "slow:250", "header:x-debug")),
        (["header:a", "header:b", "SLOW:0.5"], ("slow:0.5", "header:a", "header:b")),
        ("none", ()),
        ("", ()),
    ],
)
def test_ways_to_write_it(given: Any, words: tuple[str, ...]) -> None:
    """A list or text, in any case."""
    assert parse_always(given).words == words


@pytest.mark.parametrize(
    ("given", "remedies"),
    [
        ("eror", ["did you mean error"]),
        ("error:5", ["use error, slow:MILLISECONDS"]),
        ("slow", ["a number of milliseconds"]),
        ("slow:fast", ["a number of milliseconds"]),
        ("slow:0", ["a number of milliseconds"]),
        ("slow:nan", ["a number of milliseconds"]),
        ("header", ["use error"]),
        ("header:x y", ["use error"]),
        ("none,error", ["use error"]),
        ("slow:1,slow:2", ["is there already"]),
        ("error,error,header:a,header:A", ["is there already", "is there already"]),
        ("slow:x,eror", ["a number of milliseconds", "did you mean error"]),
        (7, ["use error"]),
        ([7], ["use error"]),
    ],
)
def test_all_mistakes_are_told(given: Any, remedies: list[str]) -> None:
    """Every word that cannot be, with what to do."""
    with pytest.raises(InvalidRulesError) as caught:
        parse_always(given)

    told = [remedy for _, _, remedy in caught.value.problems]
    assert len(told) == len(remedies)
    assert all(wanted in remedy for wanted, remedy in zip(remedies, told, strict=True))
