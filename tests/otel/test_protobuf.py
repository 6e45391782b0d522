from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as standard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode

from exchanges import some_text, text
from spantap.otel.protobuf import encode_spans

scalars = st.one_of(
    text,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=300),
    st.text("x", min_size=120, max_size=140),
    st.none(),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.lists(text).map(tuple), st.dictionaries(some_text, inner, max_size=3)
    ),
    max_leaves=5,
)
attributes = st.dictionaries(some_text, values, max_size=5)
contexts = st.builds(
    SpanContext,
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    is_remote=st.booleans(),
    trace_flags=st.sampled_from([TraceFlags(0), TraceFlags(1)]),
    trace_state=st.sampled_from([None, TraceState([("a", "1"), ("b", "2")])]),
)
times = st.integers(1, 2**63)
resources = st.sampled_from(
    [Resource({"service.name": "a"}), Resource({"n": 1}, "https://schema"), Resource({})]
)
scopes = st.sampled_from(
    [None, InstrumentationScope("s", "1", "https://schema"), InstrumentationScope("t", attributes={"k": "v"})]
)


@st.composite
def spans(draw: st.DrawFn) -> ReadableSpan:
    return ReadableSpan(
        name=draw(text),
        context=draw(contexts),
        parent=draw(st.one_of(st.none(), contexts)),
        resource=draw(resources),
        attributes=draw(attributes),
        events=draw(st.lists(st.builds(Event, text, attributes, times), max_size=2)),
        links=draw(st.lists(st.builds(Link, contexts, attributes), max_size=2)),
        kind=draw(st.sampled_from(SpanKind)),
        status=draw(
            st.one_of(
                st.builds(Status, st.just(StatusCode.ERROR), st.one_of(st.none(), text)),
                st.builds(Status, st.sampled_from([StatusCode.UNSET, StatusCode.OK])),
            )
        ),
        start_time=draw(times),
        end_time=draw(times),
        instrumentation_scope=draw(scopes),
    )


@given(st.lists(spans(), max_size=4))
def test_the_same_message_as_the_standard_encoder(batch: list[ReadableSpan]) -> None:
    """Whatever a span holds, a receiver reads the same from our bytes as from the standard ones."""
    assert ExportTraceServiceRequest.FromString(encode_spans(batch)) == standard(batch)


@pytest.mark.parametrize("value", ["\ud800", ["\ud800"], object(), {1: 2}, range(3)])
def test_values_nobody_should_write(value: Any) -> None:
    """Odd values are written as something readable; the rest of the span is not lost."""
    odd = ReadableSpan("n", context=SpanContext(1, 2, False), attributes={"a": value, "b": 1}, start_time=1)

    message = ExportTraceServiceRequest.FromString(encode_spans([odd]))

    assert [each.key for each in message.resource_spans[0].scope_spans[0].spans[0].attributes] == ["a", "b"]
