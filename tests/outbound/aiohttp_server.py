"""The server on the other side for what an asynchronous client may meet: it runs on a loop of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from typing import Any

from aiohttp import WSMsgType, web

from outbound.far_server import Asked

PLAIN = {"Content-Type": "text/plain"}
LINES = b"".join(b"line %d of the answer\n" % number for number in range(40))


def spans_told(asked: list[Asked]) -> list[str]:
    """The span each request named as its parent."""
    return [each.headers["traceparent"].split("-")[2] for each in asked]


class AsyncServer:
    """Runs from `with` to its end, on a port of its own.

    Attributes:
        asked: the requests whose bodies came whole, in the order they came.
        connections: how many were made.
        arrived: set when a request has come to a place that waits.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self.arrived = threading.Event()
        self._tls = tls
        self._gate = asyncio.Event()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), daemon=True)
        self.url = ""

    def open_gate(self) -> None:
        """Let go on what waits."""
        self._loop.call_soon_threadsafe(self._gate.set)

    def __enter__(self) -> AsyncServer:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *args: object) -> None:
        self._loop.call_soon_threadsafe(self._gate.set)
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        for path, view in {
            "/echo": self._echo,
            "/lines": self._lines,
            "/gated": self._gated,
            "/reset": self._reset,
            "/short": self._short,
            "/redirect": self._redirect,
            "/never": self._never,
            "/flaky": self._flaky,
            "/status": self._status,
            "/websocket": self._websocket,
        }.items():
            app.router.add_route("*", path, view)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        made = runner.server
        assert made is not None

        def connected() -> Any:
            self.connections += 1
            return made()

        server = await self._loop.create_server(connected, "127.0.0.1", 0, ssl=self._tls)
        scheme = "http" if self._tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        await runner.cleanup()

    async def _noted(self, request: web.Request) -> Asked:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, request.path_qs, headers, await request.read())
        self.asked.append(asked)
        return asked

    async def _echo(self, request: web.Request) -> web.Response:
        asked = await self._noted(request)
        return web.json_response({"got": len(asked.body), "password": "s3cret-of-theirs"})

    async def _lines(self, request: web.Request) -> web.StreamResponse:
        """The lines: at once, or chunked, or packed."""
        await self._noted(request)
        packed = {"Content-Encoding": request.query["coding"]} if "coding" in request.query else {}
        body = bytes.fromhex(request.query["packed"]) if "packed" in request.query else LINES
        if "chunked" not in request.query:
            return web.Response(body=body, headers={**PLAIN, **packed})
        response = web.StreamResponse(headers={**PLAIN, **packed})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for at in range(0, len(body), 50):
            await response.write(body[at : at + 50])
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    async def _gated(self, request: web.Request) -> web.StreamResponse:
        """Half of the lines; the other when the gate opens."""
        await self._noted(request)
        response = web.StreamResponse(headers={**PLAIN, "Content-Length": str(len(LINES))})
        await response.prepare(request)
        await response.write(LINES[:500])
        self.arrived.set()
        await self._gate.wait()
        await response.write(LINES[500:])
        return response

    async def _reset(self, request: web.Request) -> web.StreamResponse:
        """Headers and half of the lines; then the connection is gone."""
        await self._noted(request)
        response = web.StreamResponse(headers={**PLAIN, "Content-Length": str(len(LINES))})
        await response.prepare(request)
        await response.write(LINES[:500])
        await self._gate.wait()
        assert request.transport is not None
        request.transport.abort()
        return response

    async def _short(self, request: web.Request) -> web.StreamResponse:
        """Closed before anything is said."""
        await self._noted(request)
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def _flaky(self, request: web.Request) -> web.StreamResponse:
        """Closed without a word the first time; then an answer."""
        asked = await self._noted(request)
        if sum(each.target == asked.target for each in self.asked) == 1:
            assert request.transport is not None
            request.transport.close()
        return web.json_response({})

    async def _redirect(self, request: web.Request) -> web.Response:
        await self._noted(request)
        headers = {"Location": request.query["to"]}
        return web.Response(status=int(request.query.get("status", "307")), headers=headers, text="there")

    async def _never(self, request: web.Request) -> web.Response:
        self.arrived.set()
        await self._gate.wait()
        return web.Response()

    async def _status(self, request: web.Request) -> web.Response:
        await self._noted(request)
        return web.Response(status=int(request.query["code"]), text="said")

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data[::-1])
        return socket
