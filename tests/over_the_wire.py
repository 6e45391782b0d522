"""Apps served over a socket in this process, and the very bytes their clients get."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import uvicorn


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextlib.contextmanager
def served(app: Any, *, wsgi: bool) -> Iterator[int]:
    """Serve an app; gives its port."""
    if wsgi:
        server: WSGIServer = make_server("127.0.0.1", 0, app, handler_class=Quiet)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(30)
            server.server_close()
        return
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", proxy_headers=False)
    uvicorn_server = uvicorn.Server(config)
    thread = threading.Thread(target=uvicorn_server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        uvicorn_server.should_exit = True
        thread.join(30)
        listening.close()


def ask(port: int, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """What a client gets for one request, to the end of the connection; without the date."""
    lines = {"Host": "shop", "Connection": "close", **(headers or {})}
    if body:
        lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    method = "POST" if body else "GET"
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        while chunk := connection.recv(65536):
            got += chunk
    return re.sub(rb"\r\n(?:date|Date): [^\r]*", b"", got)


def wait_until(true: Any, seconds: float = 30) -> None:
    """Wait for something another thread does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
