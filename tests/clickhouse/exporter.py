"""The rows that the Collector's `clickhouse` exporter makes of an OTLP request, by its published templates.

Knows OTLP from `opentelemetry-proto` alone. Attribute values become text as the Collector's `Value.AsString`
has it: lists and maps as JSON, bytes as base64.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Row = dict[str, Any]

_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_OUTCOMES = ("Unset", "Ok", "Error")


def rows_of(request: ExportTraceServiceRequest) -> Iterator[Row]:
    """One row of ``otel_traces`` for each span, in the order of the request."""
    for resource in request.resource_spans:
        about = texts(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield _row(span, about, scope.scope)


def _row(span: Span, resource: dict[str, str], scope: InstrumentationScope) -> Row:
    return {
        "Timestamp": moment(span.start_time_unix_nano),
        "TraceId": span.trace_id.hex(),
        "SpanId": span.span_id.hex(),
        "ParentSpanId": span.parent_span_id.hex(),
        "TraceState": span.trace_state,
        "SpanName": span.name,
        "SpanKind": _KINDS[span.kind],
        "ServiceName": resource.get("service.name", ""),
        "ResourceAttributes": resource,
        "ScopeName": scope.name,
        "ScopeVersion": scope.version,
        "SpanAttributes": texts(span.attributes),
        "Duration": span.end_time_unix_nano - span.start_time_unix_nano,
        "StatusCode": _OUTCOMES[span.status.code],
        "StatusMessage": span.status.message,
        "Events.Timestamp": [moment(each.time_unix_nano) for each in span.events],
        "Events.Name": [each.name for each in span.events],
        "Events.Attributes": [texts(each.attributes) for each in span.events],
        "Links.TraceId": [each.trace_id.hex() for each in span.links],
        "Links.SpanId": [each.span_id.hex() for each in span.links],
        "Links.TraceState": [each.trace_state for each in span.links],
        "Links.Attributes": [texts(each.attributes) for each in span.links],
    }


def moment(nanoseconds: int) -> str:
    """A time in UTC as ClickHouse reads a ``DateTime64(9)``."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M:%S}.{rest:09}"


def texts(pairs: Iterable[KeyValue]) -> dict[str, str]:
    """Attributes, every value as text."""
    return {pair.key: _text(pair.value) for pair in pairs}


def _text(value: AnyValue) -> str:
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    if isinstance(plain, float) and plain.is_integer() and abs(plain) < 1e21:
        return str(int(plain))
    # As Go writes JSON.
    written = "" if plain is None else json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return written


def _plain(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case "array_value":
            return [_plain(each) for each in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case None:
            return None
        case kind:
            return getattr(value, kind)
