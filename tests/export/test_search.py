"""Filters over real stores of both kinds: what they answer is what the words mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from exchanges import START, exchange
from following import KINDS
from spantap.export.follow import Follower
from spantap.export.search import NO_ANSWER, Filter
from spantap.model import Error, Exchange, Identity, Request, Response, Timing
from spantap.policy.select import Selection

MS = 1_000_000
BOOM = Error("shop.Boom", "no")
PATHS = (
    "/users/7",
    "/users/7/orders",
    "/orders?",
    "/ordersX",
    "/a[1]",
    "/a1",
    "/A1",
    "/*",
    "/naïve/路",
    "/healthz",
)


def some_of_everything() -> Iterator[Exchange]:
    """Every combination of what filters look at."""
    answers: tuple[tuple[int | None, Error | None], ...] = (
        (200, None),
        (200, BOOM),
        (299, None),
        (404, None),
        (499, None),
        (500, BOOM),
        (503, None),
        (None, None),
    )
    people = (
        Identity(),
        Identity(user="u-1"),
        Identity(user="u-1", email="ada@looms.example"),
        Identity(email="ada@looms.example", user_hash="f00"),
        Identity(user_hash="f00"),
    )
    combinations = product(("GET", "POST", "purge"), answers, people, PATHS[:2], (5 * MS, 250 * MS))
    for number, (method, (status, error), identity, path, took) in enumerate(combinations, 1):
        yield exchange(
            span_id=f"{number:016x}",
            request=Request(method, "http", path),
            response=Response(status),
            timing=Timing(START, None, START + took),
            route=("/users/{id}", None, "/<int:n>")[number % 3],
            service=("shop", "till", None)[number % 3],
            identity=identity,
            error=error,
        )


STORED = tuple(some_of_everything())


@pytest.fixture(scope="module", params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("search") / "store"
    sink = KINDS[request.param](path)
    sink.write(STORED)
    sink.close()
    return path


def found(path: Path, wanted: Filter, last: int | None = None) -> list[Exchange]:
    with Follower(path, wanted, last=last) as store:
        return list(store.arrived())


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        pytest.param(Filter(), lambda _: True, id="nothing left out"),
        pytest.param(Filter(methods=("get",)), lambda e: e.request.method == "GET", id="method"),
        pytest.param(Filter(methods=("POST", "PURGE")), lambda e: e.request.method != "GET", id="methods"),
        pytest.param(Filter(statuses=((404, 404),)), lambda e: e.response.status == 404, id="code"),
        pytest.param(
            Filter(statuses=((200, 299), (500, 500), NO_ANSWER)),
            lambda e: e.response.status in (200, 299, 500, None),
            id="ranges",
        ),
        pytest.param(Filter(route="/users/{id}"), lambda e: e.route == "/users/{id}", id="route"),
        pytest.param(Filter(route="*"), lambda e: e.route is not None, id="any route"),
        pytest.param(Filter(path="/users/7"), lambda e: e.request.path == "/users/7", id="path"),
        pytest.param(Filter(path="*/orders"), lambda e: e.request.path.endswith("/orders"), id="path glob"),
        pytest.param(Filter(path="re:/[0-9]$"), lambda e: e.request.path == "/users/7", id="path expression"),
        pytest.param(
            Filter(route="re:int|id"), lambda e: e.route in ("/users/{id}", "/<int:n>"), id="route expression"
        ),
        pytest.param(Filter(user="u-1"), lambda e: e.identity.user == "u-1", id="user"),
        pytest.param(
            Filter(user="ada@looms.example"),
            lambda e: e.identity.email is not None and e.identity.user is None,
            id="user by e-mail address, as shown",
        ),
        pytest.param(
            Filter(user="f00"), lambda e: e.identity == Identity(user_hash="f00"), id="user by hash, as shown"
        ),
        pytest.param(Filter(service="till"), lambda e: e.service == "till", id="service"),
        pytest.param(Filter(slower=250 * MS), lambda e: e.timing.duration >= 250 * MS, id="slower"),
        pytest.param(Filter(slower=5 * MS + 1), lambda e: e.timing.duration > 5 * MS, id="a little slower"),
        pytest.param(Filter(slower=2**80), lambda _: False, id="slower than SQLite can count"),
        pytest.param(
            Filter(errors=True),
            lambda e: e.error is not None or (e.response.status or 500) >= 500,
            id="errors",
        ),
        pytest.param(
            Filter(methods=("GET",), statuses=((400, 499),), slower=MS, user="u-1", path="/users/*"),
            lambda e: (
                e.request.method == "GET" and e.response.status in (404, 499) and e.identity.user == "u-1"
            ),
            id="all together",
        ),
    ],
)
def test_a_filter_gives_what_it_says(store: Path, wanted: Filter, meant: Callable[[Exchange], bool]) -> None:
    """The answer is that of the same question asked in Python, in the order of arrival."""
    expected = [each for each in STORED if meant(each)]

    assert found(store, wanted) == expected
    assert found(store, wanted, last=3) == expected[-3:]


@pytest.mark.parametrize("words", ["' OR 1=1 --", '"; DROP TABLE exchanges; --', "%", "_", "\x00", "?"])
def test_a_value_is_only_compared(store: Path, words: str) -> None:
    """Whatever is looked for is compared, not executed, and finds nothing here."""
    for wanted in (
        Filter(user=words),
        Filter(service=words),
        Filter(path=words),
        Filter(route=words),
        Filter(methods=(words,)),
    ):
        assert found(store, wanted) == []
    assert len(found(store, Filter())) == len(STORED)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "pattern", ["*", "/users/*", "*7*", "/orders?", "/a[1]", "/a*", "/*", "*路", "[*]", "re:^/A", "/healthz"]
)
def test_a_pattern_means_what_it_means_in_the_settings(pattern: str, tmp_path: Path, kind: str) -> None:
    """In a glob only `*` is special: the same paths as INCLUDE_URLS would choose."""
    sink = KINDS[kind](tmp_path / "store")
    sink.write(
        [
            replace(exchange(span_id=f"{number:016x}"), request=Request("GET", "http", path))
            for number, path in enumerate(PATHS, 1)
        ]
    )
    sink.close()

    chosen = [each.request.path for each in found(tmp_path / "store", Filter(path=pattern))]

    assert chosen == [path for path in PATHS if Selection(include=[pattern]).wants("GET", path)]
