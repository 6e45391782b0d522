"""An OTLP/gRPC receiver: keeps every request it is sent and the metadata that came with it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


@dataclass(frozen=True)
class Refusal:
    """A call that fails, and how long, in seconds below 1, the collector asks to wait."""

    code: grpc.StatusCode
    retry_delay: float | None = None


class GRPCReceiver(TraceServiceServicer):
    """A gRPC collector that keeps what it gets.

    Attributes:
        url: what belongs into OTEL_EXPORTER_OTLP_ENDPOINT.
        requests: everything taken, in order.
        metadata: what came with each.
        answers: what the next calls are answered with, one each; when it is empty, everything is taken.
        largest: bytes a request may have.
    """

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[ExportTraceServiceRequest] = []
        self.metadata: list[dict[str, str]] = []
        self.answers: list[Refusal | ExportTraceServiceResponse] = []
        self.largest = 4 * 1024 * 1024

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:  # noqa: N802
        self.metadata.append(dict(context.invocation_metadata()))
        answer = self.answers.pop(0) if self.answers else ExportTraceServiceResponse()
        if request.ByteSize() > self.largest:
            answer = Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED)
        if isinstance(answer, Refusal):
            if answer.retry_delay is not None:
                info = RetryInfo(retry_delay=Duration(nanos=int(answer.retry_delay * 1e9)))
                context.set_trailing_metadata((("google.rpc.retryinfo-bin", info.SerializeToString()),))
            context.abort(answer.code, "as the test says")
            raise AssertionError("abort() does not return")
        self.requests.append(request)
        return answer

    def spans(self) -> list[Any]:
        """Every span taken so far."""
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def receiving(port: int = 0) -> Iterator[GRPCReceiver]:
    """A receiver on a loopback port; any free one when 0."""
    server, receiver = grpc.server(ThreadPoolExecutor(2)), GRPCReceiver()
    serve: Any = add_TraceServiceServicer_to_server
    serve(receiver, server)
    receiver.url = f"http://127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()
