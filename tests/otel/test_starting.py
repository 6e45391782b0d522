"""What begins our spans in the place of the SDK's tracer makes the spans that one would make."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, Tracer, TracerProvider, _TracerConfig
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    Decision,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    SamplingResult,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, TraceState

from spantap.otel.sampler import GuardedSampler, make_sampler
from spantap.otel.start import StartAttributes
from spantap.otel.starting import Starter, decision_of, starter_of

STATE = TraceState([("vendor", "one")])
STANDARD = [
    ALWAYS_ON,
    ALWAYS_OFF,
    DEFAULT_ON,
    DEFAULT_OFF,
    TraceIdRatioBased(0.5),
    ParentBasedTraceIdRatio(0.5),
]
PARENTS = [
    None,
    *(
        SpanContext(trace_id, 7, remote, TraceFlags(flags), STATE)
        for trace_id in (1 << 100 | 1, 1 << 100 | (1 << 64) - 1)
        for remote in (True, False)
        for flags in range(4)
    ),
]


class Counted(IdGenerator):
    """The same ids for everybody who begins anew."""

    def __init__(self, random: bool) -> None:
        self.random = random
        self.numbers = itertools.count(1, 3 << 61)

    def generate_span_id(self) -> int:
        return next(self.numbers) & (1 << 64) - 1 or 1

    def generate_trace_id(self) -> int:
        return next(self.numbers) & (1 << 128) - 1

    def is_trace_id_random(self) -> bool:
        return self.random


def tracer(sampler: Sampler, *, random: bool = True, limits: SpanLimits | None = None) -> Tracer:
    provider = TracerProvider(
        sampler, Resource({"service.name": "shop"}), False, None, Counted(random), limits
    )
    made = provider.get_tracer("spantap", "1", "https://example.org/schema")
    assert isinstance(made, Tracer)
    return made


def starter(of: Tracer) -> Starter:
    made = starter_of(of)
    assert made is not None
    return made


def start() -> StartAttributes:
    def unseen(place: object, began: int) -> Any:
        raise AssertionError("nobody looks")

    return StartAttributes(unseen, {}, 1_700_000_000_000_000_000, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("random", [True, False])
@pytest.mark.parametrize("sampler", [*STANDARD, make_sampler(), make_sampler("0.5")])
def test_ids_flags_and_state_are_those_of_the_sdk(sampler: Sampler, random: bool) -> None:
    """For every standard sampler, with every kind of parent and with none, many times."""
    theirs, ours = tracer(sampler, random=random), starter(tracer(sampler, random=random))
    for parent in PARENTS * 4:
        around = Context()
        if parent is not None:
            around = trace.set_span_in_context(NonRecordingSpan(parent), around)
        span = theirs.start_span("GET", around, SpanKind.SERVER)
        assert ours.context(parent) == (span.get_span_context(), span.is_recording())


def test_a_recorded_span_is_made_of_what_the_sdk_makes_it_of() -> None:
    """Name, times, resource, scope, limits and kind; what changes is each span's own."""
    theirs, of = tracer(ALWAYS_ON), tracer(ALWAYS_ON)
    ours = starter(of)
    for parent in (None, PARENTS[1]):
        around = trace.set_span_in_context(NonRecordingSpan(parent), Context()) if parent else Context()
        model = theirs.start_span("GET", around, SpanKind.SERVER, start_time=start().start)
        assert isinstance(model, ReadableSpan)
        context, _ = ours.context(parent)
        assert context is not None
        span, other = (ours.recorded("GET", context, parent, start()) for _ in range(2))
        for each in (span, other):
            assert each.nothing_listed
            assert (each.events, each.links, each.nothing_listed) == ((), (), False)
        assert vars(span).keys() == vars(model).keys()
        mine, its = vars(span), vars(model)
        own = {"_lock", "_attributes", "_events", "_links", "_sampler", "_span_processor", "_limits"}
        for name in mine.keys() - own - {"_record_end_metrics"}:
            assert mine[name] == its[name] or name in ("_status", "_resource"), name
        assert span.resource.attributes == model.resource.attributes
        assert span.status.status_code is model.status.status_code
        assert all(
            mine[each] is not vars(other)[each] for each in ("_lock", "_attributes", "_events", "_links")
        )
        span.add_event("said")
        span.add_link(PARENTS[2])  # type: ignore[arg-type]
        span.update_name("GET /")
        assert (len(span.events), len(span.links), span.name) == (1, 1, "GET /")
        assert (len(other.events), len(other.links), other.name) == (0, 0, "GET")
        span.end()
        assert span.end_time is not None
        assert not span.is_recording()
        assert other.is_recording()


class Odd(StaticSampler):
    """A standard one, but for what it does."""

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_ONLY)


def test_what_is_not_known_is_left_to_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samplers of others, alone or within a standard one; limits that attributes may not fit in; metrics."""
    odd = Odd(Decision.DROP)
    for sampler in (odd, ParentBased(odd), ParentBased(ALWAYS_ON, local_parent_not_sampled=odd)):
        assert decision_of(sampler) is None
        assert decision_of(GuardedSampler(sampler)) is None
        assert starter_of(tracer(sampler)) is None
    assert starter_of(tracer(ALWAYS_ON, limits=SpanLimits(max_span_attribute_length=5))) is None
    assert starter_of(tracer(ALWAYS_ON, limits=SpanLimits(max_span_attributes=5))) is None
    assert starter_of(trace.NoOpTracer()) is None
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    assert starter_of(tracer(ALWAYS_ON)) is None


def test_a_tracer_that_is_switched_off_begins_nothing() -> None:
    """Also when that is done while the process runs."""
    of = tracer(ALWAYS_ON)
    ours = starter(of)
    assert ours.context(None)[0] is not None
    of._set_tracer_config(_TracerConfig(is_enabled=False))
    assert ours.context(None) == (None, False)
