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

    def probe(self, seconds: float) -> str | None:
        """Ask the collector to take nothing; what is wrong, None when it takes it."""
        client: Any = getattr(self, "_client", None)
        if client is None:
            return "cannot be asked with this release of the exporter"
        answer = client._transport.request(
            "POST",
            client._endpoint,
            headers=client._headers,
            data=client._compress(encode_spans([])),
            timeout=seconds,
        )
        if answer.error is not None:
            return _root(answer.error)
        media_type = answer.headers().get("content-type", "").partition(";")[0].strip().lower()
        if not 200 <= answer.status_code < 300:
            return f"answers {answer.status_code} {answer.reason or ''}".rstrip()
        # OTLP 1.3.2: the answer has the media type of the request; login pages have another.
        if media_type not in ("application/x-protobuf", "application/json", ""):
            return f"answers {answer.status_code} with {media_type}, not as a collector does"
        return None


def _root(error: BaseException) -> str:
    """What a user would call it; the libraries wrap it several times."""
    while True:
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return getattr(error, "strerror", None) or getattr(error, "verify_message", None) or type(error).__name__
