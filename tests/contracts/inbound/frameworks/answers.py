"""What the apps answer, whatever they are made with."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from spantap.testing.scenes.composed import ZIPPED
from spantap.testing.stage import note, wait, wait_async

TEXT: Final = "text/plain; charset=utf-8"
EVENTS: Final = "text/event-stream"
FILE: Final = Path(__file__).parents[1] / "apps" / "a_file.txt"
FIXED: Final[Mapping[str, tuple[int, dict[str, str], bytes]]] = {
    "empty": (200, {"Content-Type": TEXT}, b""),
    "no-content": (204, {"X-Empty": "yes"}, b""),
    "not-modified": (304, {"ETag": '"v1"'}, b""),
    "server-error": (503, {"Content-Type": "application/json", "Retry-After": "10"}, b'{"error":"later"}'),
    "latin": (200, {"Content-Type": "text/plain; charset=iso-8859-1"}, "café".encode("latin-1")),
    "picture": (200, {"Content-Type": "image/png"}, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8),
    "large": (200, {"Content-Type": TEXT}, b"0123456789" * 10240),
    "head-of-large": (200, {"Content-Type": TEXT}, b"0123456789" * 10240),
    "zipped": (200, {"Content-Type": TEXT}, ZIPPED),
}
"""Scene -> status, header fields and content of those that always answer the same."""
REQUESTS: Final = ("plain-get", "odd-path", "head", "options", "unknown-method", "traced", "kept-alive")
"""Those that are answered with `mirror`."""
UPLOADS: Final = ("large-upload", "chunked-body", "gzip-body", "invalid-text", "continue-read", "empty-body")
"""Those of which the whole body is read and answered with its `digest`."""
UNREAD: Final = ("unread", "large-unread", "continue-unread", "not-yet-sent")
STREAMS: Final = ("pieces", "held-back", "events", "raises-mid-stream", "endless-until-left", "own-context")
"""Those answered with what `streams` or `async_streams` have."""
EVERYWHERE: Final = (
    *FIXED,
    *REQUESTS,
    *UPLOADS,
    *UNREAD,
    *STREAMS,
    *("json-body", "form-body", "multipart-body", "redirect", "many-cookies", "file", "raises-at-once"),
)
"""What every framework plays, but for what it names itself."""
METHODS: Final = ("GET", "HEAD", "POST", "OPTIONS")

_seen: contextvars.ContextVar[str] = contextvars.ContextVar("framework-scene", default="unset")


class SceneError(Exception):
    """What goes wrong in these scenes."""


def mirror(method: str, path: str, query: object, fields: Iterable[tuple[str, str]]) -> str:
    """What the app was given."""
    kept = sorted((name.lower(), value) for name, value in fields if name.lower() != "host")
    return repr((method, path, query, kept))


def digest(body: bytes) -> str:
    """What a body is known by."""
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}"


def with_more(*names: str, less: Iterable[str] = ()) -> frozenset[str]:
    """What every framework plays, and these scenes, and not those."""
    return frozenset({*EVERYWHERE, *names}) - frozenset(less)


def pieces() -> Iterator[bytes]:
    for each in (b"one ", b"two ", b"", b"four ", b"five"):
        yield each
        time.sleep(0.01)


def held_back() -> Iterator[bytes]:
    yield b"first"
    wait("held-back")
    yield b"second"


def events() -> Iterator[bytes]:
    for number in range(3):
        yield b"data: %d\n\n" % number
    wait("events")
    yield b"data: bye\n\n"


def raises_mid_stream() -> Iterator[bytes]:
    yield b"a beginning"
    raise SceneError


def endless(name: str = "endless-until-left") -> Iterator[bytes]:
    try:
        for _ in range(3000):
            yield b"another piece\n" * 100
            time.sleep(0.001)
    finally:
        note(name, "stream closed")


def own_context() -> Iterator[bytes]:
    before = _seen.get()
    token = _seen.set("set by the app")

    def told() -> Iterator[bytes]:
        yield f"{before}, ".encode()
        yield _seen.get().encode()
        _seen.reset(token)

    return told()


def zipped_pieces() -> Iterator[bytes]:
    for _ in range(3):
        yield ZIPPED


streams: Final[Mapping[str, Callable[[], Iterator[bytes]]]] = {
    "pieces": pieces,
    "held-back": held_back,
    "events": events,
    "raises-mid-stream": raises_mid_stream,
    "endless-until-left": endless,
    "own-context": own_context,
    "zipped-pieces": zipped_pieces,
}
"""For apps that stream with generators."""


async def async_pieces() -> AsyncIterator[bytes]:
    for each in (b"one ", b"two ", b"", b"four ", b"five"):
        yield each
        await asyncio.sleep(0.01)


async def async_held_back() -> AsyncIterator[bytes]:
    yield b"first"
    await wait_async("held-back")
    yield b"second"


async def async_events() -> AsyncIterator[bytes]:
    for number in range(3):
        yield b"data: %d\n\n" % number
    await wait_async("events")
    yield b"data: bye\n\n"


async def async_raises_mid_stream() -> AsyncIterator[bytes]:
    yield b"a beginning"
    raise SceneError


async def async_endless() -> AsyncIterator[bytes]:
    try:
        while True:
            yield b"another piece\n"
            await asyncio.sleep(0.01)
    finally:
        note("endless-until-left", "stream closed")


def async_own_context() -> AsyncIterator[bytes]:
    before = _seen.get()
    _seen.set("set by the app")

    async def told() -> AsyncIterator[bytes]:
        yield f"{before}, ".encode()
        yield (await asyncio.to_thread(_seen.get)).encode()

    return told()


async def async_zipped_pieces() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield ZIPPED


async_streams: Final[Mapping[str, Callable[[], AsyncIterator[bytes]]]] = {
    "pieces": async_pieces,
    "held-back": async_held_back,
    "events": async_events,
    "raises-mid-stream": async_raises_mid_stream,
    "endless-until-left": async_endless,
    "own-context": async_own_context,
    "zipped-pieces": async_zipped_pieces,
}
"""For apps that stream with async generators."""


def kind_of(stream: str) -> str:
    """Its Content-Type."""
    return EVENTS if stream == "events" else TEXT


async def work_afterwards() -> None:
    """What a background task does."""
    await wait_async("work-afterwards")
    note("work-afterwards", "work done")


async def raise_afterwards() -> None:
    """A background task that fails."""
    raise SceneError
