"""A server that does what servers may do: slow, chunked, torn down, compressed, redirecting; and a proxy."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

PAYLOAD: Final = b'{"name":"ada","password":"s3cret-of-theirs","n":[1,2,3]}\n' * 40
CLEAN: Final = PAYLOAD.decode().replace("s3cret-of-theirs", "[REDACTED]")


@dataclass
class Asked:
    """A request as it came over the wire, fields sent twice joined, and the client's port it came from."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    port: int


class OddServer:
    """Runs from `with` to its end. What comes first in a path says what it does: see the handler's methods.

    Attributes:
        asked: the requests, in the order they came.
        tunnels: the targets of ``CONNECT``.
        go_on: answers that wait, wait for this.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.tunnels: list[str] = []
        self.go_on = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Odd", (Handler,), {"odd": self}))
        self._server.daemon_threads = True
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self._scheme}://{self.address}"

    @property
    def ports(self) -> set[int]:
        """Where requests came from: one for each connection."""
        return {each.port for each in self.asked}

    def __enter__(self) -> OddServer:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    odd: OddServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    asked: Asked

    def handle(self) -> None:
        # The client may have gone, or we have torn the connection down.
        with contextlib.suppress(OSError, ValueError):
            super().handle()

    def answer(self) -> None:
        names = {name.lower(): name for name in self.headers}
        headers = {lower: ", ".join(self.headers.get_all(name, [])) for lower, name in names.items()}
        self.asked = Asked(self.command, self.path, headers, self._body(), self.client_address[1])
        self.odd.asked.append(self.asked)
        name = urlsplit(self.path).path.split("/")[1] or "plain"
        act: Callable[[], None] = getattr(self, f"act_{name}")
        act()

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = answer  # noqa: N815 - as the base class calls them

    def reply(self, body: bytes = PAYLOAD, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Type": "application/json", **named}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def act_plain(self) -> None:
        self.reply()

    def act_gzip(self) -> None:
        self.reply(gzip.compress(PAYLOAD, mtime=0), Content_Encoding="gzip")

    def act_status(self) -> None:
        self.reply(b'{"why":"no","token":"s3cret-of-theirs"}', int(self.path.split("/")[2]))

    def act_empty(self) -> None:
        """No body, whatever the status says there might be."""
        self.send_response(int(self.path.split("/")[2]))
        self.end_headers()

    def act_chunked(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command != "HEAD":
            for at in range(0, len(PAYLOAD), 100):
                self.chunk(PAYLOAD[at : at + 100])
            self.wfile.write(b"0\r\nX-Trailer: 1\r\n\r\n")

    def act_slow(self) -> None:
        """Half of it waits until the test has read the other."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.chunk(b'{"first":1,')
        self.odd.go_on.wait(60)
        self.chunk(b'"second":2}')
        self.wfile.write(b"0\r\n\r\n")

    def act_hang(self) -> None:
        self.odd.go_on.wait(60)
        self.reply()

    def act_close(self) -> None:
        """Nothing but the end of the connection says how long it is."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(PAYLOAD)

    def act_old(self) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + PAYLOAD)
        self.close_connection = True

    def act_short(self) -> None:
        """Less than was promised."""
        self.promise(PAYLOAD[:200])
        self.close_connection = True

    def act_reset(self) -> None:
        """Torn down in the middle of the body, when the test has read that far."""
        self.promise(PAYLOAD[:200])
        self.odd.go_on.wait(60)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def act_nothing(self) -> None:
        """The connection ends before a response."""
        self.close_connection = True

    def act_redirect(self) -> None:
        _, _, left, *_ = urlsplit(self.path).path.split("/")
        query = parse_qs(urlsplit(self.path).query)
        status = int(query.get("status", ["302"])[0])
        to = "/plain?token=s3cret-of-theirs" if left == "1" else f"/redirect/{int(left) - 1}?status={status}"
        self.reply(b'{"moved":true}', status, Location=to)

    def act_flaky(self) -> None:
        """Unavailable the first two times."""
        if len(self.odd.asked) <= 2:
            self.reply(b'{"later":true}', 503, Retry_After="7")
        else:
            self.reply()

    def act_basic(self) -> None:
        if "authorization" in self.asked.headers:
            self.reply()
        else:
            self.reply(b"{}", 401, WWW_Authenticate='Basic realm="here"')

    def act_digest(self) -> None:
        nonce = hashlib.md5(b"nonce").hexdigest()
        if "authorization" in self.asked.headers:
            self.reply()
        else:
            challenge = f'Digest realm="here", nonce="{nonce}", qop="auth", algorithm=MD5'
            self.reply(b"{}", 401, WWW_Authenticate=challenge)

    def do_CONNECT(self) -> None:
        self.odd.tunnels.append(self.path)
        host, _, port = self.path.rpartition(":")
        try:
            far = socket.create_connection((host, int(port)), timeout=60)
        except OSError:
            self.send_error(502)
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with far:
            _splice(self.connection, far)
        self.close_connection = True

    def promise(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(PAYLOAD)))
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *args: Any) -> None:
        """Nothing."""


def _splice(near: socket.socket, far: socket.socket) -> None:
    """Pass on what comes, both ways, until one of them ends."""
    other = {near: far, far: near}
    while True:
        for ready in select.select([near, far], [], [], 60)[0]:
            data = ready.recv(65536)
            if not data:
                return
            other[ready].sendall(data)
