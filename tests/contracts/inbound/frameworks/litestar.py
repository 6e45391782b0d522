"""The scenes on Litestar: typed handlers, its own parsers, streams and background tasks."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Litestar, MediaType, Request, Response, asgi, route
from litestar.background_tasks import BackgroundTask
from litestar.config.compression import CompressionConfig
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import File, Redirect, Stream

from contracts.inbound.frameworks import answers
from spantap.testing import players, scenes
from spantap.testing.stage import note

_METHODS: Any = ["GET", "POST"]
Asked = Request[Any, Any, Any]


@route(
    [f"/{name}" for name in answers.REQUESTS if name != "head"],
    http_method=_METHODS,
    status_code=200,
)
async def mirrored(request: Asked) -> Response[str]:
    return _mirrored(request)


@route(["/odd-path/{rest:path}", "/kept-alive/{rest:path}"], http_method=_METHODS, status_code=200)
async def mirrored_beneath(request: Asked) -> Response[str]:
    return _mirrored(request)


@route("/head", http_method=["HEAD"], status_code=200)
async def head(request: Asked) -> None:
    return None


def _mirrored(request: Asked) -> Response[str]:
    query = list(request.query_params.multi_items())
    content = answers.mirror(request.method, request.url.path, query, request.headers.items())
    return Response(content, media_type=MediaType.TEXT)


@route("/json-body", http_method=["POST"], status_code=200)
async def json_body(data: Annotated[dict[str, str], Body()]) -> dict[str, str]:
    return data


@route("/form-body", http_method=["POST"], status_code=200)
async def form_body(
    data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> dict[str, str]:
    return data


@route("/multipart-body", http_method=["POST"], status_code=200)
async def multipart_body(
    data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)],
) -> dict[str, Any]:
    return {
        name: [value.filename, answers.digest(await value.read())] if isinstance(value, UploadFile) else value
        for name, value in data.items()
    }


@route(
    [f"/{name}" for name in answers.UPLOADS],
    http_method=["POST"],
    status_code=200,
    request_max_body_size=None,
)
async def uploaded(request: Asked) -> str:
    return answers.digest(await request.body())


@route([f"/{name}" for name in answers.UNREAD], http_method=["POST"], status_code=200)
async def unread() -> str:
    return "not read"


@route("/slow-upload", http_method=["POST"], status_code=200)
async def slow_upload(request: Asked) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) == 4096:
            note("slow-upload", "has the first half")
    return answers.digest(body)


def _fixed(name: str) -> Any:
    status, fields, content = answers.FIXED[name]
    others = {field: value for field, value in fields.items() if field != "Content-Type"}

    async def fixed() -> Response[bytes]:
        return Response(content, status_code=status, headers=others, media_type=fields.get("Content-Type"))

    async def bare() -> Response[None]:
        return Response(None, status_code=status, headers=others, media_type=fields.get("Content-Type"))

    heading = name.startswith("head")
    method: Any = ["HEAD" if heading else "GET"]
    handler = bare if heading or status in (204, 304) else fixed
    return route(f"/{name}", http_method=method, name=name, status_code=status)(handler)


def _streamed(name: str) -> Any:
    @route(f"/{name}", http_method=["GET"], name=name)
    async def streamed() -> Stream:
        return Stream(answers.async_streams[name](), media_type=answers.kind_of(name))

    return streamed


@route("/endless-in-threads", http_method=["GET"])
async def endless_in_threads() -> Stream:
    return Stream(answers.endless("endless-in-threads"), media_type=answers.TEXT)


@route("/redirect", http_method=["GET"], status_code=302)
async def redirect() -> Redirect:
    return Redirect("/next", query_params={"token": "abc"})


@route("/many-cookies", http_method=["GET"])
async def many_cookies() -> Response[str]:
    response = Response("content", media_type=MediaType.TEXT, headers={"X-Mixed-CASE": "1"})
    response.set_cookie("a", "1", httponly=True)
    response.set_cookie("b", "2")
    return response


@route("/file", http_method=["GET"])
async def file() -> File:
    return File(answers.FILE)


@route("/work-afterwards", http_method=["GET"])
async def work_afterwards() -> Response[str]:
    return Response("accepted", background=BackgroundTask(answers.work_afterwards))


@route("/raises-at-once", http_method=["GET"])
async def raises_at_once() -> None:
    raise answers.SceneError


@route("/raises-at-the-end", http_method=["GET"])
async def raises_at_the_end() -> Response[str]:
    return Response("whole", background=BackgroundTask(answers.raise_afterwards))


@asgi("/mounted", is_mount=True, copy_scope=True)
async def mounted(scope: Any, receive: Any, send: Any) -> None:
    body = await scenes.words.body_of(receive)
    await scenes.answer(send, f"{scope['path']} {scope['root_path']} {body!r}".encode())


app: Final = Litestar(
    [
        *(
            mirrored,
            mirrored_beneath,
            head,
            json_body,
            form_body,
            multipart_body,
            uploaded,
            unread,
            slow_upload,
        ),
        *(
            endless_in_threads,
            redirect,
            many_cookies,
            file,
            work_afterwards,
            raises_at_once,
            raises_at_the_end,
        ),
        *map(_fixed, answers.FIXED),
        *map(_streamed, answers.async_streams),
        mounted,
    ],
    compression_config=CompressionConfig(backend="gzip", minimum_size=1),
    openapi_config=None,
)
app.asgi_handler = players.NotedASGI(app.asgi_handler)
PLAYS: Final = answers.with_more(
    *("slow-upload", "zipped-pieces", "endless-in-threads", "work-afterwards", "raises-at-the-end", "mounted")
)
