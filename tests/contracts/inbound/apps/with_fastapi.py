"""The app on FastAPI."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse

from contracts.inbound.apps import answers
from contracts.inbound.apps.with_starlette import pieces

router = APIRouter()


@router.post("/echo/{name}")
async def echo(name: str, request: Request) -> Response:
    body = await request.body()
    await asyncio.sleep(answers.ECHO_PAUSE)
    response = Response(answers.echo_body(name, body))
    for header in answers.echo_headers(name):
        response.headers.append(*header)
    return response


@router.api_route("/echo", methods=["GET", "HEAD"])
async def plain_echo() -> Response:
    return PlainTextResponse(answers.ECHO)


@router.get("/stream")
async def stream(request: Request) -> Response:
    return StreamingResponse(pieces(dict(request.query_params)), media_type="text/plain")


@router.get("/halfway")
async def halfway(request: Request) -> Response:
    return StreamingResponse(pieces(dict(request.query_params), broken=True), media_type="text/plain")


@router.get("/empty", status_code=204)
async def empty(response: Response) -> None:
    response.headers["X-Empty"] = "yes"


@router.get("/boom")
async def boom() -> None:
    raise answers.BoomError(answers.BOOM)


@router.get("/big")
async def big() -> Response:
    return PlainTextResponse(answers.BIG)


@router.post("/ignore")
async def ignore() -> Response:
    return PlainTextResponse(answers.IGNORED)


@router.get("/who")
def who() -> dict[str, Any]:  # not async: runs in a thread
    return answers.who()


@router.get("/file")
async def file() -> Response:
    return FileResponse(answers.FILE)


def make(telemetry: Mapping[str, Any] | None = None) -> Any:
    app = FastAPI(telemetry=dict(telemetry)) if telemetry is not None else FastAPI()  # type: ignore[arg-type]
    app.include_router(router)
    return app
