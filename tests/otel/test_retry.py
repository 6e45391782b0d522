"""What the queue does about destinations that do not take what they are offered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from exchanges import exchange
from spantap.export.outcome import RefusedError, TooLargeError, TryLaterError, seconds_of
from spantap.model import Body, Request
from spantap.otel import retry
from spantap.otel.budget import Budget, Parcel
from spantap.otel.exporter import ExchangeAttributes, ExchangeSpan
from spantap.otel.queue import Batching, DeliveryQueue

Behaviour = Callable[[list[str]], Mapping[str, int]]
WAIT = 20.0


class Place:
    """A destination that keeps what it takes; `behave` gets the names of each batch and may raise."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.tries: list[list[str]] = []
        self.taken: list[str] = []
        self.spans: list[ReadableSpan] = []
        self._behaviours = iter(behaviours)
        self._last: Behaviour = taking

    def deliver(self, spans: Sequence[ReadableSpan], /) -> Mapping[str, int]:
        names = [span.name for span in spans]
        self.tries.append(names)
        self._last = next(self._behaviours, self._last)
        lost = self._last(names)
        self.taken += names
        self.spans += spans
        return lost

    def close(self) -> None:
        pass

    def interrupt(self) -> None:
        pass


def taking(names: list[str]) -> Mapping[str, int]:
    return {}


def later(names: list[str]) -> Mapping[str, int]:
    raise TryLaterError("not now")


def full(names: list[str]) -> Mapping[str, int]:
    raise OSError(28, "No space left on device")


def broken(names: list[str]) -> Mapping[str, int]:
    raise LookupError("a bug")


def put(queue: DeliveryQueue, budget: Budget, name: str, size: int = 100) -> None:
    assert budget.charge(size)
    parcel = Parcel(ReadableSpan(name), size, budget)
    queue.put(parcel)
    parcel.release()


@pytest.fixture
def budget() -> Iterator[Budget]:
    """What was charged is given back, whatever happens."""
    budget = Budget(10_000_000)
    yield budget
    assert budget.used == 0


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_SHORTEST", 0.02)
    monkeypatch.setattr(retry, "_LONGEST", 0.1)


def queue_to(place: Place, **batching: float) -> DeliveryQueue:
    return DeliveryQueue("place", lambda: place, Batching(**{"delay": 0.01, **batching}))  # type: ignore[arg-type]


@pytest.mark.parametrize("trouble", [later, full])
def test_what_is_not_taken_is_tried_again(trouble: Behaviour, budget: Budget) -> None:
    """A batch that is not taken waits and goes out later, the same records together, in order."""
    place = Place(trouble, trouble, trouble, taking)
    queue = queue_to(place)

    for number in range(5):
        put(queue, budget, str(number))

    assert queue.flush(WAIT)
    assert place.taken == ["0", "1", "2", "3", "4"]
    assert place.tries[0] == place.tries[1] == place.tries[2] == place.tries[3][: len(place.tries[0])]
    stats = queue.stats()
    assert (stats.exported, stats.dropped, stats.failures, stats.failing) == (5, {}, 0, None)
    queue.shutdown(1)


def test_waits_grow(budget: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    """A destination that takes nothing is tried less and less often, however much arrives for it."""
    monkeypatch.setattr(retry, "_SHORTEST", 0.1)
    monkeypatch.setattr(retry, "_LONGEST", 60.0)
    place = Place(later)
    queue = queue_to(place, max_items=1)
    until = time.monotonic() + 1.5

    while time.monotonic() < until:
        put(queue, budget, "x")
        time.sleep(0.001)

    assert 2 <= len(place.tries) <= 7
    stats = queue.stats()
    assert (stats.queued, stats.exported, stats.failing) == (stats.captured, 0, "not now")
    assert not queue.shutdown(0.1)
    assert queue.stats().dropped == {"shutdown": stats.captured}


def test_what_a_destination_asks_for_is_waited(budget: Budget) -> None:
    """Asked to be left alone for a while, nothing is sent before, and a shorter flush says so at once."""

    def asking(names: list[str]) -> Mapping[str, int]:
        raise TryLaterError("busy", 1.0)

    place = Place(asking, taking)
    queue = queue_to(place)
    began = time.monotonic()
    put(queue, budget, "a")
    while not place.tries:
        time.sleep(0.005)
    time.sleep(0.05)

    assert not queue.flush(0.5)
    assert len(place.tries) == 1
    assert queue.flush(WAIT)
    assert time.monotonic() - began >= 0.9
    assert place.taken == ["a"]
    queue.shutdown(1)


def test_one_record_that_is_refused_is_found(budget: Budget) -> None:
    """A batch refused for one record is halved until that one alone is lost, and counted."""

    def picky(names: list[str]) -> Mapping[str, int]:
        if "bad" in names:
            raise RefusedError("answers 400", divisible=True)
        return {}

    place = Place(picky)
    queue = queue_to(place, delay=60)
    for name in [*"abcdefg", "bad", *"hijk"]:
        put(queue, budget, name)

    assert queue.flush(WAIT)
    assert place.taken == list("abcdefghijk")
    stats = queue.stats()
    assert (stats.exported, stats.dropped) == (11, {"refused": 1})
    queue.shutdown(1)


def test_where_everything_is_refused_the_search_ends(budget: Budget) -> None:
    """A destination that refuses each record is not asked a thousand times over."""

    def never(names: list[str]) -> Mapping[str, int]:
        raise RefusedError("answers 400", divisible=True)

    place = Place(never)
    queue = queue_to(place, delay=60)
    for number in range(500):
        put(queue, budget, str(number))

    assert queue.flush(WAIT)
    assert len(place.tries) < 60
    assert queue.stats().dropped == {"refused": 500}
    queue.shutdown(1)


def test_a_final_refusal_is_final(budget: Budget) -> None:
    """What trying again cannot mend is counted at once; the next batch goes out."""

    def forbidden(names: list[str]) -> Mapping[str, int]:
        raise RefusedError("answers 401")

    place = Place(forbidden, taking)
    queue = queue_to(place)
    put(queue, budget, "a")
    assert queue.flush(WAIT)
    assert queue.stats().failing == "answers 401"
    put(queue, budget, "b")
    assert queue.flush(WAIT)

    assert place.tries == [["a"], ["b"]]
    assert queue.stats().dropped == {"refused": 1}
    queue.shutdown(1)


def test_a_part_that_is_not_taken_is_counted_by_reason(budget: Budget) -> None:
    """A destination may take a batch and say how many of it not, and why."""
    place = Place(lambda names: {"rejected": 2, "duplicate": 1})
    queue = queue_to(place, delay=60)
    for number in range(5):
        put(queue, budget, str(number))

    assert queue.flush(WAIT)
    stats = queue.stats()
    assert (stats.exported, stats.dropped) == (2, {"rejected": 2, "duplicate": 1})
    queue.shutdown(1)


@pytest.mark.parametrize("said", [None, 7, {"a": -1}, {"a": "x"}, {1: 2}, {"a": True}])
def test_counts_that_make_no_sense(said: Any, budget: Budget) -> None:
    """What a destination returns beside counts is as if it had returned nothing."""
    place = Place(lambda names: said)
    queue = queue_to(place)
    put(queue, budget, "a")

    assert queue.flush(WAIT)
    assert (queue.stats().exported, queue.stats().dropped) == (1, {})
    queue.shutdown(1)


def test_no_more_can_be_lost_than_was_sent(budget: Budget) -> None:
    """The counts add up whatever a destination says."""
    place = Place(lambda names: {"rejected": 3, "duplicate": 9})
    queue = queue_to(place, delay=60)
    for number in range(5):
        put(queue, budget, str(number))

    assert queue.flush(WAIT)
    assert queue.stats().dropped == {"rejected": 3, "duplicate": 2}
    queue.shutdown(1)


def test_an_error_nobody_foresaw_is_tried_a_few_times(budget: Budget) -> None:
    """A bug in a destination does not hold its records for ever: some tries, then they are counted."""
    place = Place(broken)
    queue = queue_to(place)
    put(queue, budget, "a")

    assert queue.flush(WAIT)
    assert len(place.tries) == 5
    assert queue.stats().dropped == {"export_failed": 1}
    queue.shutdown(1)


def spans_with_bodies(count: int) -> list[ExchangeSpan]:
    made = []
    for number in range(count):
        about = exchange(
            request=Request("POST", "http", f"/{number}", body=Body("x" * 1000, 1000)), metadata={"a": 1}
        )
        span = ExchangeSpan(name=str(number), attributes=ExchangeAttributes(about, {}))
        span.exchange, span.others = about, {}
        made.append(span)
    return made


def test_a_record_that_is_too_large_goes_without_its_bodies(budget: Budget) -> None:
    """Too large together: smaller batches. Too large alone: without its bodies, and counted."""

    class Narrow(Place):
        def deliver(self, spans: Sequence[ReadableSpan], /) -> Mapping[str, int]:
            if len(spans) > 1 or any("x" * 1000 in str(dict(span.attributes or {})) for span in spans):
                raise TooLargeError("answers 413")
            self.spans += spans
            return {}

    place = Narrow()
    queue = queue_to(place, delay=60)
    for span in spans_with_bodies(4):
        assert budget.charge(1000)
        parcel = Parcel(span, 1000, budget)
        queue.put(parcel)
        parcel.release()

    assert queue.flush(WAIT)
    stats = queue.stats()
    assert (stats.exported, stats.dropped, stats.lightened) == (4, {}, {"bodies": 4})
    bodies = [span.exchange.request.body for span in place.spans if isinstance(span, ExchangeSpan)]
    assert bodies == [Body(size=1000, withheld="shed")] * 4
    queue.shutdown(1)


def test_a_record_that_stays_too_large_is_counted(budget: Budget) -> None:
    """What a destination does not even take stripped is lost alone."""

    def tiny(names: list[str]) -> Mapping[str, int]:
        if "2" in names:
            raise TooLargeError("answers 413")
        return {}

    place = Place(tiny)
    queue = queue_to(place, delay=60)
    for number in range(4):
        put(queue, budget, str(number))

    assert queue.flush(WAIT)
    assert place.taken == ["0", "1", "3"]
    assert queue.stats().dropped == {"too_large": 1}
    queue.shutdown(1)


def test_a_waiting_batch_is_lost_to_the_end_and_counted(budget: Budget) -> None:
    """What still waits when the time to stop is over is counted, also if it was under way."""
    gate = threading.Event()

    def slow(names: list[str]) -> Mapping[str, int]:
        gate.wait(WAIT)
        raise TryLaterError("not now")

    place = Place(slow)
    queue = queue_to(place)
    put(queue, budget, "a")
    while not place.tries:
        time.sleep(0.005)
    put(queue, budget, "b")

    assert not queue.shutdown(0.1)
    gate.set()
    deadline = time.monotonic() + WAIT
    while queue.stats().queued and time.monotonic() < deadline:
        time.sleep(0.01)
    stats = queue.stats()
    assert (stats.captured, stats.dropped, stats.queued) == (2, {"shutdown": 2}, 0)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("7", 7, 7),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Fri, 31 Dec 2199 23:59:59 GMT", 1e9, 1e11),
    ],
)
def test_retry_after(text: str, least: float, most: float) -> None:
    """Seconds and dates are both read; dates that are past mean now."""
    seconds = seconds_of(text)
    assert seconds is not None
    assert least <= seconds <= most


@pytest.mark.parametrize("text", [None, "", "soon", "-1", "Wed, 99 Oct 2015"])
def test_retry_after_that_says_nothing(text: str | None) -> None:
    """What cannot be read is as if it were not there."""
    assert seconds_of(text) is None


@pytest.mark.parametrize("odd", [RuntimeError("can't start new thread"), ValueError("odd"), KeyError("x")])
def test_an_odd_answer_to_what_is_sent_lightened(odd: Exception, budget: Budget) -> None:
    """Whatever a destination raises at a record that was too large before, the worker lives."""

    def too_large(names: list[str]) -> Mapping[str, int]:
        raise TooLargeError("answers 413")

    def oddly(names: list[str]) -> Mapping[str, int]:
        raise odd

    place = Place(too_large, oddly, taking)
    queue = queue_to(place)
    for span in spans_with_bodies(5):
        assert budget.charge(1000)
        parcel = Parcel(span, 1000, budget)
        queue.put(parcel)
        parcel.release()
        time.sleep(0.02)

    assert queue.flush(WAIT)
    stats = queue.stats()
    assert stats.captured == 5 == stats.exported + sum(stats.dropped.values())
    assert stats.exported >= 4
    queue.shutdown(1)
