"""HTTP/1.1 over a plain socket: what the client sees, byte by byte, nothing interpreted away."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final

_PATIENCE: Final = 5.0  # seconds
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
_DATE: Final = re.compile(rb"(?mi)^date: [^\r]*\r\n")


@dataclass(frozen=True)
class Answer:
    """One answer as it came.

    Attributes:
        head: status line and header lines, those of interim answers (100, 103) before them.
        body: the body's bytes as framed on the wire.
        pieces: the body without framing, one element per chunk.
        whole: the answer came to the end its framing promises.
        status: the final status code.
    """

    head: bytes
    body: bytes
    pieces: tuple[bytes, ...]
    whole: bool
    status: int

    @property
    def content(self) -> bytes:
        """The body without framing."""
        return b"".join(self.pieces)

    @property
    def on_the_wire(self) -> bytes:
        """All of it, less the time of day."""
        return _DATE.sub(b"", self.head) + self.body

    def header(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        final = self.head.rstrip(b"\r\n").rpartition(b"\r\n\r\n")[2]
        lines = final.decode("latin-1").split("\r\n")[1:]
        pairs = [line.split(": ", 1) for line in lines if ": " in line]
        return [value for key, value in pairs if key.lower() == name.lower()]


def request(
    method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"", *, last: bool = False
) -> bytes:
    """The bytes of a request.

    Args:
        method: the method.
        target: path and query.
        headers: beside ``Host`` and ``Content-Length``.
        body: what follows.
        last: ask the server to close the connection afterwards.
    """
    fields = {"Host": "contract.test", **(headers or {})}
    if body:
        fields.setdefault("Content-Length", str(len(body)))
    if last:
        fields["Connection"] = "close"
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Connection:
    """A connection to a server on the loopback interface."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        self._buffer = bytearray()
        self._ended = False

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are; reading tells when the server has closed the connection."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def leave(self) -> None:
        """Go away without a word, as a client does that lost its patience (a TCP reset)."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def ask(self, data: bytes) -> Answer:
        """Send a request and read its answer."""
        self.send(data)
        return self.answer(data.split(b" ", 1)[0].decode())

    def head(self) -> bytes:
        """Read up to the empty line."""
        return self._until(b"\r\n\r\n")

    def piece(self) -> bytes | None:
        """Read one chunk of a chunked body; None after the last one, and when the connection ends."""
        size = self._until(b"\r\n")
        if not size.endswith(b"\r\n"):
            return None
        length = int(size, 16)
        data = self.exactly(length + 2)
        return data[:-2] if length and len(data) == length + 2 else None

    def exactly(self, length: int) -> bytes:
        """Read so many bytes, fewer only when the connection ends."""
        while len(self._buffer) < length and self._more():
            pass
        return self._taken(length)

    def rest_of(self, *, chunked: bool) -> tuple[bytes, ...]:
        """The pieces of a body that are still to come."""
        return self._chunked()[1] if chunked else (self.rest(),)

    def answer(self, method: str, body: bytes = b"") -> Answer:
        """Read one answer to a request with this method.

        Args:
            method: as sent.
            body: sent when the server asks for it (100 Continue).
        """
        head = last = self.head()
        while last.startswith(b"HTTP/1.1 1"):
            self.send(body)
            last = self.head()
            head += last
        found = _STATUS.match(last)
        status = int(found[1]) if found else 0
        fields = last.lower()
        framed = b""
        pieces: tuple[bytes, ...] = ()
        whole = bool(last)
        if not last or method == "HEAD" or status in (204, 304):
            pass
        elif b"transfer-encoding: chunked" in fields:
            framed, pieces, whole = self._chunked()
        elif length := re.search(rb"content-length: (\d+)", fields):
            framed = self.exactly(int(length[1]))
            pieces, whole = (framed,), len(framed) == int(length[1])
        else:
            framed = self.rest()
            pieces = (framed,)
        return Answer(head, framed, pieces, whole, status)

    def rest(self) -> bytes:
        """Read until the server closes the connection."""
        while self._more():
            pass
        return self._taken(len(self._buffer))

    def _chunked(self) -> tuple[bytes, tuple[bytes, ...], bool]:
        framed = bytearray()
        pieces: list[bytes] = []
        while True:
            size = self._until(b"\r\n")
            framed += size
            if not size.endswith(b"\r\n"):
                return bytes(framed), tuple(pieces), False
            length = int(size.partition(b";")[0], 16)
            data = self.exactly(length + 2)
            framed += data
            if len(data) < length + 2:
                return bytes(framed), tuple(pieces), False
            if not length:
                return bytes(framed), tuple(pieces), True
            pieces.append(data[:-2])

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer and self._more():
            pass
        length = self._buffer.find(end) + len(end) if end in self._buffer else len(self._buffer)
        return self._taken(length)

    def _taken(self, length: int) -> bytes:
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        return data

    def _more(self) -> bool:
        if self._ended:
            return False
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self._ended = not data
        self._buffer += data
        return bool(data)


def ask(port: int, data: bytes) -> Answer:
    """Send one request on a connection of its own."""
    with Connection(port) as connection:
        return connection.ask(data)


def until(condition: Callable[[], object], timeout: float = _PATIENCE) -> bool:
    """Wait until a callable says yes; False when the time is over."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
