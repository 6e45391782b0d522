from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as standard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from any_spans import spans
from spantap.otel.protobuf import encode_spans


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
