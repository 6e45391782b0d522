"""The scenes on Quart."""

from __future__ import annotations

from typing import Any, Final

from quart import Quart, Response, jsonify, make_response, redirect, request, send_file

from contracts.inbound.frameworks import answers
from spantap.testing.players import NotedASGI
from spantap.testing.stage import note

app: Final = Quart(__name__)
PLAYS: Final = answers.with_more(
    *("slow-upload", "left-mid-upload", "endless-in-threads", "work-afterwards", "raises-at-the-end"),
    less=("zipped",),
)


async def mirrored(rest: str = "") -> Response:
    query = list(request.args.items(multi=True))
    content = answers.mirror(request.method, request.path, query, request.headers.items())
    return Response(content, content_type=answers.TEXT)


for _name in answers.REQUESTS:
    _methods = [each for each in answers.METHODS if each != "OPTIONS"]
    app.add_url_rule(f"/{_name}", view_func=mirrored, methods=_methods)
    app.add_url_rule(f"/{_name}/<path:rest>", view_func=mirrored, methods=_methods)


@app.post("/json-body")
async def json_body() -> Any:
    return jsonify(await request.get_json())


@app.post("/form-body")
async def form_body() -> Any:
    return jsonify(list((await request.form).items(multi=True)))


@app.post("/multipart-body")
async def multipart_body() -> Any:
    files = {
        name: [each.filename, answers.digest(each.read())] for name, each in (await request.files).items()
    }
    return {"files": files, "form": (await request.form).to_dict()}


async def uploaded() -> str:
    return answers.digest(await request.data)


async def unread() -> str:
    return "not read"


for _name in answers.UPLOADS:
    app.add_url_rule(f"/{_name}", view_func=uploaded, methods=["POST"])
for _name in answers.UNREAD:
    app.add_url_rule(f"/{_name}", view_func=unread, methods=["POST"])


@app.post("/slow-upload")
async def slow_upload() -> str:
    body = b""
    async for chunk in request.body:
        body += chunk
        if len(body) == 4096:
            note("slow-upload", "has the first half")
    return answers.digest(body)


@app.post("/left-mid-upload")
async def left_mid_upload() -> str:
    try:
        return answers.digest(await request.data)
    except BaseException as error:
        note("left-mid-upload", f"reading raised {type(error).__name__}")
        raise


@app.get("/<any(empty,'no-content','not-modified','server-error',latin,picture,large,'head-of-large'):name>")
async def fixed(name: str) -> Response:
    status, fields, content = answers.FIXED[name]
    return Response(content, status, fields)


def _streamed(name: str) -> None:
    async def streamed() -> Any:
        return answers.async_streams[name](), 200, {"Content-Type": answers.kind_of(name)}

    app.add_url_rule(f"/{name}", name, streamed)


for _name in answers.async_streams:
    _streamed(_name)


@app.get("/endless-in-threads")
async def endless_in_threads() -> Any:
    return answers.endless("endless-in-threads"), 200, {"Content-Type": answers.TEXT}


@app.get("/redirect")
async def redirected() -> Any:
    return redirect("/next?token=abc")


@app.get("/many-cookies")
async def many_cookies() -> Any:
    response: Any = await make_response("content")
    response.set_cookie("a", "1", httponly=True)
    response.headers.add("X-Mixed-CASE", "1")
    response.set_cookie("b", "2")
    response.headers.add("x-mixed-case", "2")
    response.set_cookie("a", "3", expires="Wed, 21 Oct 2037 07:28:00 GMT")
    return response


@app.get("/file")
async def file() -> Any:
    return await send_file(answers.FILE)


@app.get("/work-afterwards")
async def work_afterwards() -> str:
    app.add_background_task(answers.work_afterwards)
    return "accepted"


@app.get("/raises-at-once")
async def raises_at_once() -> str:
    raise answers.SceneError


@app.get("/raises-at-the-end")
async def raises_at_the_end() -> str:
    app.add_background_task(answers.raise_afterwards)
    return "whole"


app.asgi_app = NotedASGI(app.asgi_app)  # type: ignore[method-assign]
