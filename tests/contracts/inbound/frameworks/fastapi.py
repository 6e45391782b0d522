"""The scenes on FastAPI: typed parameters, dependencies, its own background tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Depends,
    FastAPI,
    File,
    Form,
    Request,
    Response,
    UploadFile,
)
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.requests import ClientDisconnect

from contracts.inbound.frameworks import answers
from spantap.testing.players import NotedASGI
from spantap.testing.stage import note

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])
app: Final = FastAPI()
_scenes: Final = APIRouter()
_made: Final[list[str]] = []


def _play(name: str, *more: str) -> Callable[[_Endpoint], _Endpoint]:
    """Register an endpoint for a scene."""
    _made.extend((name, *more))
    decorators = [
        _scenes.api_route(path, methods=list(answers.METHODS), include_in_schema=False)
        for each in (name, *more)
        for path in ([f"/{each}", f"/{each}/{{rest:path}}"] if each in answers.REQUESTS else [f"/{each}"])
    ]

    def registered(endpoint: _Endpoint) -> _Endpoint:
        for decorate in decorators:
            decorate(endpoint)
        return endpoint

    return registered


async def what_came(request: Request) -> str:
    """A dependency."""
    query = request.query_params.multi_items()
    return answers.mirror(request.method, request.url.path, query, request.headers.items())


@_play(*answers.REQUESTS)
async def mirrored(came: Annotated[str, Depends(what_came)]) -> PlainTextResponse:
    return PlainTextResponse(came)


@_play("json-body")
def json_body(
    user: Annotated[str, Body()], password: Annotated[str, Body()]
) -> dict[str, Any]:  # in a thread
    return {"user": user, "length": len(password)}


@_play("form-body")
async def form_body(
    user: Annotated[str, Form()], password: Annotated[str, Form()], empty: Annotated[str, Form()] = "none"
) -> list[str]:
    return [user, password, empty]


@_play("multipart-body")
async def multipart_body(
    small: Annotated[bytes, File()], big: UploadFile, after: Annotated[str, Form()]
) -> list[str | None]:
    return [answers.digest(small), big.filename, answers.digest(await big.read()), after]


@_play(*answers.UPLOADS)
async def uploaded(request: Request) -> PlainTextResponse:
    return PlainTextResponse(answers.digest(await request.body()))


@_play(*answers.UNREAD)
async def unread() -> str:
    return "not read"


@_play("slow-upload")
async def slow_upload(request: Request) -> PlainTextResponse:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) == 4096:
            note("slow-upload", "has the first half")
    return PlainTextResponse(answers.digest(body))


@_play("left-mid-upload")
async def left_mid_upload(request: Request) -> PlainTextResponse:
    try:
        return PlainTextResponse(answers.digest(await request.body()))
    except ClientDisconnect:
        note("left-mid-upload", "left")
        raise


def _fixed(name: str) -> None:
    @_play(name)
    def fixed() -> Response:  # in a thread
        status, fields, content = answers.FIXED[name]
        return Response(content, status, fields)


def _streamed(name: str) -> None:
    @_play(name)
    async def streamed() -> StreamingResponse:
        return StreamingResponse(answers.async_streams[name](), media_type=answers.kind_of(name))


for _name in answers.FIXED:
    _fixed(_name)
for _name in answers.async_streams:
    _streamed(_name)


@_play("endless-in-threads")
def endless_in_threads() -> StreamingResponse:
    return StreamingResponse(answers.endless("endless-in-threads"), media_type=answers.TEXT)


@_play("redirect")
async def redirect() -> RedirectResponse:
    return RedirectResponse("/next?token=abc", 302)


@_play("many-cookies")
async def many_cookies(response: Response) -> dict[str, str]:
    response.set_cookie("a", "1", httponly=True)
    response.headers["X-Mixed-CASE"] = "1"
    response.set_cookie("b", "2")
    response.headers.append("x-mixed-case", "2")
    response.set_cookie("a", "3", expires="Wed, 21 Oct 2037 07:28:00 GMT")
    return {"con": "tent"}


@_play("file")
async def file() -> FileResponse:
    return FileResponse(answers.FILE)


@_play("work-afterwards")
async def work_afterwards(tasks: BackgroundTasks) -> str:
    tasks.add_task(answers.work_afterwards)
    return "accepted"


@_play("raises-at-once")
async def raises_at_once() -> None:
    raise answers.SceneError


@_play("raises-at-the-end")
async def raises_at_the_end(tasks: BackgroundTasks) -> str:
    tasks.add_task(answers.raise_afterwards)
    return "whole"


_sub: Final = FastAPI()


@_sub.api_route("/inner", methods=["GET", "POST"])
async def inner(request: Request, x: int = 0) -> dict[str, Any]:
    body = await request.body()
    return {"root": request.scope["root_path"], "x": x, "body": body.decode()}


app.include_router(_scenes)
app.mount("/mounted", _sub)
app.add_middleware(GZipMiddleware, minimum_size=1)
app.add_middleware(NotedASGI)
PLAYS: Final = frozenset({*_made, "mounted"})
