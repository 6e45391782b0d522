"""What many scenes say, in ASGI and in WSGI."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

TEXT: Final = ("Content-Type", "text/plain; charset=utf-8")
JSON: Final = ("Content-Type", "application/json")
Fields = Sequence[tuple[str, str]]


async def body_of(receive: Any) -> bytes:
    """The whole request body; what came of it when the client leaves."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


async def start(send: Any, status: int = 200, headers: Fields = (TEXT,), **more: Any) -> None:
    """The start of a response."""
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": encoded, **more})


async def piece(send: Any, body: bytes, *, more: bool = True) -> None:
    """A piece of a response's body."""
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def answer(send: Any, body: bytes = b"", status: int = 200, headers: Fields = (TEXT,)) -> None:
    """A response in one piece, its length announced."""
    length = () if status in (204, 304) else (("Content-Length", str(len(body))),)
    await start(send, status, (*headers, *length))
    await piece(send, body, more=False)


def reason(status: int) -> str:
    """A WSGI status line."""
    return f"{status} {HTTPStatus(status).phrase}"


def respond(
    start_response: Callable[..., Any], body: bytes = b"", status: int = 200, headers: Fields = (TEXT,)
) -> Iterable[bytes]:
    """A response in one piece, its length announced."""
    length = () if status in (204, 304) else (("Content-Length", str(len(body))),)
    start_response(reason(status), [*headers, *length])
    return [body] if body else []


def told(what: Any) -> bytes:
    """A fact as an answer."""
    return repr(what).encode("utf-8", "backslashreplace")
