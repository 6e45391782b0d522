"""OTLP over gRPC; a file of its own so that nobody else imports grpc."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan

from spantap.otel.exporter import DeliveringExporter
from spantap.otel.protobuf import encode_spans


class OTLPOverGRPC(DeliveringExporter, OTLPSpanExporter):
    """The standard exporter (endpoint, headers, TLS, compression, retries) with our encoder."""

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
