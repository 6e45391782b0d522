"""Responses in one piece: statuses, header fields, types."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, ClassVar

from spantap.testing.scene import Client, Scene
from spantap.testing.scenes.words import JSON, TEXT, Fields, answer, piece, reason, respond, start

_PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


class _Fixed(Scene):
    """Always the same answer."""

    code: ClassVar[int] = 200
    fields: ClassVar[Fields] = (TEXT,)
    content: ClassVar[bytes] = b"content"

    def __init_subclass__(cls) -> None:
        cls.status = cls.code
        super().__init_subclass__()

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, self.content, self.code, self.fields)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        return respond(start_response, self.content, self.code, self.fields)


class Empty(_Fixed):
    """200 with nothing in it"""

    content: ClassVar[bytes] = b""


class NoContent(_Fixed):
    """204"""

    code: ClassVar[int] = 204
    content: ClassVar[bytes] = b""
    fields: ClassVar[Fields] = (("X-Empty", "yes"),)


class NotModified(_Fixed):
    """304 with a validator"""

    code: ClassVar[int] = 304
    content: ClassVar[bytes] = b""
    fields: ClassVar[Fields] = (("ETag", '"v1"'),)


class Redirect(_Fixed):
    """302 with a token in its Location"""

    code: ClassVar[int] = 302
    fields: ClassVar[Fields] = (("Location", "/next?token=abc"), TEXT)


class ServerError(_Fixed):
    """503 with Retry-After"""

    code: ClassVar[int] = 503
    fields: ClassVar[Fields] = (("Retry-After", "10"), JSON)
    content: ClassVar[bytes] = b'{"error":"later"}'


class Latin(_Fixed):
    """Text in another charset"""

    fields: ClassVar[Fields] = (("Content-Type", "text/plain; charset=iso-8859-1"),)
    content: ClassVar[bytes] = "café".encode("latin-1")


class Picture(_Fixed):
    """Binary"""

    fields: ClassVar[Fields] = (("Content-Type", "image/png"),)
    content: ClassVar[bytes] = _PICTURE


class Compressed(_Fixed):
    """Compressed by the app"""

    fields: ClassVar[Fields] = (JSON, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    content: ClassVar[bytes] = gzip.compress(b'{"token":"secret-value-1"}', mtime=0)


class Large(_Fixed):
    """A hundred kilobytes in one piece"""

    content: ClassVar[bytes] = b"0123456789" * 10240


class ManyCookies(_Fixed):
    """Fields of one name, in mixed case and in order"""

    fields: ClassVar[Fields] = (
        ("Set-Cookie", "a=1; Path=/; HttpOnly"),
        ("X-Mixed-CASE", "1"),
        ("Set-Cookie", "b=2"),
        ("x-mixed-case", "2"),
        ("Set-Cookie", "a=3; Expires=Wed, 21 Oct 2037 07:28:00 GMT"),
        TEXT,
    )


class NoType(_Fixed):
    """No Content-Type"""

    fields: ClassVar[Fields] = (("X-A", "b"),)


class HeadOfLarge(Large):
    """HEAD of a hundred kilobytes"""

    def speak(self, client: Client) -> None:
        client.ask("HEAD")


class NoLength(Scene):
    """A body whose length the app does not tell"""

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await piece(send, b"no length", more=False)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        return [b"no length"]


class WrongLength(Scene):
    """A body shorter than its Content-Length"""

    status: ClassVar[int | None] = None

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await start(send, headers=(TEXT, ("Content-Length", "100")))
        await piece(send, b"short", more=False)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [TEXT, ("Content-Length", "100")])
        return [b"short"]


class File(Scene):
    """A file, by the server's own means where it has any"""

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        path = Path(__file__)
        await start(send, headers=(TEXT, ("Content-Length", str(path.stat().st_size))))
        if "http.response.pathsend" in (scope.get("extensions") or {}):
            await send({"type": "http.response.pathsend", "path": str(path)})
        else:
            await piece(send, path.read_bytes(), more=False)

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = Path(__file__)
        start_response("200 OK", [TEXT, ("Content-Length", str(path.stat().st_size))])
        wrapper = environ.get("wsgi.file_wrapper")
        file = path.open("rb")
        return wrapper(file, 4096) if wrapper else iter(lambda: file.read(4096), b"")


class SeveralInAList(Scene):
    """A list of several pieces"""

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        return [b"one ", b"", b"two ", b"three"]


class ATuple(Scene):
    """A tuple"""

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        return (b"only",)


class Written(Scene):
    """`write()` before anything is returned"""

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [TEXT])
        write(b"written ")
        write(b"twice ")
        return [b"and returned"]


class StartedLate(Scene):
    """`start_response` is called at the first `next()`"""

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        def pieces() -> Any:
            start_response("200 OK", [TEXT])
            yield b"late"

        return pieces()


class StartedTwice(Scene):
    """An error page in the place of an answer: `start_response` again, with `exc_info`"""

    status: ClassVar[int | None] = 500

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Any:
        import sys

        start_response("200 OK", [TEXT, ("X-First", "1")])
        try:
            raise ValueError("as asked")
        except ValueError:
            start_response(reason(500), [TEXT], sys.exc_info())
        return [b"an error page"]


class EarlyHints(Scene):
    """103 before the answer, where the server can"""

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        if "http.response.early_hint" in (scope.get("extensions") or {}):
            await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        await answer(send, b"hinted")


class Trailers(Scene):
    """Trailers after the answer, where the server can"""

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        can = "http.response.trailers" in (scope.get("extensions") or {})
        await start(send, headers=(TEXT, ("Trailer", "x-sum")), **({"trailers": True} if can else {}))
        await piece(send, b"with trailers", more=False)
        if can:
            await send(
                {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": False}
            )
