"""`spantap.current()` reaches the record from wherever the app calls it."""

from __future__ import annotations

from contracts.inbound.apps.answers import PIECES
from contracts.inbound.choose import doors
from contracts.inbound.visit import Visit


@doors()
def test_from_a_function_that_runs_in_a_thread(visit: Visit) -> None:
    """A ``def`` endpoint, in the threadpool of an async framework, names the user."""
    record, span = visit.record("who"), visit.span("who")

    assert record["identity"] == {"user": "user-of-who", "email": "who@example.com"}
    assert span.attributes["user.id"] == "user-of-who"


@doors()
def test_from_the_endpoint(visit: Visit) -> None:
    """An endpoint names the company, of its own request."""
    for case in ("first", "second", "unsampled"):
        assert visit.record(case)["identity"]["company"] == f"company of {case}"


@doors()
def test_from_a_stream_while_it_runs(visit: Visit) -> None:
    """A generator names the session and counts its pieces, and its ``finally`` still has a say."""
    for case in ("stream", "held"):
        record = visit.record(case)

        assert record["identity"]["session"] == f"stream {case}"
        assert record["metrics"] == {"pieces": len(PIECES)}


@doors()
def test_requests_that_said_nothing_have_nothing(visit: Visit) -> None:
    """What one request said does not stick to the next."""
    for case in ("get", "empty", "big"):
        assert "identity" not in visit.record(case)
        assert "metrics" not in visit.record(case)
