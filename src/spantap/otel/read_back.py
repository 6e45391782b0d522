"""The bytes of an OTLP request with one span -> the span, as it was when it was written.

What the protocol does not carry here is whether the trace was sampled: whoever kept the bytes knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode

from spantap.codec.attributes import encode
from spantap.otel.exporter import (
    CleanEvent,
    CleanLink,
    CleanSpan,
    ExchangeAttributes,
    ExchangeSpan,
    exchange_of,
)

_IS_REMOTE: Final = 0x200  # SpanFlags of opentelemetry-proto


def read_back(request: bytes, *, sampled: bool) -> ReadableSpan:
    """The span in a request; an `ExchangeSpan` when an exchange is in it.

    Args:
        request: as `spantap.otel.protobuf.SingleEncoder` makes it.
        sampled: whether its trace was sampled.

    Raises:
        ValueError: it is none.
    """
    try:
        (resource_spans,) = ExportTraceServiceRequest.FromString(request).resource_spans
        (scope_spans,) = resource_spans.scope_spans
        (span,) = scope_spans.spans
        read = _span(
            span,
            _resource(resource_spans.resource.SerializeToString(), resource_spans.schema_url),
            _scope(scope_spans.scope.SerializeToString(), scope_spans.schema_url),
            sampled=sampled,
        )
    except DecodeError as error:
        raise ValueError("not a request") from error
    exchange = exchange_of(read)
    if exchange is None:
        return read
    encoded = encode(exchange)
    others = {name: value for name, value in (read.attributes or {}).items() if name not in encoded}
    whole = ExchangeSpan(
        name=read.name,
        context=read.context,
        parent=read.parent,
        resource=read.resource,
        attributes=ExchangeAttributes(exchange, others),
        events=read.events,
        links=read.links,
        kind=read.kind,
        status=read.status,
        start_time=read.start_time,
        end_time=read.end_time,
        instrumentation_scope=read.instrumentation_scope,
    )
    whole.exchange, whole.others = exchange, others
    whole.lost_as(read)
    return whole


def _span(span: Any, resource: Resource, scope: InstrumentationScope, *, sampled: bool) -> CleanSpan:
    trace_id = int.from_bytes(span.trace_id, "big")
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    parent = None
    if span.parent_span_id:
        parent = SpanContext(
            trace_id, int.from_bytes(span.parent_span_id, "big"), bool(span.flags & _IS_REMOTE), flags
        )
    read = CleanSpan(
        name=span.name,
        context=SpanContext(
            trace_id, int.from_bytes(span.span_id, "big"), False, flags, _trace_state(span.trace_state)
        ),
        parent=parent,
        resource=resource,
        attributes=_attributes(span.attributes),
        events=tuple(_event(each) for each in span.events),
        links=tuple(_link(each) for each in span.links),
        kind=SpanKind(max(span.kind - 1, 0)),  # the API counts from INTERNAL = 0, the protocol from 1
        status=_status(span.status),
        start_time=span.start_time_unix_nano or None,
        end_time=span.end_time_unix_nano or None,
        instrumentation_scope=scope,
    )
    read.attributes_lost = span.dropped_attributes_count
    read.events_lost = span.dropped_events_count
    read.links_lost = span.dropped_links_count
    return read


def _status(status: Any) -> Status:
    code = StatusCode(status.code)
    return Status(code, status.message or None) if code is StatusCode.ERROR else Status(code)


def _event(event: Any) -> CleanEvent:
    read = CleanEvent(event.name, _attributes(event.attributes), event.time_unix_nano)
    read.attributes_lost = event.dropped_attributes_count
    return read


def _link(link: Any) -> CleanLink:
    context = SpanContext(
        int.from_bytes(link.trace_id, "big"),
        int.from_bytes(link.span_id, "big"),
        bool(link.flags & _IS_REMOTE),
    )
    read = CleanLink(context, _attributes(link.attributes))
    read.attributes_lost = link.dropped_attributes_count
    return read


def _trace_state(text: str) -> TraceState | None:
    return TraceState.from_header([text]) if text else None


# The spans of a process share them; those of an earlier one are made once as well.
@lru_cache(maxsize=16)
def _resource(encoded: bytes, schema_url: str) -> Resource:
    return Resource(_attributes(resource_pb2.Resource.FromString(encoded).attributes), schema_url)


@lru_cache(maxsize=64)
def _scope(encoded: bytes, schema_url: str) -> InstrumentationScope:
    scope = common_pb2.InstrumentationScope.FromString(encoded)
    return InstrumentationScope(
        scope.name, scope.version or None, schema_url or None, _attributes(scope.attributes) or None
    )


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(_value(each) for each in value.array_value.values)
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)
