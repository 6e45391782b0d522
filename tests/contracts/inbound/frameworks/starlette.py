"""The scenes on Starlette."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route

from contracts.inbound.frameworks import answers
from spantap.testing.players import NotedASGI
from spantap.testing.stage import note


async def mirrored(request: Request) -> Response:
    query = request.query_params.multi_items()
    return PlainTextResponse(answers.mirror(request.method, request.url.path, query, request.headers.items()))


async def json_body(request: Request) -> Response:
    return JSONResponse(await request.json())


async def form_body(request: Request) -> Response:
    async with request.form() as form:
        return JSONResponse(form.multi_items())


async def multipart_body(request: Request) -> Response:
    async with request.form() as form:
        got = {
            name: value if isinstance(value, str) else (value.filename, answers.digest(await value.read()))
            for name, value in form.items()
        }
        return JSONResponse(got)


async def uploaded(request: Request) -> Response:
    return PlainTextResponse(answers.digest(await request.body()))


async def unread(request: Request) -> Response:
    return PlainTextResponse("not read")


async def half_read(request: Request) -> Response:
    async for chunk in request.stream():
        return PlainTextResponse(chunk[:5])
    return PlainTextResponse("nothing")


async def slow_upload(request: Request) -> Response:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) == 4096:
            note("slow-upload", "has the first half")
    return PlainTextResponse(answers.digest(body))


async def left_mid_upload(request: Request) -> Response:
    try:
        body = await request.body()
    except ClientDisconnect:
        note("left-mid-upload", "left")
        raise
    return PlainTextResponse(answers.digest(body))


async def fixed(request: Request, name: str) -> Response:
    status, fields, content = answers.FIXED[name]
    return Response(content, status, fields)


async def streamed(request: Request, name: str) -> Response:
    return StreamingResponse(answers.async_streams[name](), media_type=answers.kind_of(name))


async def endless_in_threads(request: Request) -> Response:
    return StreamingResponse(answers.endless("endless-in-threads"), media_type=answers.TEXT)


async def redirect(request: Request) -> Response:
    return RedirectResponse("/next?token=abc", 302)


async def many_cookies(request: Request) -> Response:
    response = PlainTextResponse("content")
    response.set_cookie("a", "1", httponly=True)
    response.headers["X-Mixed-CASE"] = "1"
    response.set_cookie("b", "2")
    response.headers.append("x-mixed-case", "2")
    response.set_cookie("a", "3", expires="Wed, 21 Oct 2037 07:28:00 GMT")
    return response


async def file(request: Request) -> Response:
    return FileResponse(answers.FILE)


async def work_afterwards(request: Request) -> Response:
    return PlainTextResponse("accepted", background=BackgroundTask(answers.work_afterwards))


async def raises_at_the_end(request: Request) -> Response:
    return PlainTextResponse("whole", background=BackgroundTask(answers.raise_afterwards))


async def raises_at_once(request: Request) -> Response:
    raise answers.SceneError


def _named(endpoint: Any, names: Any) -> dict[str, Any]:
    """The same endpoint for several scenes; each is told its own."""

    def of(name: str) -> Any:
        async def played(request: Request) -> Response:
            response: Response = await endpoint(request, name)
            return response

        return played

    return {name: of(name) for name in names}


SCENES: Final[dict[str, Any]] = {
    **dict.fromkeys(answers.REQUESTS, mirrored),
    **dict.fromkeys(answers.UPLOADS, uploaded),
    **dict.fromkeys(answers.UNREAD, unread),
    **_named(fixed, answers.FIXED),
    **_named(streamed, answers.async_streams),
    "json-body": json_body,
    "form-body": form_body,
    "multipart-body": multipart_body,
    "half-read": half_read,
    "slow-upload": slow_upload,
    "left-mid-upload": left_mid_upload,
    "endless-in-threads": endless_in_threads,
    "redirect": redirect,
    "many-cookies": many_cookies,
    "file": file,
    "work-afterwards": work_afterwards,
    "raises-at-once": raises_at_once,
    "raises-at-the-end": raises_at_the_end,
}
PLAYS: Final = frozenset({*SCENES, "mounted"})


async def inner(request: Request) -> Response:
    body = await request.body()
    return PlainTextResponse(f"{request.scope['root_path']} {request.url.path} {body!r}")


_methods = partial(Route, methods=list(answers.METHODS))
app: Final = Starlette(
    routes=[
        *(_methods(f"/{name}", endpoint) for name, endpoint in SCENES.items()),
        *(_methods(f"/{name}/{{rest:path}}", SCENES[name]) for name in answers.REQUESTS),
        Mount("/mounted", Starlette(routes=[_methods("/inner", inner)])),
    ],
    middleware=[Middleware(NotedASGI), Middleware(GZipMiddleware, minimum_size=1)],
)
