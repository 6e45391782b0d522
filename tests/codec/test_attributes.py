from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from exchanges import exchange, exchanges
from spantap.codec import names
from spantap.codec.attributes import AttributeLimits, SpanFacts, decode, encode
from spantap.model import Body, Exchange, Headers
from spantap.otel.exporter import exchange_of

CORE = ("http.request.method", "url.path", "http.route", "http.response.status_code")


def facts(of: Exchange) -> SpanFacts:
    return SpanFacts(
        trace_id=of.trace_id,
        span_id=of.span_id,
        parent_span_id=of.parent_span_id,
        start=of.timing.start,
        end=of.timing.end,
        direction=of.direction,
        service=of.service,
        sampled=of.sampled,
    )


def context(of: Exchange, span_id: str) -> SpanContext:
    return SpanContext(int(of.trace_id, 16), int(span_id, 16), False, TraceFlags(int(of.sampled)))


def span(of: Exchange) -> ReadableSpan:
    """A span that carries the exchange, as our processor emits it."""
    return ReadableSpan(
        name="POST",
        context=context(of, of.span_id),
        parent=None if of.parent_span_id is None else context(of, of.parent_span_id),
        resource=Resource({} if of.service is None else {"service.name": of.service}),
        attributes=encode(of),
        kind=SpanKind.CLIENT if of.direction == "outbound" else SpanKind.SERVER,
        start_time=of.timing.start,
        end_time=of.timing.end,
    )


def plain(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(plain(each) for each in value.array_value.values)
    return None if kind is None else getattr(value, kind)


@given(exchanges())
def test_round_trip(given_exchange: Exchange) -> None:
    """Every exchange is read back from its attributes as it was."""
    assert decode(encode(given_exchange), facts(given_exchange)) == given_exchange


@given(exchanges())
def test_round_trip_through_a_span(given_exchange: Exchange) -> None:
    """A span that came from anywhere holds the exchange, ids, times and kind included."""
    assert exchange_of(span(given_exchange)) == given_exchange


@given(exchanges())
def test_round_trip_through_otlp_bytes(given_exchange: Exchange) -> None:
    """What a collector receives over OTLP is read back as it was."""
    encoded = encode_spans([span(given_exchange)]).SerializeToString()

    received = ExportTraceServiceRequest.FromString(encoded).resource_spans[0].scope_spans[0].spans[0]
    attributes = {each.key: plain(each.value) for each in received.attributes}

    assert decode(attributes, facts(given_exchange)) == given_exchange


@given(exchanges(), st.integers(8, 60))
def test_core_survives_any_count_limit(given_exchange: Exchange, count: int) -> None:
    """Under a tight attribute limit the core fields stay, and what went is counted."""
    whole = encode(given_exchange)

    limited = encode(given_exchange, AttributeLimits(count=count))

    survivors = {name: limited.get(name) for name in CORE}
    assert survivors == {name: whole.get(name) for name in CORE}
    flags = (names.ATTRIBUTES_DROPPED, "spantap.request.headers.dropped", "spantap.response.headers.dropped")
    if not set(whole) <= set(limited):
        assert any(flag in limited for flag in flags)
    missing = {name for name in whole if name not in limited}
    core_and_flags = 13 + 3
    assert (len(limited) <= max(count, core_and_flags)) or not missing


def test_the_sdk_evicts_nothing_of_the_core() -> None:
    """Set on a live span with the SDK's default limit of 128, 200 headers cost headers only."""
    many = Headers((f"x-h{number}", "v") for number in range(200))
    crowded = exchange(
        request=exchange().request.__class__(method="GET", scheme="http", path="/p", headers=many)
    )
    provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=128), shutdown_on_exit=False)
    live = provider.get_tracer("test").start_span("GET")

    live.set_attributes(encode(crowded, AttributeLimits(count=128)))
    live.end()

    assert isinstance(live, ReadableSpan)
    kept = live.attributes or {}
    assert [name in kept for name in CORE] == [True] * 4
    assert kept["spantap.request.headers.dropped"] == 200 - sum(
        name.startswith("http.request.header.") for name in kept
    )


def test_value_length_limit_is_flagged() -> None:
    """Where the SDK would cut a body without a word, the body is marked truncated and headers are counted."""
    long = exchange(
        request=exchange().request.__class__(
            method="POST",
            scheme="http",
            path="/p",
            headers=Headers([("x-long", "v" * 100), ("x-short", "v")]),
            body=Body(content="b" * 100, size=100),
        )
    )

    attributes = encode(long, AttributeLimits(value_length=20))

    assert attributes[names.HTTP_REQUEST_BODY_CONTENT] == "b" * 20
    assert attributes["spantap.request.body.truncated"] is True
    assert attributes["spantap.request.headers.dropped"] == 1
    assert attributes["http.request.header.x-short"] == ("v",)


def test_names_follow_the_conventions() -> None:
    """The attributes of a plain exchange bear the names OpenTelemetry gives them."""
    assert encode(exchange()) == {
        "http.request.header.host": ("shop",),
        "http.request.header.content-type": ("application/json",),
        "http.response.header.content-type": ("application/json",),
        "spantap.time_to_first_byte": 1_000_000,
        "http.request.body.size": 7,
        "http.request.body.content": '{"n":1}',
        "http.response.body.size": 8,
        "http.response.body.content": '{"id":7}',
        "spantap.record.version": 1,
        "url.scheme": "http",
        "http.request.method": "POST",
        "url.path": "/users/7",
        "http.route": "/users/{id}",
        "http.response.status_code": 201,
    }


def test_spans_of_others_hold_no_exchange() -> None:
    """A span without our mark is not taken for an exchange."""
    assert exchange_of(ReadableSpan("SELECT", context=context(exchange(), "01" * 8))) is None
    with pytest.raises(KeyError):
        decode({"http.request.method": "GET"}, facts(exchange()))
