"""The receiver understands the stock exporter, so what it misses was not sent."""

from __future__ import annotations

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind

from receivers.otlp_http import OTLPReceiver, attributes, server_spans


@pytest.mark.parametrize("compression", Compression)
def test_it_decodes_what_the_stock_exporter_sends(compression: Compression) -> None:
    """Names, kinds and every type of attribute, whatever the compression."""
    with OTLPReceiver() as receiver:
        provider = TracerProvider(shutdown_on_exit=False)
        exporter = OTLPSpanExporter(f"{receiver.url}/v1/traces", compression=compression)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with provider.get_tracer("test").start_as_current_span("GET /", kind=SpanKind.SERVER) as span:
            span.set_attributes({"text": "wörds", "count": 3, "share": 0.5, "yes": True, "many": ["a", "b"]})
        provider.shutdown()

        (received,) = server_spans(receiver.wait_for_spans(1))

    assert received.name == "GET /"
    assert attributes(received) == {
        "text": "wörds",
        "count": 3,
        "share": 0.5,
        "yes": True,
        "many": ["a", "b"],
    }
    assert b"GET /" in receiver.bodies[0]
