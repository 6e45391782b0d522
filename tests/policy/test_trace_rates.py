"""Which traces are sampled: how it is written, which rate holds, and the limit."""

from __future__ import annotations

from typing import Any

import pytest

from spantap.model import Observation
from spantap.policy.redact.user_rules import InvalidRulesError
from spantap.policy.trace_rates import TokenBucket, parse_trace_rates


@pytest.mark.parametrize(
    ("written", "method", "path", "rate"),
    [
        ("0.5", "GET", "/a", 0.5),
        ("path:/a=0.1", "GET", "/a", 0.1),
        ("path:/a=0.1", "GET", "/b", 1.0),
        ("0.5,path:/a*=0.1,path:/ab=0.2", "GET", "/ab", 0.2),
        ("0.5,path:re:^/a=0.1", "GET", "/ab", 0.1),
        ("0.5,method:post=0.1", "POST", "/a", 0.1),
        ("0.5,method:post=0.1,path:/a=0.2", "POST", "/a", 0.2),
        ("0.5,path:/orders/7=0.2,route:/orders/{id}=0.1", "GET", "/orders/7", 0.1),
        ("0.5,route:/orders/{id}=0.1", "GET", "/orders/7/lines", 0.5),
        ("0.5,route:/orders/{id}=0.1", "GET", "/orders/", 0.5),
        ("0.5,route:/orders/{id}/lines/{n}=0.1", "GET", "/orders/7/lines/8", 0.1),
        ("0.5,route:/orders/<int:id>=0.1", "GET", "/orders/7", 0.1),
        ("0.5,route:/files/{rest:path}=0.1", "GET", "/files/a/b\n", 0.1),
        ("0.5,route:/files/<path:rest>=0.1", "GET", "/files/a/b", 0.1),
        ("0.5,route:/orders/*=0.1", "GET", "/orders/7/lines", 0.1),
        ("0.5,route:/{any}=0.1,route:/orders=0.2", "GET", "/orders", 0.2),
        ("0.5,route:/orders/{id}=0.1,route:/orders/{id}/lines=0.2", "GET", "/orders/7/lines", 0.2),
        ("0.5,route:/a.c=0.1", "GET", "/abc", 0.5),
        ("0.5,route:/a=0.1,path:*=0.1", "", "", 0.1),
        ("0.5,route:/a=0.1,path:/*=0.1", "", "", 0.5),
    ],
)
def test_the_rate_of_a_request_that_begins(written: str, method: str, path: str, rate: float) -> None:
    """A route's template is looked for in the path; then path, then method; else the rate for all."""
    seen = Observation(method=method, scheme="http", path=path, query="", start=0)
    assert parse_trace_rates(written).compiled().of(seen) == rate


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("0.1, route:/orders/{id}=1 ,limit=20", ("0.1", "route:/orders/{id}=1", "limit=20")),
        (["limit=0.5", "path:/a=0"], ("1", "path:/a=0", "limit=0.5")),
        (0.1, ("0.1",)),
        (0, ("0",)),
        ("", ("1",)),
    ],
)
def test_ways_to_write_it(given: Any, words: tuple[str, ...]) -> None:
    """Text, a list, a number; in any order."""
    assert parse_trace_rates(given).words == words
    assert parse_trace_rates(words).words == words


@pytest.mark.parametrize(
    ("given", "remedies"),
    [
        ("2", ["a rate from 0 to 1"]),
        ("all", ["a rate from 0 to 1"]),
        (True, ["a rate from 0 to 1"]),
        ("limit=0", ["a number of traces a second"]),
        ("limit=x", ["a number of traces a second"]),
        ("limit=nan", ["a number of traces a second"]),
        ("limt=5", ["did you mean limit"]),
        ("0.1,0.2", ["is there already"]),
        ("limit=1,limit=2", ["is there already"]),
        ("user:42=1", ["there are route, path, method"]),
        ("path:/a=2,path:b=1,limit=x,9", ["from 0 to 1", "begins with /", "traces a second", "from 0 to 1"]),
        ("path:/a=1,path:/a=0", ["is there already, and says 1"]),
        ("route:^a$=1", ["write path:re:"]),
        ("route:re:a=1,path:/a=1", ["write path:re:"]),
        ({"a": 1}, ["use a rate"]),
    ],
)  # fmt: skip
def test_all_mistakes_are_told(given: Any, remedies: list[str]) -> None:
    """Every word that cannot be, with what to do."""
    with pytest.raises(InvalidRulesError) as caught:
        parse_trace_rates(given)

    told = [remedy for _, _, remedy in caught.value.problems]
    assert len(told) == len(remedies)
    assert all(wanted in remedy for wanted, remedy in zip(remedies, told, strict=True))


@pytest.mark.parametrize("limit", [0.5, 1, 3, 20, 1000])
def test_the_limit(limit: float) -> None:
    """So many a second over a long time, a second's worth at once, and no more after a pause."""
    bucket, second = TokenBucket(limit), max(1, limit)

    assert sum(bucket.take(100.0) for _ in range(5000)) == second
    taken = sum(bucket.take(100 + each / 2000) for each in range(1, 2000 * 10 + 1))
    assert abs(taken - 10 * limit) <= 1
    assert sum(bucket.take(10_000.0) for _ in range(5000)) == second


def test_the_clock_of_its_own() -> None:
    """Asked without a time it looks for itself."""
    bucket = TokenBucket(0.001)
    assert [bucket.take(), bucket.take()] == [True, False]
