"""The app on Django: one project, two handlers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import django
from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from contracts.inbound.apps import answers
from contracts.inbound.apps.with_starlette import pieces as async_pieces
from contracts.inbound.apps.with_wsgi import pieces


def echo(request: HttpRequest, name: str) -> HttpResponse:
    body = request.body
    time.sleep(answers.ECHO_PAUSE)
    return _echoed(name, body)


async def echo_async(request: HttpRequest, name: str) -> HttpResponse:
    body = request.body
    await asyncio.sleep(answers.ECHO_PAUSE)
    return _echoed(name, body)


def _echoed(name: str, body: bytes) -> HttpResponse:
    response = HttpResponse(answers.echo_body(name, body))
    for header, value in answers.echo_headers(name):
        if header != "Set-Cookie":
            response[header] = value
    response.set_cookie("session", "cookie-secret-9753", httponly=True)
    response.set_cookie("theme", "dark")
    return response


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(pieces(request.GET.dict(), broken=False), content_type="text/plain")


def halfway(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(pieces(request.GET.dict(), broken=True), content_type="text/plain")


async def stream_async(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(async_pieces(request.GET.dict()), content_type="text/plain")


async def halfway_async(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(async_pieces(request.GET.dict(), broken=True), content_type="text/plain")


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204, headers={"X-Empty": "yes"})


def boom(request: HttpRequest) -> HttpResponse:
    raise answers.BoomError(answers.BOOM)


def plain(request: HttpRequest) -> HttpResponse:
    texts = {"/echo": answers.ECHO, "/big": answers.BIG, "/ignore": answers.IGNORED}
    return HttpResponse(texts[request.path], content_type="text/plain")


def who(request: HttpRequest) -> HttpResponse:  # not async: under ASGI it runs in a thread
    return JsonResponse(answers.who())


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(answers.FILE.open("rb"))


SHARED = [
    path("echo", plain),
    path("empty", empty),
    path("boom", boom),
    path("big", plain),
    path("ignore", plain),
    path("who", who),
    path("file", file),
]
SYNC = (path("echo/<str:name>", echo), path("stream", stream), path("halfway", halfway))
ASYNC = (path("echo/<str:name>", echo_async), path("stream", stream_async), path("halfway", halfway_async))
urlpatterns: list[Any] = []


def configure(
    *, asgi: bool, middleware: Sequence[str] = (), spantap: Mapping[str, Any] | None = None
) -> None:
    urlpatterns[:] = [*SHARED, *(ASYNC if asgi else SYNC)]
    more: dict[str, Any] = {} if spantap is None else {"SPANTAP": dict(spantap)}
    settings.configure(
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="not used",
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[*middleware, "django.middleware.common.CommonMiddleware"],
        USE_TZ=True,
        **more,
    )
    django.setup()


def make(*, asgi: bool) -> Any:
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    return get_asgi_application() if asgi else get_wsgi_application()
