"""HTTP/2 on hypercorn: many exchanges at once on one connection, each as without spantap."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import h2.config
import h2.connection
import h2.events
import hypercorn.asyncio
import pytest
from hypercorn.config import Config

import spantap
from spantap.export.memory import MemorySink

OURS = (
    "spantap.",
    "fastapi.telemetry",
    "starlette.opentelemetry",
)  # in the scope, for those who look for them
AT_ONCE = 20
PATIENCE = 30
Seen = dict[int, list[tuple[str, Any]]]


class Noting:
    """An ASGI app that notes what it is given."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        keys = sorted(key for key in scope if not key.startswith(OURS))
        self.noted.append((scope["path"], f"{scope['http_version']} {keys} {sorted(scope['extensions'])}"))
        kind = scope["path"].split("/")[1]
        await {"echo": self._echo, "pieces": self._pieces, "endless": self._endless}[kind](
            scope["path"], receive, send
        )

    async def _echo(self, path: str, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.noted.append((path, f"read {len(body)}"))
        headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b"<" + body + b">"})

    async def _pieces(self, path: str, receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
        headers = [(b"content-type", b"text/plain"), (b"trailer", b"x-sum")]
        await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
        for piece in (b"one ", b"two ", b""):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": b"three"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"13")]})

    async def _endless(self, path: str, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        left = asyncio.ensure_future(receive())
        while not left.done():
            await send({"type": "http.response.body", "body": b"tick", "more_body": True})
            await asyncio.sleep(0.01)
        self.noted.append((path, left.result()["type"]))


@contextlib.contextmanager
def served(app: Any) -> Iterator[int]:
    """Hypercorn, in a thread; the port it listens on."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "ERROR"
    config.graceful_timeout = 1
    started: list[asyncio.AbstractEventLoop] = []
    over = asyncio.Event()

    async def serve() -> None:
        started.append(asyncio.get_running_loop())
        await hypercorn.asyncio.serve(app, config, mode="asgi", shutdown_trigger=over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield port
    finally:
        started[0].call_soon_threadsafe(over.set)
        thread.join(PATIENCE)


class Client:
    """An HTTP/2 connection with prior knowledge; what each of its streams saw."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.h2.initiate_connection()
        self.seen: Seen = {}

    def ask(self, method: str, path: str, body: bytes | None = None, *, finish: bool = True) -> int:
        """Begin a request; the rest of its body may be sent later."""
        stream = self.h2.get_next_available_stream_id()
        self.seen[stream] = []
        fields = [(":method", method), (":authority", "contract.test"), (":scheme", "http"), (":path", path)]
        self.h2.send_headers(stream, [*fields, ("te", "trailers")], end_stream=body is None)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=finish)
        self.send()
        return stream

    def send(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def until(self, *kinds: str, streams: list[int]) -> None:
        """Read until each of these streams has seen something of these kinds."""
        while not all(any(kind in kinds for kind, _ in self.seen[each]) for each in streams):
            data = self.socket.recv(65536)
            assert data, "the server has left"
            for event in self.h2.receive_data(data):
                self._note(event)
            self.send()

    def _note(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            so_far = self.seen[event.stream_id]
            if so_far[-1][0] == "data":  # how many frames it takes depends on who is faster
                so_far[-1] = ("data", bytes(so_far[-1][1]) + event.data)
            else:
                so_far.append(("data", event.data))
        elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
            self.seen[event.stream_id].append(("over", type(event).__name__))
        elif isinstance(
            event,
            h2.events.ResponseReceived | h2.events.TrailersReceived | h2.events.InformationalResponseReceived,
        ):
            fields = [each for each in event.headers if each[0] != b"date"]
            self.seen[event.stream_id].append((type(event).__name__, fields))


def conversation(app: Noting, called: Any) -> list[list[tuple[str, Any]]]:
    """What the client saw: of many streams at once, of one in pieces, of one it gave up."""
    with served(called) as port:
        client = Client(port)
        halves = [
            client.ask("POST", f"/echo/{number}?n={number}", b"first %d " % number, finish=False)
            for number in range(AT_ONCE)
        ]
        for number, stream in reversed(list(enumerate(halves))):
            client.h2.send_data(stream, b"second %d" % number, end_stream=True)
        pieces = client.ask("GET", "/pieces/all")
        client.until("over", streams=[*halves, pieces])
        endless = client.ask("GET", "/endless/left")
        client.until("data", streams=[endless])
        client.h2.reset_stream(endless)
        client.send()
        deadline = time.monotonic() + PATIENCE
        while ("/endless/left", "http.disconnect") not in app.noted and time.monotonic() < deadline:
            time.sleep(0.01)
        client.socket.close()
    return [client.seen[each] for each in (*halves, pieces)]


@pytest.fixture
def kept() -> Iterator[MemorySink]:
    """What this process captures, for the time of a test."""
    memory = MemorySink()
    handle = spantap.configure(destinations=[memory])
    yield memory
    handle.shutdown()


def test_streams_of_one_connection(kept: MemorySink) -> None:
    """Clients see the same frames, the app the same messages, and each stream is one record of its own."""
    plain, captured = Noting(), Noting()
    without = conversation(plain, plain)
    with_us = conversation(captured, spantap.instrument_app(captured))
    assert spantap.configure(destinations=[kept]).flush(PATIENCE)

    assert with_us == without
    assert sorted(captured.noted) == sorted(plain.noted)
    assert ("/endless/left", "http.disconnect") in plain.noted
    assert ("data", b"one two three") in without[-1]
    assert [kind for kind, _ in without[-1]] == [
        *("InformationalResponseReceived", "ResponseReceived"),
        *("data", "TrailersReceived", "over"),
    ]
    records = {each.request.path: each for each in kept.read()}
    assert len(records) == len(kept.read()) == AT_ONCE + 2
    for number in range(AT_ONCE):
        record = records[f"/echo/{number}"]
        body = f"first {number} second {number}"
        assert (record.request.query, record.request.http_version) == (f"n={number}", "2")
        assert (record.request.body.content, record.response.body.content) == (body, f"<{body}>")
        assert record.response.status == 201
    assert records["/pieces/all"].response.body.content == "one two three"
    assert records["/endless/left"].incomplete is not None
