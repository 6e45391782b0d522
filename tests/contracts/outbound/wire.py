"""A server that does what a scene says, byte by byte: a thread for each connection, and real sockets."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from contracts.outbound.stage import PATIENCE, Stage, steady

# Trace context is what capture adds, and all it adds.
_ADDED: Final = re.compile(rb"(?im)^(traceparent|tracestate):[^\n]*\n")
_LENGTH: Final = re.compile(rb"(?im)^content-length: *(\d+)")
_CHUNKED: Final = re.compile(rb"(?im)^transfer-encoding: *chunked")


class GoneError(Exception):
    """The client has left."""


class Wire:
    """One request on a connection, and the connection.

    Attributes:
        head: the request's, up to and with the empty line, without what spantap has added.
        method, target: from its first line.
        count: of requests on this connection, this one included.
        notes: what was seen of the connection so far.
    """

    def __init__(self, connection: socket.socket, stage: Stage, tls: ssl.SSLContext) -> None:
        self._socket = connection
        self._tls = tls
        self._buffer = b""
        self.stage = stage
        self.notes = stage.begun()
        self.head = b""
        self.method = self.target = ""
        self.count = 0
        self.closed = False

    def next_request(self) -> bool:
        """Read the next head; False when the client has nothing more to ask."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return False
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        whole = head + b"\r\n"
        self.stage.ours.update(name.decode().lower() for name in _ADDED.findall(whole))
        self.head = _ADDED.sub(b"", whole)
        self.count += 1
        self.stage.requests += 1
        words = self.head.split(b" ", 2)
        self.method, self.target = words[0].decode(), words[1].decode("latin-1")
        self.notes.append(steady(self.head.decode("latin-1")))
        return True

    def header(self, name: str) -> str | None:
        """The value of a request header."""
        found = re.search(rf"(?im)^{name}: *([^\r\n]*)".encode(), self.head)
        return found[1].decode("latin-1") if found else None

    def body(self) -> bytes:
        """Read the rest of the request's body, and note its framing and content."""
        pieces = list(self.pieces())
        data = b"".join(pieces)
        # What chunks a body is sent in is the client's doing; how many bytes go in a packet is chance.
        sizes = [len(piece) for piece in pieces] if _CHUNKED.search(self.head) else []
        shown = steady(data.decode("latin-1")) if len(data) < 2000 else hashlib.sha256(data).hexdigest()
        self.notes.append(f"body of {len(data)}: {shown} {sizes if len(sizes) < 20 else len(sizes)}")
        return data

    def pieces(self) -> Iterator[bytes]:
        """The pieces of a body as they come."""
        if _CHUNKED.search(self.head):
            while size := int(self._line().partition(b";")[0], 16):
                yield self._exactly(size)
                self._line()
            while self._line().strip():
                pass
            return
        found = _LENGTH.search(self.head)
        left = int(found[1]) if found else 0
        while left:
            if not self._buffer and not self._more():
                raise GoneError
            piece, self._buffer = self._buffer[:left], self._buffer[left:]
            left -= len(piece)
            yield piece

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self._socket.sendall(data)
        except OSError:
            raise GoneError from None

    def answer(self, body: bytes = b"ok", *headers: str, status: str = "200 OK") -> None:
        """A plain answer."""
        fields = "".join(f"{each}\r\n" for each in (*headers, f"Content-Length: {len(body)}"))
        self.send(f"HTTP/1.1 {status}\r\n{fields}\r\n".encode("latin-1") + body)

    def begin_chunks(self, *headers: str) -> None:
        """The head of an answer that comes in chunks."""
        fields = "".join(f"{each}\r\n" for each in headers)
        self.send(f"HTTP/1.1 200 OK\r\n{fields}Transfer-Encoding: chunked\r\n\r\n".encode())

    def chunk(self, data: bytes) -> None:
        """One chunk; the last one when it is empty."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def close(self) -> None:
        """Say nothing more."""
        self.closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def reset(self) -> None:
        """Go away without a word (a TCP reset)."""
        self.closed = True
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def until_gone(self) -> None:
        """Until the client has closed the connection; noted when it never does."""
        with contextlib.suppress(GoneError, OSError):
            while self._more():
                pass
        self.close()

    def to_tls(self) -> None:
        """From now on it is TLS."""
        self._socket = self._tls.wrap_socket(self._socket, server_side=True)

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            if not self._more():
                raise GoneError
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not self._more():
                raise GoneError
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _more(self) -> bool:
        try:
            data = self._socket.recv(1 << 18)
        except TimeoutError:
            self.notes.append("the client says nothing")
            raise GoneError from None
        except OSError:
            raise GoneError from None
        self._buffer += data
        return bool(data)


class Server:
    """Serves one scene at a time. What it does with a request, `serving` says.

    Attributes:
        port: where it listens, on 127.0.0.1.
        serving: called with each request; the connection goes on unless it has closed it.
        stage: of the scene that is played.
    """

    def __init__(self, tls: ssl.SSLContext, *, secure: bool = False) -> None:
        self._secure = secure
        self.serving: Callable[[Wire], Any] = lambda wire: wire.answer()
        self.stage = Stage()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            connection.settimeout(PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._talk, args=(connection, self.stage), daemon=True).start()

    def _talk(self, connection: socket.socket, stage: Stage) -> None:
        wire = Wire(connection, stage, self._tls)
        try:
            if self._secure:
                wire.to_tls()
            while not wire.closed and wire.next_request():
                self.serving(wire)
                if (wire.header("connection") or "").lower() == "close" and not wire.closed:
                    wire.close()
        except (GoneError, OSError):
            wire.notes.append("the client has left")
        except Exception as error:
            wire.notes.append(f"the scene failed: {error!r}")
        finally:
            if not wire.closed:
                wire.close()
            stage.ended()
