"""OTLP over HTTP; a file of its own so that nobody else imports an HTTP client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan

from spantap.otel.exporter import DeliveringExporter
from spantap.otel.protobuf import encode_spans


class OTLPOverHTTP(DeliveringExporter, OTLPSpanExporter):
    """The standard exporter (endpoint, headers, TLS, compression, retries) with our encoder."""

    def deliver(self, spans: Sequence[ReadableSpan]) -> bool:
        """Send one batch, with the standard exporter's own retries within its timeout."""
        client: Any = getattr(self, "_client", None)
        if client is None:  # a release that is built differently: let it encode as it likes
            return super().deliver(spans)
        return bool(client.export(encode_spans(spans)).success)
