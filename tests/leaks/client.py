"""Requests written byte by byte, because some of them no HTTP library would send."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from leaks.doors import CASE
from leaks.planting import Asked


def send(port: int, name: str, asked: Asked) -> bytes:
    """Send a request on a connection of its own; what came back."""
    with socket.create_connection(("127.0.0.1", port), 15) as connection:
        connection.sendall(b"".join(_written(name, asked)))
        if not asked.whole:
            return b""
        pieces = []
        try:
            while piece := connection.recv(1 << 16):
                pieces.append(piece)
                if ("Upgrade", "websocket") in asked.headers:
                    break  # nobody closes it
        except ConnectionResetError:
            pass  # refused before all was read
        return b"".join(pieces)


def _written(name: str, asked: Asked) -> Iterator[bytes]:
    target = asked.target if asked.target.startswith(("/", "http")) else f"/{name}{asked.target}"
    named = {field.lower() for field, _ in asked.headers}
    yield f"{asked.method} {target} HTTP/1.1\r\n{CASE}: {name}\r\n".encode()
    if "host" not in named:
        yield b"Host: shop.test\r\n"
    if "connection" not in named:
        yield b"Connection: close\r\n"
    for field, value in asked.headers:
        yield f"{field}: {value}\r\n".encode("latin-1")
    body, _, trailer = asked.body.partition(b"\0trailer\0")
    if asked.chunked:
        yield b"Transfer-Encoding: chunked\r\n\r\n"
        for at in range(0, len(body), 7):
            piece = body[at : at + 7]
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
        yield b"0\r\n" + (trailer + b"\r\n" if trailer else b"") + b"\r\n"
    else:
        length = len(asked.body) + (0 if asked.whole else 100)
        if asked.body or asked.method == "POST":
            yield f"Content-Length: {length}\r\n".encode()
        yield b"\r\n" + asked.body
