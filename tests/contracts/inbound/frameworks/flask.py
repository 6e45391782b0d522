"""The scenes on Flask, with another Flask app mounted in it."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask, Response, jsonify, make_response, redirect, request, send_file, stream_with_context
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from contracts.inbound.frameworks import answers
from spantap.testing.players import NotedWSGI
from spantap.testing.stage import note, wait

app: Final = Flask(__name__)
PLAYS: Final = answers.with_more(
    *("slow-upload", "left-mid-upload", "work-afterwards", "raises-in-close", "mounted"),
    less=("zipped",),
)


def mirrored(rest: str = "") -> Response:
    query = list(request.args.items(multi=True))
    content = answers.mirror(request.method, request.path, query, request.headers.items())
    return Response(content, content_type=answers.TEXT)


for _name in answers.REQUESTS:
    _methods = [each for each in answers.METHODS if each != "OPTIONS"]
    app.add_url_rule(f"/{_name}", view_func=mirrored, methods=_methods)
    app.add_url_rule(f"/{_name}/<path:rest>", view_func=mirrored, methods=_methods)


@app.post("/json-body")
def json_body() -> Any:
    return jsonify(request.get_json())


@app.post("/form-body")
def form_body() -> Any:
    return jsonify(list(request.form.items(multi=True)))


@app.post("/multipart-body")
def multipart_body() -> Any:
    files = {
        name: [each.filename, answers.digest(each.read())] for name, each in request.files.items(multi=True)
    }
    return {"files": files, "form": request.form.to_dict()}


def uploaded() -> str:
    return answers.digest(request.get_data())


def unread() -> str:
    return "not read"


for _name in answers.UPLOADS:
    app.add_url_rule(f"/{_name}", view_func=uploaded, methods=["POST"])
for _name in answers.UNREAD:
    app.add_url_rule(f"/{_name}", view_func=unread, methods=["POST"])


@app.post("/slow-upload")
def slow_upload() -> str:
    first = request.stream.read(4096)
    note("slow-upload", "has the first half")
    return answers.digest(first + request.stream.read())


@app.post("/left-mid-upload")
def left_mid_upload() -> str:
    try:
        return answers.digest(request.get_data())
    except Exception as error:
        note("left-mid-upload", f"reading raised {type(error).__name__}")
        raise


@app.get("/<any(empty,'no-content','not-modified','server-error',latin,picture,large,'head-of-large'):name>")
def fixed(name: str) -> Response:
    status, fields, content = answers.FIXED[name]
    return Response(content, status, fields)


def _streamed(name: str) -> None:
    def streamed() -> Any:
        return stream_with_context(answers.streams[name]()), {"Content-Type": answers.kind_of(name)}

    app.add_url_rule(f"/{name}", name, streamed)


for _name in answers.streams:
    _streamed(_name)


@app.get("/redirect")
def redirected() -> Any:
    return redirect("/next?token=abc")


@app.get("/many-cookies")
def many_cookies() -> Response:
    response = make_response("content")
    response.set_cookie("a", "1", httponly=True)
    response.headers.add("X-Mixed-CASE", "1")
    response.set_cookie("b", "2")
    response.headers.add("x-mixed-case", "2")
    response.set_cookie("a", "3", expires="Wed, 21 Oct 2037 07:28:00 GMT")
    return response


@app.get("/file")
def file() -> Any:
    return send_file(answers.FILE)


@app.get("/work-afterwards")
def work_afterwards() -> Response:
    response = make_response("accepted")

    @response.call_on_close
    def work() -> None:
        wait("work-afterwards")
        note("work-afterwards", "work done")

    return response


@app.get("/raises-in-close")
def raises_in_close() -> Response:
    response = make_response("whole")

    @response.call_on_close
    def fail() -> None:
        raise answers.SceneError

    return response


@app.get("/raises-at-once")
def raises_at_once() -> str:
    raise answers.SceneError


_sub: Final = Flask("sub")


@_sub.route("/inner", methods=["GET", "POST"])
def inner() -> Any:
    return {"root": request.root_path, "path": request.path, "body": request.get_data(as_text=True)}


app.wsgi_app = NotedWSGI(DispatcherMiddleware(app.wsgi_app, {"/mounted": _sub}))  # type: ignore[method-assign]
