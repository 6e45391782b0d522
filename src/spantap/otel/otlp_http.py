"""OTLP over HTTP; a file of its own so that nobody else imports an HTTP client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from spantap.export.outcome import RefusedError, TryLaterError, not_kept, refusal, root_cause
from spantap.otel.exporter import DeliveringExporter
from spantap.otel.protobuf import encode_spans

_LATER: Final = frozenset({429, 502, 503, 504})  # OTLP 1.3.2, "Retryable Response Codes"


class OTLPOverHTTP(DeliveringExporter, OTLPSpanExporter):
    """The standard exporter (endpoint, headers, TLS, compression) with our encoder and our tries."""

    def deliver(self, spans: Sequence[ReadableSpan]) -> Mapping[str, int]:
        """Send one batch, in one try; returns and raises as a destination does."""
        client: Any = getattr(self, "_client", None)
        if client is None:  # a release that is built differently: let it encode and try as it likes
            if self.export(spans) is SpanExportResult.SUCCESS:
                return {}
            raise RefusedError("did not take a batch")
        answer = client._transport.request(
            "POST",
            client._endpoint,
            headers=client._headers,
            data=client._compress(encode_spans(spans)),
            timeout=client._timeout,
        )
        if isinstance(answer.error, ValueError):  # what requests says of URLs and headers that are none
            raise RefusedError(root_cause(answer.error))
        if answer.error is not None:
            raise TryLaterError(root_cause(answer.error))
        if not 200 <= answer.status_code < 300:
            raise refusal(answer.status_code, answer.headers().get("retry-after"), _LATER)
        return not_kept(rejected=min(_rejected(answer), len(spans)))

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
            return root_cause(answer.error)
        media_type = answer.headers().get("content-type", "").partition(";")[0].strip().lower()
        if not 200 <= answer.status_code < 300:
            return f"answers {answer.status_code} {answer.reason or ''}".rstrip()
        # OTLP 1.3.2: the answer has the media type of the request; login pages have another.
        if media_type not in ("application/x-protobuf", "application/json", ""):
            return f"answers {answer.status_code} with {media_type}, not as a collector does"
        return None


def _rejected(answer: Any) -> int:
    """How many spans the collector says it did not take; 0 when that cannot be read."""
    content = answer.content()
    if not content:
        return 0
    try:
        if answer.headers().get("content-type", "").startswith("application/json"):
            return int(orjson.loads(content).get("partialSuccess", {}).get("rejectedSpans", 0))
        return int(ExportTraceServiceResponse.FromString(content).partial_success.rejected_spans)
    except (ValueError, TypeError, AttributeError, DecodeError):
        return 0
