"""Exceptions and other endings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from spantap.testing.scene import Client, Scene
from spantap.testing.scenes.words import TEXT, answer, piece, start
from spantap.testing.stage import note


class SceneError(Exception):
    """What goes wrong in these scenes."""


class RaisesAtOnce(Scene):
    """An exception before the answer begins"""

    status: ClassVar[int | None] = 500

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        raise SceneError

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        raise SceneError


class RaisesAfterStart(Scene):
    """An exception after the head was sent, before any body"""

    status: ClassVar[int | None] = None

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        raise SceneError

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        raise SceneError


class RaisesMidStream(Scene):
    """An exception in the middle of a stream"""

    status: ClassVar[int | None] = None

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await piece(send, b"a beginning")
        raise SceneError

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        def pieces() -> Iterator[bytes]:
            yield b"a beginning"
            raise SceneError

        start_response("200 OK", [TEXT])
        return pieces()


class RaisesAtTheEnd(Scene):
    """An exception after the whole answer, as a background task has it"""

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"whole")
        raise SceneError


class RaisesInClose(Scene):
    """An exception in `close()`"""

    status: ClassVar[int | None] = None

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [TEXT, ("Content-Length", "5")])
        return _BadEnd()


class _BadEnd:
    def __iter__(self) -> Iterator[bytes]:
        return iter([b"whole"])

    def close(self) -> None:
        raise SceneError


class SystemExits(Scene):
    """`SystemExit`, which is no `Exception`"""

    status: ClassVar[int | None] = None
    fatal: ClassVar[bool] = True

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        raise SystemExit(3)


class NeverStarts(Scene):
    """The app returns without having answered"""

    status: ClassVar[int | None] = None

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        return

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        return [b"no head"]


class StopsInTheMiddle(Scene):
    """The app returns without having finished its answer"""

    status: ClassVar[int | None] = None

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await piece(send, b"and then nothing")


class SendsTooMuch(Scene):
    """The app sends on after the end"""

    status: ClassVar[int | None] = None

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"whole")
        await piece(send, b"more", more=False)


class WaitsForTheEnd(Scene):
    """An app that waits until its client has gone, on a connection that stays"""

    status: ClassVar[int | None] = None

    def speak(self, client: Client) -> None:
        with client.connect() as connection:
            client.saw(connection.ask(client.request()))
        client.until_noted("client has gone")

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await answer(send, b"whole")
        while (await receive())["type"] != "http.disconnect":
            pass
        note(self.name, "client has gone")


class NotText(Scene):
    """A body that is not bytes"""

    status: ClassVar[int | None] = None

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        return ["text"]
