"""Responses in pieces: when each is made, when it arrives, and how they end."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Iterator
from typing import Any, ClassVar

from spantap.testing.scene import Client, Scene
from spantap.testing.scenes.words import TEXT, answer, piece, start
from spantap.testing.stage import note, wait, wait_async

_seen: contextvars.ContextVar[str] = contextvars.ContextVar("scene", default="unset")
_EVENTS = ("Content-Type", "text/event-stream")


def _chunked(head: bytes) -> bool:
    return b"transfer-encoding: chunked" in head.lower()


class Pieces(Scene):
    """Five pieces, one of them empty"""

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        for each in (b"one ", b"two ", b"", b"four ", b"five"):
            await piece(send, each)
            await asyncio.sleep(0.01)
        await piece(send, b"", more=False)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        def pieces() -> Iterator[bytes]:
            for each in (b"one ", b"two ", b"", b"four ", b"five"):
                yield each
                time.sleep(0.01)

        start_response("200 OK", [TEXT])
        return pieces()


class PiecesOfKnownLength(Scene):
    """Two pieces, their length announced"""

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send, headers=(TEXT, ("Content-Length", "10")))
        await piece(send, b"first")
        await piece(send, b"later", more=False)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [TEXT, ("Content-Length", "10")])
        return iter([b"first", b"later"])


class HeldBack(Scene):
    """The second piece is made only when the client has the first"""

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            connection.send(client.request())
            head = connection.head()
            chunked = _chunked(head)
            client.got("first", connection.piece() if chunked else connection.exactly(5))
            client.open_gate()
            client.got("rest", b"|".join(connection.rest_of(chunked=chunked)))

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await piece(send, b"first")
        await wait_async(self.name)
        await piece(send, b"second", more=False)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        def pieces() -> Iterator[bytes]:
            yield b"first"
            wait(self.name)
            yield b"second"

        start_response("200 OK", [TEXT])
        return pieces()


class HeadersFirst(Scene):
    """The head of an answer is given to the server before any of the body is made"""

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            connection.send(client.request())
            client.until_noted("called")
            client.open_gate()
            client.saw(connection.answer("GET"))

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send, headers=(TEXT, ("Connection", "close")))
        await wait_async(self.name)
        await piece(send, b"body", more=False)


class Events(Scene):
    """Server-sent events, each when it happens"""

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            connection.send(client.request())
            head = connection.head()
            for number in range(3):
                client.got(f"event {number}", connection.piece() if _chunked(head) else connection.exactly(9))
            client.open_gate()
            client.got("rest", b"|".join(connection.rest_of(chunked=_chunked(head))))

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send, headers=(_EVENTS,))
        for number in range(3):
            await piece(send, b"data: %d\n\n" % number)
        await wait_async(self.name)
        await piece(send, b"data: bye\n\n", more=False)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        def events() -> Iterator[bytes]:
            for number in range(3):
                yield b"data: %d\n\n" % number
            wait(self.name)
            yield b"data: bye\n\n"

        start_response("200 OK", [_EVENTS])
        return events()


class TenSecondsOfEvents(Scene):
    """Server-sent events for ten seconds"""

    heavy: ClassVar[bool] = True

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send, headers=(_EVENTS,))
        for number in range(20):
            await piece(send, b"data: %d\n\n" % number)
            await asyncio.sleep(0.5)
        await piece(send, b"", more=False)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        def events() -> Iterator[bytes]:
            for number in range(20):
                yield b"data: %d\n\n" % number
                time.sleep(0.5)

        start_response("200 OK", [_EVENTS])
        return events()


class HugeDownload(Scene):
    """A hundred megabytes in pieces"""

    heavy: ClassVar[bool] = True

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            connection.send(client.request(headers={"Connection": "close"}))
            head = connection.head()
            client.got("size", str(sum(map(len, connection.rest_of(chunked=_chunked(head))))).encode())

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        for _ in range(1600):
            await piece(send, b"x" * 65536)
        await piece(send, b"", more=False)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        return (b"x" * 65536 for _ in range(1600))

    varies: ClassVar[bool] = False


class EndlessUntilLeft(Scene):
    """An endless stream whose client leaves: the app is told, and its generator closed once"""

    status: ClassVar[int | None] = None
    varies: ClassVar[bool] = True  # how many pieces were made before the server noticed

    def speak(self, client: Client) -> None:
        connection = client.connect()
        connection.send(client.request())
        connection.head()
        connection.exactly(20)
        connection.leave()
        client.until_noted("stream closed")
        client.got("closed", str(client.notes().count("stream closed")).encode())

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await receive()
        left = asyncio.ensure_future(receive())
        try:
            while not left.done():
                await piece(send, b"another piece\n")
                await asyncio.wait([left], timeout=0.01)
        finally:
            left.cancel()
            note(self.name, "stream closed")

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        def pieces() -> Iterator[bytes]:
            try:
                for _ in range(3000):
                    yield b"another piece\n" * 100
                    time.sleep(0.001)
            finally:
                note(self.name, "stream closed")

        start_response("200 OK", [TEXT])
        return pieces()


class OwnContext(Scene):
    """A context variable the app sets is set for its stream, and gone at the next request"""

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            client.saw(connection.ask(client.request()))
            client.until_over()
            client.saw(connection.ask(client.request()))

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        before = _seen.get()
        _seen.set("set by the app")
        await start(send)
        await piece(send, f"{before}, ".encode())
        await piece(send, (await asyncio.to_thread(_seen.get)).encode(), more=False)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        before = _seen.get()
        token = _seen.set("set by the app")

        def pieces() -> Iterator[bytes]:
            yield f"{before}, ".encode()
            yield _seen.get().encode()
            _seen.reset(token)

        start_response("200 OK", [TEXT])
        return pieces()


class WorkAfterwards(Scene):
    """The app goes on when the client has its answer"""

    def speak(self, client: Client) -> None:
        client.ask()
        client.open_gate()
        client.until_noted("work done")

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"accepted")
        await wait_async(self.name)
        note(self.name, "work done")
