"""The scenes on Bottle, with another Bottle app mounted in it."""

from __future__ import annotations

from typing import Any, Final

from bottle import Bottle, HTTPResponse, redirect, request, response, static_file

from contracts.inbound.frameworks import answers
from spantap.testing.players import NotedWSGI
from spantap.testing.stage import note

PLAYS: Final = answers.with_more("slow-upload", "mounted", less=("zipped", "chunked-body"))
bare: Final = Bottle()


def mirrored(rest: str = "") -> str:
    response.content_type = answers.TEXT
    query = list(request.query.allitems())
    return answers.mirror(request.method, request.path, query, request.headers.items())


def uploaded() -> str:
    return answers.digest(request.body.read())


def unread() -> str:
    return "not read"


for _name in answers.REQUESTS:
    for _method in answers.METHODS:
        bare.route(f"/{_name}", _method, mirrored)
        bare.route(f"/{_name}/<rest:path>", _method, mirrored)
for _name in answers.UPLOADS:
    bare.post(f"/{_name}", callback=uploaded)
for _name in answers.UNREAD:
    bare.post(f"/{_name}", callback=unread)


@bare.post("/json-body")
def json_body() -> Any:
    return request.json


@bare.post("/form-body")
def form_body() -> Any:
    return dict(request.forms)


@bare.post("/multipart-body")
def multipart_body() -> Any:
    files = {
        name: [each.raw_filename, answers.digest(each.file.read())] for name, each in request.files.items()
    }
    return {"files": files, "form": dict(request.forms)}


@bare.post("/slow-upload")
def slow_upload() -> str:
    stream = request.environ["wsgi.input"]  # `request.body` is read to its end
    first = stream.read(4096)
    note("slow-upload", "has the first half")
    return answers.digest(first + stream.read(4096))


def _fixed(name: str) -> None:
    @bare.get(f"/{name}")
    def fixed() -> HTTPResponse:
        status, fields, content = answers.FIXED[name]
        return HTTPResponse(content, status, fields)


def _streamed(name: str) -> None:
    @bare.get(f"/{name}")
    def streamed() -> Any:
        response.content_type = answers.kind_of(name)
        return answers.streams[name]()


for _name in answers.FIXED:
    _fixed(_name)
for _name in answers.streams:
    _streamed(_name)


@bare.get("/redirect")
def redirected() -> None:
    redirect("/next?token=abc", 302)


@bare.get("/many-cookies")
def many_cookies() -> str:
    response.set_cookie("a", "1", httponly=True)
    response.add_header("X-Mixed-CASE", "1")
    response.set_cookie("b", "2")
    response.add_header("x-mixed-case", "2")
    return "content"


@bare.get("/file")
def file() -> Any:
    return static_file(answers.FILE.name, root=str(answers.FILE.parent))


@bare.get("/raises-at-once")
def raises_at_once() -> None:
    raise answers.SceneError


_sub: Final = Bottle()


@_sub.route("/inner", ["GET", "POST"])
def inner() -> Any:
    return {"script": request.script_name, "path": request.path, "body": request.body.read().decode()}


bare.mount("/mounted/", _sub)
app: Final = NotedWSGI(bare)
