"""Any span an SDK may hand over, for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode

from exchanges import some_text, text

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
