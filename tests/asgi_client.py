"""Calls an ASGI app in process, message by message: for what a socket would hide."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]


def scope(
    method: str = "GET", path: str = "/", headers: Iterable[tuple[str, str]] = (), query: str = ""
) -> Message:
    """An HTTP scope as uvicorn makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }


def call(app: Any, request: Message, *chunks: bytes) -> list[Message]:
    """Call the app once; the messages it sent, in order."""
    sent: list[Message] = []
    last = len(chunks) - 1
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": number < last}
        for number, chunk in enumerate(chunks)
    ] or [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(request, receive, send))
    return sent


def responding(body: bytes, *, status: int = 200, content_type: bytes = b"application/json") -> Any:
    """An app that reads its request and answers with one body."""

    async def app(scope: Message, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type)]}
        )
        await send({"type": "http.response.body", "body": body})

    return app
