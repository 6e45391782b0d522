"""An HTTP collector that can be told how to fail: written with nothing of spantap."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from backports import zstd


@dataclass(frozen=True)
class Request:
    """One POST: where it went, what it said about itself, its body unpacked, and when it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    connection: int


@dataclass(frozen=True)
class Answer:
    """What a request gets.

    Attributes:
        status, headers, body: the answer.
        delay: seconds before it.
        reset: tear the connection down in the middle of it; what came is taken all the same.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    reset: bool = False

    @property
    def takes(self) -> bool:
        """Whether the request counts as taken."""
        return self.status < 300


OK = Answer()
Decide = Callable[[Request], Answer]


class HTTPReceiver:
    """Listens on a loopback port between `__enter__` and `__exit__`.

    Attributes:
        answers: what the next requests get, one each; then `decide` is asked.
        decide: what all others get.
        requests: everything that came, in order.
        taken: what of it was answered with 2xx (or torn down after it was taken).
    """

    def __init__(self, *answers: Answer, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers)
        self.decide: Decide = lambda request: OK
        self.requests: list[Request] = []
        self.taken: list[Request] = []
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_for(self))
        self._server.daemon_threads = True
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> HTTPReceiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def wait_for(self, count: int, timeout: float = 20.0) -> list[Request]:
        """The requests, once there are so many of them or the time is over."""
        with self._arrived:
            self._arrived.wait_for(lambda: len(self.requests) >= count, timeout)
            return list(self.requests)

    def answer(self, request: Request) -> Answer:
        """Called by the handler for each POST."""
        with self._arrived:
            self.requests.append(request)
            answer = self.answers.pop(0) if self.answers else self.decide(request)
            if answer.takes:
                self.taken.append(request)
            self._arrived.notify_all()
        return answer


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _handler_for(receiver: HTTPReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = _plain(raw, headers.get("content-encoding", ""))
            answer = receiver.answer(
                Request(self.path, headers, body, time.monotonic(), self.client_address[1])
            )
            time.sleep(answer.delay)
            if answer.reset:
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"content-length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def handle(self) -> None:
            # The client may have gone, or we have torn the connection down.
            with contextlib.suppress(OSError, ValueError):
                super().handle()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet: the test says what went wrong."""

    return Handler


def _plain(raw: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.decompress(raw)
    if coding == "deflate":
        return zlib.decompress(raw)
    if coding == "zstd":
        return zstd.decompress(raw)
    return raw
