"""Capture is switched on and off under a server that keeps serving."""

from __future__ import annotations

from contracts.inbound.choose import doors
from contracts.inbound.visit import Visit


@doors("switched")
def test_an_app_that_has_served_can_be_instrumented(visit: Visit) -> None:
    """From the next request on, after the stack is built, exchanges are captured."""
    assert visit.records_of("before") == []
    assert visit.record("on")["response"]["status"] == 200
    assert visit.span("on").attributes["http.response.status_code"] == 200


@doors("switched")
def test_instrumenting_twice_is_harmless(visit: Visit) -> None:
    """One span and one record, not two."""
    assert len(visit.records_of("twice")) == 1
    assert len(visit.server_spans("twice")) == 1


@doors("switched")
def test_uninstrumenting_ends_the_capture(visit: Visit) -> None:
    """No record and no span after it, exceptions included."""
    for case in ("off", "boom-off"):
        assert visit.records_of(case) == []
        assert visit.server_spans(case) == []


@doors("switched")
def test_requests_in_flight_are_finished(visit: Visit) -> None:
    """A stream that was running when capture ended has its whole record."""
    record = visit.record("across")

    assert "incomplete" not in record
    assert record["response"]["body"]["size"] == 48


@doors("switched")
def test_capture_can_be_switched_on_again(visit: Visit) -> None:
    """Off is not for good."""
    assert len(visit.records_of("again")) == 1
    assert len(visit.server_spans("again")) == 1


@doors("switched")
def test_the_client_notices_nothing(visit: Visit) -> None:
    """The same answer before, during and after."""
    answers = [visit.answers[case] for case in ("before", "on", "twice", "off", "again")]

    assert {answer.status for answer in answers} == {200}
    assert len({answer.head.count(b"\r\n") for answer in answers}) == 1
    assert "spantap failed" not in visit.log
