"""The apps that play the scenes: bare ASGI and bare WSGI, noting what an app can see.

Which scene is played is the first segment of the path. Around each, what reaches the app is noted:
messages, exceptions, keys of the scope or environ, the thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from spantap.testing import scenes
from spantap.testing.scene import Scene
from spantap.testing.stage import note

# What spantap adds for itself, and to make FastAPI's and Starlette's own telemetry stand aside.
_OURS = ("spantap.", "fastapi.telemetry", "starlette.opentelemetry")


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """ASGI 3: plays the scene the path names."""
    if scope["type"] == "lifespan":
        await _lifespan(scope, receive, send)
        return
    scene = _scene(scope["path"])
    if scene is None or scene.asgi is None:
        await scenes.answer(send, status=404)
        return
    name = scene.name
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
        await scene.asgi(scope, noted_receive, noted_send)
    except BaseException as error:
        note(name, f"raised {type(error).__name__}")
        raise
    finally:
        note(name, "over")


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """WSGI: plays the scene the path names."""
    scene = _scene(environ["PATH_INFO"])
    if scene is None or scene.wsgi is None:
        return scenes.respond(start_response, status=404)
    name = scene.name
    note(name, "called")
    # wsgiref adds the variables of the process.
    keys = sorted(set(environ) - set(os.environ))
    note(name, f"environ {[key for key in keys if not key.startswith(('HTTP_', 'spantap'))]}")
    environ["scene.thread"] = threading.get_ident()
    try:
        body: Iterable[bytes] = scene.wsgi(environ, start_response)
    except BaseException as error:
        note(name, f"raised {type(error).__name__}")
        note(name, "over")
        raise
    return body if hasattr(body, "noted") else _Noted(body, name, environ)


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


def _scene(path: str) -> Scene | None:
    return Scene.all.get(path.split("/")[1]) if path.startswith("/") else None


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
