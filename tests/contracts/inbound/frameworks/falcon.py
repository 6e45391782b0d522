"""The scenes on Falcon."""

from __future__ import annotations

from typing import Any, Final

import falcon

from contracts.inbound.frameworks import answers
from spantap.testing.players import NotedWSGI
from spantap.testing.stage import note

PLAYS: Final = answers.with_more("slow-upload", less=("zipped",))


class Mirrored:
    def on_get(self, req: Any, resp: Any, rest: str = "") -> None:
        resp.text = answers.mirror(req.method, req.path, req.params, req.headers.items())
        resp.content_type = answers.TEXT

    on_head = on_post = on_get


class JSONBody:
    def on_post(self, req: Any, resp: Any) -> None:
        resp.media = req.media


class MultipartBody:
    def on_post(self, req: Any, resp: Any) -> None:
        resp.media = [[part.name, part.filename, answers.digest(part.stream.read())] for part in req.media]


class Uploaded:
    def on_post(self, req: Any, resp: Any) -> None:
        stream = req.stream if req.get_header("Transfer-Encoding") else req.bounded_stream
        resp.text = answers.digest(stream.read())


class Unread:
    def on_post(self, req: Any, resp: Any) -> None:
        resp.text = "not read"


class SlowUpload:
    def on_post(self, req: Any, resp: Any) -> None:
        first = req.bounded_stream.read(4096)
        note("slow-upload", "has the first half")
        resp.text = answers.digest(first + req.bounded_stream.read())


class Fixed:
    def __init__(self, name: str) -> None:
        self._name = name

    def on_get(self, req: Any, resp: Any) -> None:
        status, fields, resp.data = answers.FIXED[self._name]
        resp.status = status
        resp.set_headers(fields)

    on_head = on_get


class Streamed:
    def __init__(self, name: str) -> None:
        self._name = name

    def on_get(self, req: Any, resp: Any) -> None:
        resp.stream = answers.streams[self._name]()
        resp.content_type = answers.kind_of(self._name)


class Redirect:
    def on_get(self, req: Any, resp: Any) -> None:
        raise falcon.HTTPFound("/next?token=abc")


class ManyCookies:
    def on_get(self, req: Any, resp: Any) -> None:
        resp.text = "content"
        resp.set_cookie("a", "1")
        resp.append_header("X-Mixed-CASE", "1")
        resp.set_cookie("b", "2", secure=False)
        resp.append_header("x-mixed-case", "2")


class File:
    def on_get(self, req: Any, resp: Any) -> None:
        resp.set_stream(answers.FILE.open("rb"), answers.FILE.stat().st_size)
        resp.content_type = answers.TEXT


class Raises:
    def on_get(self, req: Any, resp: Any) -> None:
        raise answers.SceneError


bare: Final = falcon.App()
for _name in answers.REQUESTS:
    bare.add_route(f"/{_name}", Mirrored())
    bare.add_route(f"/{_name}/{{rest:path}}", Mirrored())
for _name in answers.UPLOADS:
    bare.add_route(f"/{_name}", Uploaded())
for _name in answers.UNREAD:
    bare.add_route(f"/{_name}", Unread())
for _name in answers.FIXED:
    bare.add_route(f"/{_name}", Fixed(_name))
for _name in answers.streams:
    bare.add_route(f"/{_name}", Streamed(_name))
bare.add_route("/json-body", JSONBody())
bare.add_route("/form-body", JSONBody())
bare.add_route("/multipart-body", MultipartBody())
bare.add_route("/slow-upload", SlowUpload())
bare.add_route("/redirect", Redirect())
bare.add_route("/many-cookies", ManyCookies())
bare.add_route("/file", File())
bare.add_route("/raises-at-once", Raises())
app: Final = NotedWSGI(bare)
