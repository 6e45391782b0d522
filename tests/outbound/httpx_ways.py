"""The ways to use httpx: its two clients, the loops the one that is awaited runs on, and its sister httpx2.

A test is a coroutine that is played in each way. For the client that blocks it awaits nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import pytest


@dataclass(frozen=True)
class Way:
    """One of them.

    Attributes:
        name: of the module.
        loop: ``asyncio`` or ``trio``; None for the client that blocks.
    """

    name: str
    loop: str | None

    def __str__(self) -> str:
        return f"{self.name}-{self.loop or 'blocking'}"

    @property
    def module(self) -> Any:
        """httpx, or httpx2."""
        return importlib.import_module(self.name)

    @property
    def transport(self) -> tuple[Any, str]:
        """The class a request goes through, and its function."""
        if self.loop is None:
            return self.module.HTTPTransport, "handle_request"
        return self.module.AsyncHTTPTransport, "handle_async_request"

    def client(self, **options: Any) -> Any:
        """A client that looks for no proxies, and loads no certificates unless it is told to."""
        kind = self.module.Client if self.loop is None else self.module.AsyncClient
        return kind(**{"trust_env": False, "verify": False, "timeout": 60, **options})

    def play(self, scene: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any) -> Any:
        """Run a scene with a client, which is closed at its end; what the scene returns."""

        async def playing() -> Any:
            client = self.client(**options)
            try:
                return await scene(client, *arguments)
            finally:
                await self.close(client)

        return anyio.run(playing, backend=self.loop or "asyncio")

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function of the client's, which is awaited if it has to be."""
        result = function(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    async def close(self, closed: Any) -> None:
        """Close a client or a response."""
        await self.call(closed.close if self.loop is None else closed.aclose)

    async def read(self, response: Any) -> bytes:
        """Read a response to its end."""
        body: bytes = await self.call(response.read if self.loop is None else response.aread)
        return body

    def chunks(self, response: Any, name: str = "iter_raw", *args: Any) -> AsyncIterator[Any]:
        """What `iter_raw`, `iter_bytes`... of a response gives."""
        if self.loop is not None:
            found: AsyncIterator[Any] = getattr(response, f"a{name}")(*args)
            return found
        return _awaited(getattr(response, name)(*args))

    def streamed(self, *chunks: bytes) -> Any:
        """A generator for a body."""
        return _awaited(iter(chunks)) if self.loop else (chunk for chunk in chunks)


async def _awaited(chunks: Any) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


_ENOUGH = ("httpx2", "trio")
_NAMES = ("httpx", "httpx2") if importlib.util.find_spec("httpx2") else ("httpx",)  # Python 3.11 on
WAYS = [Way(name, loop) for name in _NAMES for loop in (None, "asyncio", "trio") if (name, loop) != _ENOUGH]
in_all_ways = pytest.mark.parametrize("way", WAYS, ids=str)
