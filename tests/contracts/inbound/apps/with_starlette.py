"""The app on Starlette."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from contracts.inbound.apps import answers


async def echo(request: Request) -> Response:
    name = request.path_params["name"]
    body = await request.body()
    await asyncio.sleep(answers.ECHO_PAUSE)
    response = Response(answers.echo_body(name, body))
    for header in answers.echo_headers(name):
        response.headers.append(*header)
    return response


async def stream(request: Request) -> Response:
    return StreamingResponse(pieces(dict(request.query_params)), media_type="text/plain")


async def halfway(request: Request) -> Response:
    return StreamingResponse(pieces(dict(request.query_params), broken=True), media_type="text/plain")


async def pieces(query: dict[str, str], *, broken: bool = False) -> AsyncIterator[bytes]:
    name, count, held = answers.wanted(query)
    finished = False
    try:
        for number in range(count):
            if broken and number == 2:
                raise answers.BoomError(answers.BOOM)
            yield answers.next_piece(name, number)
            if held and number == 0:
                await asyncio.to_thread(answers.hold, name)
            await asyncio.sleep(answers.PAUSE)
        finished = True
    finally:
        answers.stream_over(name, finished)


async def empty(request: Request) -> Response:
    return Response(status_code=204, headers={"X-Empty": "yes"})


async def boom(request: Request) -> Response:
    raise answers.BoomError(answers.BOOM)


def who(request: Request) -> Response:  # not async: runs in a thread
    return JSONResponse(answers.who())


async def plain(request: Request) -> Response:
    texts = {"/echo": answers.ECHO, "/big": answers.BIG, "/ignore": answers.IGNORED}
    return PlainTextResponse(texts[request.url.path])


async def file(request: Request) -> Response:
    return FileResponse(answers.FILE)


def make(middleware: Sequence[Middleware] = ()) -> Any:
    return Starlette(
        routes=[
            Route("/echo/{name}", echo, methods=["POST"]),
            Route("/echo", plain),
            Route("/stream", stream),
            Route("/halfway", halfway),
            Route("/empty", empty),
            Route("/boom", boom),
            Route("/big", plain),
            Route("/ignore", plain, methods=["POST"]),
            Route("/who", who),
            Route("/file", file),
        ],
        middleware=list(middleware),
    )
