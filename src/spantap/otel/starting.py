"""Our spans of requests, begun in a fifth of what the SDK's `Tracer.start_span` takes.

Where the provider is ours, tells nobody but us of its spans and has one of the SDK's own samplers,
all that comes of `start_span` is known beforehand: ids, flags and trace state are put together here,
and a span that is recorded is stamped from one that the SDK has made. A test holds both against
what the SDK does itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ReadableSpan, Span, Tracer
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    ParentBasedTraceIdRatio,
    TraceIdRatioBased,
)
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    SpanContext,
    SpanKind,
    TraceFlags,
)

from spantap.otel.late import LateAttributes
from spantap.otel.sampler import GuardedSampler
from spantap.otel.start import StartAttributes

Decide = Callable[[SpanContext | None, int], bool]

_FEW: Final = 64  # a live span holds fewer attributes, unless the app adds many
_FLAGS: Final = tuple(TraceFlags(bits) for bits in range(4))
_RANDOM: Final = TraceFlags.RANDOM_TRACE_ID
# What a span of the SDK is made of. Those that change would be shared by all: each gets its own.
_FIXED: Final = frozenset({
    "_name", "_context", "_kind", "_instrumentation_info", "_instrumentation_scope", "_parent",
    "_start_time", "_end_time", "_resource", "_status", "_sampler", "_trace_config", "_record_exception",
    "_set_status_on_exception", "_span_processor", "_limits", "_record_end_metrics",
})  # fmt: skip
_LISTS: Final = frozenset({"_events", "_links"})
_OWN: Final = frozenset({"_lock", "_attributes", *_LISTS})


class RequestSpan(Span):
    """A span the SDK knows how to use and to end; lists of events and links, which few have, come late."""

    def __getattr__(self, name: str) -> Any:
        """Lists nobody has asked for yet."""
        if name not in _LISTS:
            raise AttributeError(name, name=name, obj=self)
        # Whoever is first, without a lock.
        return vars(self).setdefault(name, BoundedList(getattr(self._limits, f"max{name}")))

    @property
    def nothing_listed(self) -> bool:
        """Whether nobody has added an event or a link, not even one that was lost to a limit."""
        return vars(self).keys().isdisjoint(_LISTS)

    def _readable_span(self) -> ReadableSpan:
        """What processors get when it ends: itself. Only ours does, and that makes a copy."""
        return self


class Starter:
    """Begins SERVER and CLIENT spans as one tracer does. Thread-safe."""

    __slots__ = ("_decide", "_made_of", "_most", "_random", "_span_id", "_trace_id", "_tracer")

    def __init__(self, tracer: Tracer, decide: Decide, model: RequestSpan, most: int | None) -> None:
        """Args:
        tracer: whose ids, resource and limits are used.
        decide: whether a span is sampled, from its parent and trace id.
        model: a span as it is made; its parts are those of all.
        most: attributes a span may have.
        """
        self._tracer = tracer
        ids = tracer.id_generator
        self._span_id, self._trace_id = ids.generate_span_id, ids.generate_trace_id
        self._random = _RANDOM if ids.is_trace_id_random() else 0
        self._decide = decide
        self._most = most
        self._made_of = {name: part for name, part in vars(model).items() if name in _FIXED}

    def context(self, parent: SpanContext | None) -> tuple[SpanContext | None, bool]:
        """That of a new span, None when the tracer is switched off; and whether it is to be recorded.

        Args:
            parent: the context of a valid parent, or None for a root.
        """
        if not self._tracer._tracer_config.is_enabled:
            return None, False
        if parent is None:
            trace_id, state, random = self._trace_id(), None, self._random
        else:
            trace_id, state = parent.trace_id, parent.trace_state
            random = parent.trace_flags & _RANDOM
        sampled = self._decide(parent, trace_id)
        return SpanContext(trace_id, self._span_id(), False, _FLAGS[sampled | random], state), sampled

    def recorded(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        start: StartAttributes,
        kind: SpanKind = SpanKind.SERVER,
    ) -> RequestSpan:
        """A span that is recorded; its attributes are made when somebody looks at them."""
        span: RequestSpan = object.__new__(RequestSpan)
        parts = vars(span)
        parts.update(self._made_of)
        parts["_name"] = name
        parts["_kind"] = kind
        parts["_context"] = context
        parts["_parent"] = parent
        parts["_start_time"] = start.start
        parts["_resource"] = self._tracer.resource  # another one after a fork
        parts["_lock"] = threading.Lock()
        parts["_attributes"] = LateAttributes(start, self._most)
        return span


def starter_of(tracer: object) -> Starter | None:
    """What begins spans as a tracer does; None when its sampler, its limits or the SDK are new to us."""
    if type(tracer) is not Tracer:
        return None
    decide = decision_of(tracer.sampler)
    metrics: Any = getattr(tracer, "_tracer_metrics", None)
    if (
        decide is None
        or type(metrics).__name__ != "NoOpTracerMetrics"
        or not hasattr(tracer, "_tracer_config")
    ):
        return None
    model = RequestSpan(
        name="",
        context=INVALID_SPAN_CONTEXT,
        sampler=tracer.sampler,
        resource=tracer.resource,
        kind=SpanKind.SERVER,
        span_processor=tracer.span_processor,
        instrumentation_info=tracer.instrumentation_info,
        limits=tracer._span_limits,
        instrumentation_scope=tracer._instrumentation_scope,
    )
    parts = vars(model)
    held = parts.get("_attributes")
    if parts.keys() != _FIXED | _OWN or type(held) is not BoundedAttributes or held.max_value_len is not None:
        return None
    if held.maxlen is not None and held.maxlen < _FEW:
        return None
    return Starter(tracer, decide, model, held.maxlen)


def decision_of(sampler: object) -> Decide | None:
    """How one of the SDK's own samplers decides, from the parent and the trace id; None for any other."""
    if type(sampler) is GuardedSampler:
        sampler = sampler.inner
    if sampler is ALWAYS_ON or sampler is ALWAYS_OFF:
        sampled = sampler is ALWAYS_ON
        return lambda parent, trace_id: sampled
    if type(sampler) is TraceIdRatioBased:
        bound, bits = sampler.bound, sampler.TRACE_ID_LIMIT
        return lambda parent, trace_id: trace_id & bits < bound
    if type(sampler) not in (ParentBased, ParentBasedTraceIdRatio):
        return None
    parts = vars(sampler)
    if [parts.get(each) for each in _BELOW] != [ALWAYS_ON, ALWAYS_OFF] * 2:
        return None
    root = decision_of(parts.get("_root"))
    if root is None:
        return None
    return lambda parent, trace_id: root(None, trace_id) if parent is None else parent.trace_flags.sampled


_BELOW: Final = (
    *("_remote_parent_sampled", "_remote_parent_not_sampled"),
    *("_local_parent_sampled", "_local_parent_not_sampled"),
)
