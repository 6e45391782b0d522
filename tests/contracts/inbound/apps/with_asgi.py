"""The app on nothing but ASGI."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl

from contracts.inbound.apps import answers

Headers = list[tuple[str, str]]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    path, method = scope["path"], scope["method"]
    query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
    if path.startswith("/echo/") and method == "POST":
        name = path.removeprefix("/echo/")
        body = await _whole(receive)
        await asyncio.sleep(answers.ECHO_PAUSE)
        await _answer(send, answers.echo_body(name, body), answers.echo_headers(name))
    elif path in ("/stream", "/halfway"):
        await _stream(query, receive, send, broken=path == "/halfway")
    elif path == "/empty":
        await _answer(send, b"", [("X-Empty", "yes")], 204)
    elif path == "/boom":
        raise answers.BoomError(answers.BOOM)
    elif path == "/who":
        answer = await asyncio.to_thread(answers.who)
        await _answer(send, json.dumps(answer).encode(), [("Content-Type", "application/json")])
    else:
        text = {"/echo": answers.ECHO, "/big": answers.BIG, "/ignore": answers.IGNORED}.get(path)
        if path == "/file":
            text = answers.FILE.read_text()
        plain = [("Content-Type", "text/plain; charset=utf-8")]
        await _answer(send, (text or "nothing here").encode(), plain, 200 if text else 404)


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _whole(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


async def _answer(send: Any, body: bytes, headers: Headers, status: int = 200) -> None:
    length = [] if status == 204 else [("Content-Length", str(len(body)))]
    await _start(send, [*headers, *length], status)
    await send({"type": "http.response.body", "body": body})


async def _start(send: Any, headers: Headers, status: int = 200) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def _stream(query: dict[str, str], receive: Any, send: Any, *, broken: bool) -> None:
    name, pieces, held = answers.wanted(query)
    await _start(send, [("Content-Type", "text/plain")])
    await receive()  # the (empty) request; what comes next is the client's leaving
    left = asyncio.ensure_future(receive())
    finished = False
    try:
        for number in range(pieces):
            if broken and number == 2:
                raise answers.BoomError(answers.BOOM)
            body = answers.next_piece(name, number)
            await send({"type": "http.response.body", "body": body, "more_body": True})
            if held and number == 0:
                await asyncio.to_thread(answers.hold, name)
            await asyncio.wait([left], timeout=answers.PAUSE)
            if left.done():
                return
        finished = True
        await send({"type": "http.response.body", "body": b""})
    finally:
        left.cancel()
        answers.stream_over(name, finished)
