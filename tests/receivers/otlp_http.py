"""An OTLP/HTTP receiver: keeps every body it is sent and decodes the spans in them.

Knows the protocol from `opentelemetry-proto` alone, so that it cannot share a mistake with
the exporter under test.
"""

from __future__ import annotations

import gzip
import ssl
import threading
import zlib
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Value = str | bool | int | float | bytes | list["Value"] | dict[str, "Value"] | None


@dataclass(frozen=True)
class Delivery:
    """One POST: where it went, what it said about itself, and its body without gzip."""

    path: str
    headers: dict[str, str]
    body: bytes


class OTLPReceiver:
    """Listens on a free loopback port between `__enter__` and `__exit__`.

    Attributes:
        status: what it answers with; anything but 200 refuses (and still keeps the body).
    """

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        """Args:
        tls: speak HTTPS with this certificate.
        port: where to listen; any free one when 0.
        """
        self.status = 200
        self._deliveries: list[Delivery] = []
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_for(self))
        self._server.daemon_threads = True
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> OTLPReceiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        """What belongs into OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    @property
    def deliveries(self) -> list[Delivery]:
        """Everything received so far, in order."""
        with self._arrived:
            return list(self._deliveries)

    @property
    def bodies(self) -> list[bytes]:
        """Every body received so far, of any signal, without gzip."""
        return [delivery.body for delivery in self.deliveries]

    def take(self) -> list[bytes]:
        """The bodies received since the last call, without gzip; they are forgotten here."""
        with self._arrived:
            taken, self._deliveries = self._deliveries, []
        return [delivery.body for delivery in taken]

    def spans(self) -> list[Span]:
        """Every span received so far, as often as it was sent."""
        return [
            span
            for delivery in self.deliveries
            if delivery.path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(delivery.body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def wait_for_spans(self, count: int, timeout: float = 10.0) -> list[Span]:
        """The spans, once there are so many of them or the time is over."""
        with self._arrived:
            self._arrived.wait_for(lambda: len(self.spans()) >= count, timeout)
        return self.spans()

    def keep(self, delivery: Delivery) -> None:
        """Called by the handler for each POST."""
        with self._arrived:
            self._deliveries.append(delivery)
            self._arrived.notify_all()


def attributes(span: Span) -> dict[str, Value]:
    """The attributes of a span as Python values."""
    return _pairs(span.attributes)


def server_spans(spans: list[Span]) -> list[Span]:
    """Those of kind SERVER."""
    return [span for span in spans if span.kind == Span.SpanKind.SPAN_KIND_SERVER]


def _pairs(pairs: object) -> dict[str, Value]:
    return {pair.key: _value(pair.value) for pair in pairs if isinstance(pair, KeyValue)}  # type: ignore[attr-defined]


def _value(value: AnyValue) -> Value:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case "bytes_value":
            return value.bytes_value
        case "array_value":
            return [_value(each) for each in value.array_value.values]
        case "kvlist_value":
            return _pairs(value.kvlist_value.values)
        case _:
            return None


def _handler_for(receiver: OTLPReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.keep(Delivery(self.path, headers, _plain(raw, headers.get("content-encoding", ""))))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(receiver.status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet: the test says what went wrong."""

    return Handler


def _plain(raw: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.decompress(raw)
    if coding == "deflate":
        return zlib.decompress(raw)
    return raw
