"""OTLP over HTTP; a file of its own so that nobody else imports an HTTP client."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from spantap.otel.exporter import DeliveringExporter


class OTLPOverHTTP(DeliveringExporter, OTLPSpanExporter):
    """OTLP over HTTP with protobuf bodies."""
