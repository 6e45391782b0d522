"""One app in seven frameworks: it reads the body, does what the case says, and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from leaks.planting import CASES, Asked, Plant, Reply

ASGI: Final = ("fastapi", "starlette", "django-asgi", "asgi")
WSGI: Final = ("flask", "django-wsgi", "wsgi")
DOORS: Final = (*ASGI, *WSGI)
CASE: Final = "x-case"  # the header that names it


class Shop:
    """What is behind a door."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def serve(self, name: str | None) -> Reply:
        """Do what a case says; may raise."""
        case = CASES.get(name or "")
        asked = Asked() if case is None else case(self._plant)
        if asked.act is not None:
            asked.act()
        return asked.reply


def _fields(reply: Reply) -> list[tuple[str, str]]:
    kind = [("Content-Type", reply.content_type)] if reply.content_type else []
    return [*kind, *reply.headers]


def asgi(shop: Shop) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            raise ValueError("no lifespan")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        while True:
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body"):
                break
        reply = shop.serve(headers.get(CASE))
        fields = [(name.encode(), value.encode("latin-1")) for name, value in _fields(reply)]
        await send({"type": "http.response.start", "status": reply.status, "headers": fields})
        for piece in reply.body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    return app


def _view(shop: Shop) -> Any:
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse

    async def view(request: Request) -> Response:
        await request.body()
        reply = shop.serve(request.headers.get(CASE))
        response = StreamingResponse(_each(reply.body), reply.status)
        for field in _fields(reply):
            response.headers.append(*field)
        return response

    return view


async def _each(pieces: Iterable[bytes]) -> Any:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


async def _socket(websocket: Any) -> None:
    await websocket.accept()
    await websocket.close()


class _AnyMethod:
    """Methods that no route lists."""

    def __init__(self, app: Any, view: Any) -> None:
        self._app, self._view = app, view

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "POST"):
            from starlette.requests import Request

            response = await self._view(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def starlette(shop: Shop) -> Any:
    from starlette.applications import Starlette
    from starlette.routing import Route, WebSocketRoute

    routes = [
        Route("/{path:path}", _view(shop), methods=["GET", "POST"]),
        WebSocketRoute("/{path:path}", _socket),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(_AnyMethod, view=_view(shop))
    return app


def fastapi(shop: Shop) -> Any:
    from fastapi import FastAPI
    from starlette.routing import Route, WebSocketRoute

    app = FastAPI()
    app.router.routes.append(Route("/{path:path}", _view(shop), methods=["GET", "POST"]))
    app.router.routes.append(WebSocketRoute("/{path:path}", _socket))
    app.add_middleware(_AnyMethod, view=_view(shop))
    return app


def wsgi(shop: Shop) -> Any:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        reply = shop.serve(environ.get("HTTP_X_CASE"))
        start_response(f"{reply.status} {_reason(reply)}", _fields(reply))
        return list(reply.body)

    return app


def _reason(reply: Reply) -> str:
    return "OK" if reply.status < 400 else "Sorry"


def flask(shop: Shop) -> Any:
    from flask import Flask, Response, request

    app = Flask("shop")

    @app.before_request
    def serve() -> Response:
        request.get_data()
        reply = shop.serve(request.headers.get(CASE))
        response = Response(iter(reply.body), reply.status)
        del response.headers["Content-Type"]
        for field in _fields(reply):
            response.headers.add(*field)
        return response

    return app


_django: dict[str, Shop] = {}
urlpatterns: list[Any] = []


def _answer(shop: Shop, request: Any) -> Any:
    from django.http import HttpResponse

    _ = request.body
    reply = shop.serve(request.headers.get(CASE))
    response = HttpResponse(b"".join(reply.body), status=reply.status)
    del response["Content-Type"]
    cookies = [value for name, value in _fields(reply) if name == "Set-Cookie"]
    for name, value in _fields(reply):
        if name != "Set-Cookie":
            response[name] = value
    for cookie in cookies:
        response.cookies.load(cookie)
    return response


def _django_app(door: str, shop: Shop) -> Any:
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application
    from django.urls import re_path

    _django[door] = shop
    if not settings.configured:
        # Contrib puts its middleware there, and needs a list.
        settings.configure(
            ALLOWED_HOSTS=["*"], SECRET_KEY="x", ROOT_URLCONF=__name__, MIDDLEWARE=[], LOGGING_CONFIG=None
        )
        django.setup()
        urlpatterns.append(re_path(".*", _choose))
    return get_asgi_application() if door == "django-asgi" else get_wsgi_application()


def _choose(request: Any) -> Any:
    return _answer(_django["django-asgi" if hasattr(request, "scope") else "django-wsgi"], request)


BUILDERS: Final[dict[str, Callable[[Shop], Any]]] = {
    "fastapi": fastapi,
    "starlette": starlette,
    "flask": flask,
    "asgi": asgi,
    "wsgi": wsgi,
    "django-asgi": lambda shop: _django_app("django-asgi", shop),
    "django-wsgi": lambda shop: _django_app("django-wsgi", shop),
}
