"""The trace goes on through the door: parents, sampling, and what the app sees of it."""

from __future__ import annotations

import json

from contracts.inbound.choose import doors
from contracts.inbound.placements import OWN_PROVIDER
from contracts.inbound.visit import SAMPLED, UNSAMPLED, Visit


@doors()
def test_a_sampled_caller_is_the_parent(visit: Visit) -> None:
    """The SERVER span and the record continue the caller's trace."""
    span, record = visit.span("parent"), visit.record("parent")

    assert (span.trace_id, span.parent) == SAMPLED
    assert (record["trace_id"], record["parent_span_id"]) == SAMPLED
    assert record["sampled"] is True
    assert record["span_id"] == span.span_id


@doors()
def test_an_unsampled_caller_leaves_only_a_record(visit: Visit) -> None:
    """The caller did not sample: the store has the exchange in the caller's trace, nobody has a span."""
    record = visit.record("unsampled")

    assert record["trace_id"] == UNSAMPLED[0]
    assert record["sampled"] is False
    assert record["span_id"] not in (UNSAMPLED[1], "0" * 16)
    assert [span for span in visit.spans if span.trace_id == UNSAMPLED[0]] == []
    assert bytes.fromhex(UNSAMPLED[0]) not in visit.otlp


@doors(only=lambda door, mode: mode not in ("contrib_before", "contrib_plain", "native", "foreign"))
def test_the_record_of_an_unsampled_caller_names_it(visit: Visit) -> None:
    """Where the span would have been ours, its parent is the caller."""
    assert visit.record("unsampled")["parent_span_id"] == UNSAMPLED[1]


@doors()
def test_without_a_caller_each_request_is_a_trace(visit: Visit) -> None:
    """A request that names no parent begins a trace of its own."""
    roots = [visit.span(case) for case in ("first", "second", "get", "stream")]

    assert [span.parent for span in roots] == [None] * 4
    assert len({span.trace_id for span in roots}) == 4
    assert "parent_span_id" not in visit.record("first")


@doors()
def test_span_and_record_are_the_same_exchange(visit: Visit) -> None:
    """Trace id and span id of every record are those of its SERVER span."""
    for case in visit.sent:
        if case not in ("health", "unsampled"):
            span, record = visit.span(case), visit.record(case)
            assert (record["trace_id"], record["span_id"]) == (span.trace_id, span.span_id)


@doors()
def test_the_app_runs_inside_the_span(visit: Visit) -> None:
    """OpenTelemetry's current span, in a thread too, belongs to the request's trace."""
    seen, span = json.loads(visit.answers["who"].content), visit.span("who")

    assert seen["trace_id"] == span.trace_id
    assert seen["sampled"] is True
    if visit.mode == "plain":
        assert seen["span_id"] == span.span_id


@doors(*OWN_PROVIDER, only=lambda door, mode: mode != "contrib_alone")
def test_the_service_is_the_apps(visit: Visit) -> None:
    """Records carry the ``service.name`` of the provider in force."""
    assert {record["service"] for record in visit.records} == {"the app"}
