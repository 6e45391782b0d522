"""The apps that play the scenes: bare ASGI and bare WSGI, noting what an app can see.

Which scene is played is the first segment of the path. Around each, what reaches the app is noted:
messages, exceptions, keys of the scope or environ, the thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from spantap.testing import scenes
from spantap.testing.scene import Scene
from spantap.testing.stage import note

# What spantap adds for itself, and to make FastAPI's and Starlette's own telemetry stand aside.
_OURS = ("spantap.", "fastapi.telemetry", "starlette.opentelemetry")


class NotedASGI:
    """An ASGI app, with what it is given noted: messages, exceptions, keys of the scope.

    Goes inside of spantap's door: it sees what an app sees.
    """

    def __init__(self, app: Any) -> None:
        """Args:
        app: an ASGI 3 callable.
        """
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection; only the scenes are noted."""
        name = scene_name(scope["path"]) if scope["type"] == "http" else None
        if name is None:
            await self.app(scope, receive, send)
            return
        note(name, "called")
        keys = sorted(key for key in scope if not key.startswith(_OURS))
        note(name, f"scope {keys} extensions {sorted(scope.get('extensions') or {})}")
        note(name, f"scope state {sorted(scope.get('state') or {})}")

        async def noted_receive() -> Any:
            message = await receive()
            note(name, _received(message))
            return message

        async def noted_send(message: Any) -> None:
            try:
                await send(message)
            except BaseException as error:
                note(name, f"send raised {type(error).__name__}")
                raise

        try:
            await self.app(scope, noted_receive, noted_send)
        except BaseException as error:
            note(name, f"raised {type(error).__name__}")
            raise
        finally:
            note(name, "over")


class NotedWSGI:
    """A WSGI app, with its calls, the iteration of its responses and their `close` noted."""

    def __init__(self, app: Any) -> None:
        """Args:
        app: a WSGI callable.
        """
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request; only the scenes are noted."""
        name = scene_name(environ["PATH_INFO"])
        if name is None:
            result: Iterable[bytes] = self.app(environ, start_response)
            return result
        note(name, "called")
        # wsgiref adds the variables of the process.
        keys = sorted(set(environ) - set(os.environ))
        note(name, f"environ {[key for key in keys if not key.startswith(('HTTP_', 'spantap'))]}")
        environ["scene.thread"] = threading.get_ident()
        try:
            body: Iterable[bytes] = self.app(environ, start_response)
        except BaseException as error:
            note(name, f"raised {type(error).__name__}")
            note(name, "over")
            raise
        return _Noted(body, name, environ)


async def _play_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(scope, receive, send)
        return
    scene = Scene.all.get(scene_name(scope["path"]) or "")
    if scene is None or scene.asgi is None:
        await scenes.answer(send, status=404)
    else:
        await scene.asgi(scope, receive, send)


def _play_wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    scene = Scene.all.get(scene_name(environ["PATH_INFO"]) or "")
    if scene is None or scene.wsgi is None:
        return scenes.respond(start_response, status=404)
    body: Iterable[bytes] = scene.wsgi(environ, start_response)
    return body


class _Noted:
    """The body as it is, with its iteration and `close` noted. Has the length its body has."""

    def __new__(cls, body: Any, name: str, environ: dict[str, Any]) -> Any:
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(body, wrapper):
            note(name, "over")
            return body  # what a server recognises must stay what it is
        return super().__new__(_Sized if hasattr(body, "__len__") else cls)

    def __init__(self, body: Any, name: str, environ: dict[str, Any]) -> None:
        self._body = body
        self._name = name
        self._thread = environ["scene.thread"]

    def __iter__(self) -> Iterator[bytes]:
        note(self._name, f"iterated in the same thread: {threading.get_ident() == self._thread}")
        try:
            for piece in self._body:
                note(self._name, f"gave {len(piece)} bytes")
                yield piece
        except BaseException as error:
            note(self._name, f"iteration raised {type(error).__name__}")
            raise

    def close(self) -> None:
        note(self._name, "closed")
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                close()
        finally:
            note(self._name, "over")


class _Sized(_Noted):
    def __len__(self) -> int:
        return len(self._body)


def scene_name(path: str) -> str | None:
    """The scene a path names with its first segment; None when it is none."""
    name = path.removeprefix("/").partition("/")[0]
    return name if name in Scene.all else None


def _received(message: Any) -> str:
    more = " and more" if message.get("more_body") else ""
    size = f" {len(message['body'])} bytes" if "body" in message else ""
    keys = sorted(set(message) - {"type", "body", "more_body"})
    return f"received {message['type']}{size}{more} {keys}"


async def _lifespan(scope: Any, receive: Any, send: Any) -> None:
    while True:
        kind = (await receive())["type"]
        note("lifespan", f"{kind} {sorted(scope)}")
        if kind == "lifespan.startup" and "state" in scope:
            scope["state"]["begun"] = True
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


asgi: Final = NotedASGI(_play_asgi)
"""ASGI 3: plays the scene the path names."""
wsgi: Final = NotedWSGI(_play_wsgi)
"""WSGI: plays the scene the path names."""
