"""OTLP over gRPC; a file of its own so that nobody else imports grpc."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

from spantap.otel.exporter import DeliveringExporter


class OTLPOverGRPC(DeliveringExporter, OTLPSpanExporter):
    """OTLP over gRPC."""
