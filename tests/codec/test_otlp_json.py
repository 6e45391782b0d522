from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, format_span_id, format_trace_id

from any_spans import spans as any_spans
from codec.test_attributes import span
from exchanges import exchange, exchanges
from spantap.codec import otlp_json
from spantap.codec.attributes import SpanFacts
from spantap.model import Exchange
from spantap.otel.protobuf import encode_spans


def written(spans: list[ReadableSpan]) -> bytes:
    """The line a collector writes: protobuf's own JSON, but ids in hexadecimal, as OTLP wants them."""
    request = ExportTraceServiceRequest.FromString(encode_spans(spans))
    line: dict[str, Any] = MessageToDict(request, use_integers_for_enums=True)
    for resource, as_dict in zip(request.resource_spans, line["resourceSpans"], strict=True):
        for scope, scope_as_dict in zip(resource.scope_spans, as_dict["scopeSpans"], strict=True):
            for each, span_as_dict in zip(scope.spans, scope_as_dict["spans"], strict=True):
                span_as_dict["traceId"] = each.trace_id.hex()
                span_as_dict["spanId"] = each.span_id.hex()
                span_as_dict["parentSpanId"] = each.parent_span_id.hex()
    return orjson.dumps(line) + b"\n"


def by_id(exchanges: list[Exchange]) -> list[Exchange]:
    return sorted(exchanges, key=lambda each: (each.trace_id, each.span_id))


@given(st.lists(exchanges(), min_size=1, max_size=3, unique_by=lambda each: (each.trace_id, each.span_id)))
def test_round_trip(given_exchanges: list[Exchange]) -> None:
    """What a collector writes of any exchanges is read back as they were, and as sampled."""
    line = written([span(each) for each in given_exchanges])

    assert by_id(otlp_json.from_line(line)) == by_id(
        [replace(each, sampled=True) for each in given_exchanges]
    )


@given(any_spans())
def test_spans_of_others(other: ReadableSpan) -> None:
    """A span anybody made comes with its attributes, ids, times, kind and service, and is no exchange."""
    line = written([other])
    context = other.get_span_context()
    assert isinstance(context, SpanContext)

    ((attributes, facts),) = otlp_json.spans(line)

    assert plain(attributes) == plain(dict(other.attributes or {}))
    assert facts == SpanFacts(
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        parent_span_id=format_span_id(other.parent.span_id) if other.parent else None,
        start=other.start_time or 0,
        end=other.end_time or 0,
        direction="outbound" if other.kind is SpanKind.CLIENT else "inbound",
        service=other.resource.attributes.get("service.name"),  # type: ignore[arg-type]
    )
    assert otlp_json.from_line(line) == []


def plain(value: Any) -> Any:
    """With lists for all sequences."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def test_a_file() -> None:
    """A file is read line by line; metrics, logs and blank lines are passed over."""
    other = exchange(span_id="00000000000000aa")
    file = io.BytesIO(
        written([span(exchange())])
        + b'\n{"resourceMetrics":[{"scopeMetrics":[]}]}\n{"resourceLogs":[]}\n'
        + written([span(other)])
    )

    assert list(otlp_json.from_lines(file)) == [exchange(), other]


def test_names_for_kinds_and_capital_letters() -> None:
    """Other writers name the kind and write ids in capital letters: a record has its own way."""
    line = written([span(exchange(direction="outbound"))])
    assert b'"kind":3' in line
    trace_id = exchange().trace_id

    line = line.replace(b'"kind":3', b'"kind":"SPAN_KIND_CLIENT"').replace(
        trace_id.encode(), trace_id.upper().encode()
    )

    assert otlp_json.from_line(line) == [exchange(direction="outbound")]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"resourceSpans":[7]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"no ids"}]}]}]}',
        b'{"resourceSpans":[{"resource":{"attributes":[{"value":{}}]},"scopeSpans":[]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":7,"spanId":""}]}]}]}',
        written([span(exchange())]).replace(b'"7"', b'"s3cret"'),
        written([span(exchange(metadata={"a": 1}))]).replace(rb"{\"a\":1}", b"s3cret"),
    ],
)
def test_what_is_none(line: bytes) -> None:
    """What is not OTLP JSON is an error that quotes nothing of it."""
    with pytest.raises(ValueError, match=r"^not OTLP JSON$"):
        otlp_json.from_line(line)
