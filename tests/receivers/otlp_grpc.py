"""An OTLP/gRPC receiver: keeps every request it is sent and the metadata that came with it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


class GRPCReceiver(TraceServiceServicer):
    """A gRPC collector that keeps what it gets.

    Attributes:
        url: what belongs into OTEL_EXPORTER_OTLP_ENDPOINT.
        requests: everything received, in order.
        metadata: what came with each.
    """

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[ExportTraceServiceRequest] = []
        self.metadata: list[dict[str, str]] = []

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:  # noqa: N802
        self.metadata.append(dict(context.invocation_metadata()))
        self.requests.append(request)
        return ExportTraceServiceResponse()


@contextmanager
def receiving() -> Iterator[GRPCReceiver]:
    """A receiver on a free loopback port."""
    server, receiver = grpc.server(ThreadPoolExecutor(2)), GRPCReceiver()
    serve: Any = add_TraceServiceServicer_to_server
    serve(receiver, server)
    receiver.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()
