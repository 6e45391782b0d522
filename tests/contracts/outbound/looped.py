"""Adapters of the clients that run in an event loop: httpx, aiohttp. Scenes call them as if they blocked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

import httpx

from contracts.outbound.adapter import Ask, Client, Reply
from contracts.outbound.threaded import HttpxReply


class Loop:
    """An event loop that runs while something is waited for."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.slow_callback_duration = 60.0  # a machine may be busy

    def wait(self, awaitable: Any) -> Any:
        """What an awaitable gives."""
        return self.loop.run_until_complete(awaitable)

    def close(self) -> None:
        """End it, and what still runs in it."""
        self.wait(self.loop.shutdown_asyncgens())
        self.wait(asyncio.sleep(0.01))  # transports close with the next turn
        self.loop.close()


async def _gathered(pieces: Any) -> list[Any]:
    return [piece async for piece in pieces]


async def _made(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


class AsyncHttpxReply(HttpxReply):
    def __init__(self, raw: Any, loop: Loop) -> None:
        super().__init__(raw)
        self._loop = loop

    def read(self) -> bytes:
        return bytes(self._loop.wait(self.raw.aread()))

    def piece(self, size: int) -> bytes:
        if self._pieces is None:
            self._pieces = self.raw.aiter_bytes()
        return bytes(self._loop.wait(anext(self._pieces, b"")))

    def close(self) -> None:
        self._loop.wait(self.raw.aclose())


async def _twice(response: Any) -> Any:
    return await _gathered(response.aiter_bytes(7)), await _gathered(response.aiter_raw())


async def _closed_twice(response: Any) -> Any:
    await response.aclose()
    await response.aclose()
    return response.is_closed


class AsyncHttpx(Client):
    name, door = "httpx-async", "httpx"
    asynchronous = hooks = digests = True
    ways: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "aiter_bytes": lambda r: _gathered(r.aiter_bytes(7)),
        "aiter_raw": lambda r: _gathered(r.aiter_raw(7)),
        "aiter_lines": lambda r: _gathered(r.aiter_lines()),
        "aread": lambda r: r.aread(),
        "twice": _twice,
        "close twice": _closed_twice,
    }

    def __init__(self, certificate: str | None = None, proxy: str | None = None) -> None:
        verify: Any = ssl.create_default_context(cafile=certificate) if certificate else False
        self._loop = Loop()
        self.client = httpx.AsyncClient(trust_env=False, verify=verify, proxy=proxy)

    def send(self, ask: Ask) -> Reply:
        return self._loop.wait(self._sent(ask))  # type: ignore[no-any-return]

    async def _sent(self, ask: Ask) -> Reply:
        hook = ask.hook

        async def hooked(response: Any) -> None:
            if hook is not None:
                hook(response)

        self.client.timeout = httpx.Timeout(ask.timeout)
        self.client.event_hooks = {"response": [hooked]}
        request = self.client.build_request(
            ask.method, ask.url, headers=ask.headers, content=ask.body, **ask.options
        )
        auth = httpx.DigestAuth(*ask.digest) if ask.digest else None
        sent = await self.client.send(request, stream=ask.stream, follow_redirects=ask.redirects, auth=auth)
        return AsyncHttpxReply(sent, self._loop)

    def close(self) -> None:
        self._loop.wait(self.client.aclose())
        self._loop.close()

    def turn(self) -> None:
        self._loop.wait(asyncio.sleep(0.01))

    def generator(self, pieces: Iterable[bytes]) -> Any:
        return _made(pieces)

    def read_in(self, way: str, reply: Reply) -> Any:
        return self._loop.wait(self.ways[way](reply.raw))


class AiohttpReply(Reply):
    # The last three are on their way out.
    skipped = frozenset({"connection", "output_size", "upload_complete", "url_obj"})
    early = frozenset({"closed", "total_bytes", "total_raw_bytes", "total_compressed_bytes"})

    def __init__(self, raw: Any, loop: Loop) -> None:
        super().__init__(raw)
        self._loop = loop

    def read(self) -> bytes:
        return bytes(self._loop.wait(self.raw.read()))

    def piece(self, size: int) -> bytes:
        return bytes(self._loop.wait(self.raw.content.readany()))

    def close(self) -> None:
        self.raw.close()

    def parts(self) -> Iterable[Any]:
        return (self.raw, self.raw.content, *self.raw.history)


async def _until_nothing(read: Any) -> bytes:
    parts = []
    while part := await read():
        parts.append(part)
    return b"".join(parts)


async def _exactly(response: Any) -> Any:
    return await response.content.readexactly(7), await response.content.read()


async def _too_exactly(response: Any) -> Any:
    return await response.content.readexactly(7_000_000)


async def _left(response: Any) -> Any:
    async with response:
        pass
    return response.closed


async def _released(response: Any) -> Any:
    response.release()
    return response.closed


async def _read_twice(response: Any) -> Any:
    return await response.read(), await response.read(), await response.text()


class Aiohttp(Client):
    name = door = "aiohttp"
    asynchronous = True
    ways: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "read": lambda r: r.read(),
        "text": lambda r: r.text(),
        "json": lambda r: r.json(content_type=None),
        "content.read": lambda r: _until_nothing(lambda: r.content.read(7)),
        "content.readany": lambda r: _until_nothing(r.content.readany),
        "content.readline": lambda r: _until_nothing(r.content.readline),
        "content.readexactly": _exactly,
        "content.readexactly, too much": _too_exactly,
        "iter_chunked": lambda r: _gathered(r.content.iter_chunked(7)),
        "iterate": lambda r: _gathered(r.content),
        "leave": _left,
        "release": _released,
        "twice": _read_twice,
    }

    def __init__(self, certificate: str | None = None, proxy: str | None = None) -> None:
        import aiohttp

        self._aiohttp: Any = aiohttp
        self._ssl: Any = ssl.create_default_context(cafile=certificate) if certificate else True
        self._proxy = proxy
        self._loop = Loop()
        self._session: Any = None

    def send(self, ask: Ask) -> Reply:
        return self._loop.wait(self._sent(ask))  # type: ignore[no-any-return]

    async def _sent(self, ask: Ask) -> Reply:
        if self._session is None:
            self._session = self._aiohttp.ClientSession()
        response = await self._session.request(
            ask.method,
            ask.url,
            headers=ask.headers,
            data=ask.body,
            allow_redirects=ask.redirects,
            timeout=self._aiohttp.ClientTimeout(total=None, sock_read=ask.timeout, sock_connect=ask.timeout),
            ssl=self._ssl,
            proxy=self._proxy,
            **ask.options,
        )
        if not ask.stream:
            await response.read()
        return AiohttpReply(response, self._loop)

    def close(self) -> None:
        if self._session is not None:
            self._loop.wait(self._session.close())
        self._loop.close()

    def turn(self) -> None:
        self._loop.wait(asyncio.sleep(0.01))

    def generator(self, pieces: Iterable[bytes]) -> Any:
        return _made(pieces)

    def read_in(self, way: str, reply: Reply) -> Any:
        return self._loop.wait(self.ways[way](reply.raw))


LOOPED: Final[tuple[type[Client], ...]] = (AsyncHttpx, Aiohttp)
