"""What is not an HTTP/1.1 exchange over TCP: WebSockets, lifespan events, a Unix socket's peer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from websockets.sync.client import connect

import spantap
from spantap.export.memory import MemorySink
from spantap.export.sqlite import SQLiteSink
from spantap.otel.session import SESSION
from spantap.testing.wire import request

_DATE = re.compile(rb"\r\nDate: [^\r]*")
Said = list[tuple[str, list[str]]]


class Noting:
    """An ASGI app that notes what it is given, echoes WebSocket messages and answers requests."""

    def __init__(self) -> None:
        self.noted: Said = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.noted.append((scope["type"], sorted(scope)))
        await {"lifespan": self._live, "websocket": self._echo, "http": self._answer}[scope["type"]](
            scope, receive, send
        )

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            self.noted.append((message["type"], sorted(message)))
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _echo(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            self.noted.append((message["type"], sorted(message)))
            if message["type"] == "websocket.connect":
                await send({"type": "websocket.accept", "subprotocol": "echo", "headers": [(b"x-a", b"1")]})
            elif message["type"] == "websocket.receive":
                await send({**message, "type": "websocket.send"})
            else:
                self.noted.append((str(message.get("code")), []))
                return

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        self.noted.append((f"peer {scope['client']}", []))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@contextlib.contextmanager
def _served(app: Callable[..., Awaitable[None]], listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", interface="asgi3"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _conversation(app: Callable[..., Awaitable[None]]) -> list[object]:
    listener = socket.create_server(("127.0.0.1", 0))
    with _served(app, listener):
        address = f"ws://127.0.0.1:{listener.getsockname()[1]}/chat?token=secret"
        with connect(address, subprotocols=["echo"], compression=None) as chat:  # type: ignore[list-item]
            got: list[object] = [chat.subprotocol, chat.response.headers["x-a"] if chat.response else None]
            for message in ("text", b"\x00bytes", "long" * 50_000):
                chat.send(message)
                got.append(chat.recv(timeout=30))
            chat.close(4001, "enough")
    return got


@pytest.fixture
def kept() -> Iterator[MemorySink]:
    """What this process captures, for the time of a test."""
    memory = MemorySink()
    handle = spantap.configure(destinations=[memory])
    yield memory
    handle.shutdown()


def test_websockets_and_lifespan_pass_untouched(kept: MemorySink) -> None:
    """Client and app get the same messages with and without spantap, and nothing of them is kept."""
    plain, captured = Noting(), Noting()
    without = _conversation(plain)
    with_us = _conversation(spantap.instrument_app(captured))
    spantap.configure(destinations=[kept]).flush()

    assert with_us == without
    assert captured.noted == plain.noted
    kinds = [kind for kind, _ in plain.noted]
    assert kinds[:2] == ["lifespan", "lifespan.startup"]
    assert "websocket.disconnect" in kinds
    assert "4001" in kinds
    assert kinds[-1] == "lifespan.shutdown"
    assert not any(SESSION in keys for _, keys in captured.noted)
    assert list(kept.read()) == []


def _asked_by_a_unix_socket(app: Callable[..., Awaitable[None]], path: Path) -> bytes:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    with _served(app, listener), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /local HTTP/1.1\r\nHost: contract.test\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: client.recv(65536), b"")).split(b"\r\n\r\n")[1]


def test_a_client_on_a_unix_socket_has_no_address(kept: MemorySink, tmp_path: Path) -> None:
    """It is answered as without spantap, and its exchange is kept."""
    plain, captured = Noting(), Noting()

    assert _asked_by_a_unix_socket(plain, tmp_path / "plain") == b"ok"
    assert _asked_by_a_unix_socket(spantap.instrument_app(captured), tmp_path / "captured") == b"ok"
    spantap.configure(destinations=[kept]).flush()

    peers = [kind for kind, _ in captured.noted if kind.startswith("peer")]
    assert peers == [kind for kind, _ in plain.noted if kind.startswith("peer")]
    assert [each.request.path for each in kept.read()] == ["/local"]
    assert [each.client.address for each in kept.read()] == [None]


_LOCAL = """
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(environ["REMOTE_ADDR"]).encode(), body]
"""


def _asked_of_gunicorn(folder: Path, *before: str) -> bytes:
    folder.mkdir()
    (folder / "local.py").write_text(_LOCAL)
    path = folder / "socket"
    gunicorn = ["gunicorn", "--bind", f"unix:{path}", "--no-control-socket", "local:application"]
    # By module: what is called gunicorn on the PATH may be another Python's.
    command = [sys.executable, "-m", *before, sys.executable, "-m", *gunicorn]
    if not before:
        command = [sys.executable, "-m", *gunicorn]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, stderr=log, env={**os.environ, "HOME": str(folder)}) as server,
    ):
        try:
            while not path.exists():
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(30)
                client.connect(str(path))
                client.sendall(request("POST", "/local", body=b"words", last=True))
                return b"".join(iter(lambda: client.recv(65536), b""))
        finally:
            server.terminate()
            server.wait(30)


def test_gunicorn_on_a_unix_socket(tmp_path: Path) -> None:
    """Its app and client see the same under `spantap run`, and the exchange is kept, without an address."""
    store = tmp_path / "kept.db"

    without = _asked_of_gunicorn(tmp_path / "plain")
    with_us = _asked_of_gunicorn(tmp_path / "captured", "spantap", "run", "--store", str(store), "--")

    assert _DATE.sub(b"", with_us) == _DATE.sub(b"", without)
    assert without.endswith(b"''\r\n5\r\nwords\r\n0\r\n\r\n")
    (kept,) = SQLiteSink(store).read()
    assert (kept.request.path, kept.request.body.content, kept.response.body.content) == (
        *("/local", "words"),
        "''words",
    )
    assert kept.client.address is None
