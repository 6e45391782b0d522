"""OTLP over gRPC; a file of its own so that nobody else imports grpc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan

from spantap.export.outcome import NotTakenError, RefusedError, TooLargeError, TryLaterError, not_kept
from spantap.otel.exporter import DeliveringExporter
from spantap.otel.protobuf import encode_spans

# OTLP 1.3.2, "OTLP/gRPC Response": RESOURCE_EXHAUSTED only where the collector says when.
_LATER: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


class OTLPOverGRPC(DeliveringExporter, OTLPSpanExporter):
    """The standard exporter (endpoint, headers, TLS, compression) with our encoder and our tries."""

    def deliver(self, spans: Sequence[ReadableSpan]) -> Mapping[str, int]:
        """Send one batch, in one try; returns and raises as a destination does."""
        if self._closed:  # grpc says so with a ValueError, which would mean: cannot be encoded
            raise TryLaterError("closed")
        client: Any = self._client
        try:
            answer = client.Export(self._translate_data(spans), metadata=self._headers, timeout=self._timeout)
        except grpc.RpcError as error:
            refused = _refusal(error)
            if error.code() is grpc.StatusCode.UNAVAILABLE and not self._closed:
                # The channel's own back-off grows to minutes; ours decides when to connect anew.
                channel: Any = self._channel
                channel.close()
                reconnect: Any = self._initialize_channel_and_stub
                reconnect()
            raise refused from None
        return not_kept(rejected=min(answer.partial_success.rejected_spans, len(spans)))

    def _translate_data(self, data: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
        # The stub wants an object; parsing the bytes is done in C and costs next to nothing.
        request = ExportTraceServiceRequest()
        request.MergeFromString(encode_spans(data))
        return request

    def probe(self, seconds: float) -> str | None:
        """Ask the collector to take nothing; what is wrong, None when it takes it."""
        client: Any = self._client
        try:
            client.Export(ExportTraceServiceRequest(), metadata=self._headers, timeout=seconds)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            silent = code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
            return f"does not answer ({code.name})" if silent else f"answers {code.name}"
        return None


def _refusal(error: Any) -> NotTakenError:
    """What the status of a failed call means for the batch. Its details may quote values."""
    code: grpc.StatusCode = error.code()
    says, wait = f"answers {code.name}", _asked(error)
    if code in _LATER or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and wait is not None):
        return TryLaterError("does not answer" if code is grpc.StatusCode.UNAVAILABLE else says, wait)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:  # what servers say to a message that is too large
        return TooLargeError(says)
    return RefusedError(says, divisible=code is grpc.StatusCode.INVALID_ARGUMENT)


def _asked(error: Any) -> float | None:
    """Seconds the collector asks to wait, in a RetryInfo beside the status."""
    packed = dict(error.trailing_metadata() or ()).get("google.rpc.retryinfo-bin")
    if packed is None:
        return None
    try:
        delay = RetryInfo.FromString(packed).retry_delay
    except DecodeError:
        return None
    return float(delay.seconds + delay.nanos / 1e9)
