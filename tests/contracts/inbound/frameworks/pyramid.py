"""The scenes on Pyramid, with a WSGI app mounted in it."""

from __future__ import annotations

from typing import Any, Final

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.response import FileResponse, Response
from pyramid.wsgi import wsgiapp2

from contracts.inbound.frameworks import answers
from spantap.testing import scenes
from spantap.testing.players import NotedWSGI
from spantap.testing.stage import note

PLAYS: Final = answers.with_more("slow-upload", "left-mid-upload", "mounted", less=("chunked-body",))


def mirrored(request: Any) -> Response:
    query = list(request.params.items())
    content = answers.mirror(request.method, request.path, query, request.headers.items())
    return Response(content, content_type="text/plain", charset="utf-8")


def json_body(request: Any) -> Any:
    return request.json_body


def form_body(request: Any) -> Any:
    return list(request.POST.items())


def multipart_body(request: Any) -> Any:
    return [
        [name, [value.filename, answers.digest(value.file.read())] if hasattr(value, "file") else value]
        for name, value in request.POST.items()
    ]


def uploaded(request: Any) -> Response:
    return Response(answers.digest(request.body))


def unread(request: Any) -> Response:
    return Response("not read")


def slow_upload(request: Any) -> Response:
    first = request.body_file.read(4096)
    note("slow-upload", "has the first half")
    return Response(answers.digest(first + request.body_file.read(4096)))


def left_mid_upload(request: Any) -> Response:
    try:
        return Response(answers.digest(request.body))
    except Exception as error:
        note("left-mid-upload", f"reading raised {type(error).__name__}")
        raise


def _fixed(name: str) -> Any:
    def fixed(request: Any) -> Response:
        status, fields, content = answers.FIXED[name]
        response = Response(content, status, list(fields.items()))
        if name == "zipped":
            response.encode_content()
        return response

    return fixed


def _streamed(name: str) -> Any:
    def streamed(request: Any) -> Response:
        return Response(
            app_iter=answers.streams[name](), headerlist=[("Content-Type", answers.kind_of(name))]
        )

    return streamed


def redirect(request: Any) -> Response:
    return HTTPFound("/next?token=abc")


def many_cookies(request: Any) -> Response:
    response = Response("content")
    response.set_cookie("a", "1", httponly=True)
    response.headers.add("X-Mixed-CASE", "1")
    response.set_cookie("b", "2")
    response.headers.add("x-mixed-case", "2")
    return response


def file(request: Any) -> Response:
    return FileResponse(str(answers.FILE), request)


def raises_at_once(request: Any) -> Response:
    raise answers.SceneError


def inner(environ: dict[str, Any], start_response: Any) -> Any:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return scenes.respond(
        start_response, f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']} {body!r}".encode()
    )


def _made() -> Any:
    with Configurator() as config:
        views: dict[str, Any] = {
            **dict.fromkeys(answers.REQUESTS, mirrored),
            **dict.fromkeys(answers.UPLOADS, uploaded),
            **dict.fromkeys(answers.UNREAD, unread),
            **{name: _fixed(name) for name in answers.FIXED},
            **{name: _streamed(name) for name in answers.streams},
            "slow-upload": slow_upload,
            "left-mid-upload": left_mid_upload,
            "redirect": redirect,
            "many-cookies": many_cookies,
            "file": file,
            "raises-at-once": raises_at_once,
        }
        parsed = {"json-body": json_body, "form-body": form_body, "multipart-body": multipart_body}
        for name in (*views, *parsed):
            config.add_route(name, f"/{name}")
            config.add_view(
                views.get(name) or parsed[name], route_name=name, renderer="json" if name in parsed else None
            )
        for name in answers.REQUESTS:
            config.add_route(f"{name} beneath", f"/{name}/*rest")
            config.add_view(mirrored, route_name=f"{name} beneath")
        config.add_route("mounted", "/mounted/*subpath")
        config.add_view(wsgiapp2(inner), route_name="mounted")
        return config.make_wsgi_app()


bare: Final = _made()
app: Final = NotedWSGI(bare)
