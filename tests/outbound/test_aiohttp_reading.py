"""aiohttp's responses: the app reads as it would, and what it takes is what is kept."""

from __future__ import annotations

import asyncio
import gc
import weakref
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientResponse, ClientSession, StreamReader

from outbound.aiohttp_server import LINES, AsyncServer
from outbound.conftest import Sent
from spantap.outbound import aiohttp_streams

Way = Callable[[ClientResponse], Awaitable[Any]]
FIRST = LINES[:33]


@pytest.fixture
def far() -> Iterator[AsyncServer]:
    """A server to send requests to."""
    with AsyncServer() as server:
        yield server


async def _all(chunks: AsyncIterator[Any]) -> bytes:
    found = [each async for each in chunks]
    return b"".join(each[0] if isinstance(each, tuple) else each for each in found)


async def _in_bits(content: StreamReader) -> bytes:
    found = b""
    while bit := await content.read(7):
        found += bit
    return found


async def _chunk_by_chunk(content: StreamReader) -> bytes:
    found = b""
    while not content.at_eof():
        found += (await content.readchunk())[0]
    return found


async def _put_back(content: StreamReader) -> bytes:
    with pytest.warns(DeprecationWarning, match="unread_data"):
        content.unread_data(await content.readexactly(20))
    return await content.read()


async def _nowait(content: StreamReader) -> bytes:
    await content.wait_eof()
    return content.read_nowait(10) + content.read_nowait()


async def _until(content: StreamReader) -> bytes:
    found = b""
    while line := await content.readuntil(b"answer"):
        found += line
    return found


async def _line_by_line(content: StreamReader) -> bytes:
    found = b""
    while line := await content.readline():
        found += line
    return found


WHOLE: dict[str, Way] = {
    "read": lambda response: response.read(),
    "read twice": lambda response: _twice(response),
    "text": lambda response: response.text(),
    "json": lambda response: response.json(content_type=None, loads=str),
    "content.read": lambda response: response.content.read(),
    "content.read(n)": lambda response: _in_bits(response.content),
    "readany": lambda response: _any(response.content),
    "readexactly": lambda response: response.content.readexactly(len(LINES)),
    "readline": lambda response: _line_by_line(response.content),
    "readuntil": lambda response: _until(response.content),
    "readchunk": lambda response: _chunk_by_chunk(response.content),
    "async for": lambda response: _all(aiter_of(response.content)),
    "iter_any": lambda response: _all(response.content.iter_any()),
    "iter_chunked": lambda response: _all(response.content.iter_chunked(100)),
    "iter_chunks": lambda response: _all(response.content.iter_chunks()),
    "unread_data": lambda response: _put_back(response.content),
    "read_nowait": lambda response: _nowait(response.content),
}
EARLY: dict[str, tuple[Way, int]] = {
    "read(n)": (lambda response: response.content.readexactly(33), 33),
    "a line": (lambda response: response.content.readline(), 21),
    "nothing": (lambda response: _nothing(), 0),
    "one of iter_chunked": (lambda response: anext_of(response.content.iter_chunked(21)), 21),
}


async def _twice(response: ClientResponse) -> bytes:
    assert await response.read() == await response.read()
    return await response.read()


async def _any(content: StreamReader) -> bytes:
    found = b""
    while some := await content.readany():
        found += some
    return found


async def _nothing() -> bytes:
    return b""


def aiter_of(content: StreamReader) -> Any:
    return content.__aiter__()


async def anext_of(iterator: Any) -> Any:
    return await iterator.__anext__()


async def _saw(far: AsyncServer, target: str, way: Way, **arguments: Any) -> Any:
    """What an app sees of a response that it reads in one way."""
    async with ClientSession() as session, session.get(far.url + target, **arguments) as response:
        assert isinstance(response.content, StreamReader)
        assert type(response.content).__name__ == "StreamReader"
        read = await way(response)
        content = response.content
        ended = content.at_eof(), content.is_eof(), content.exception(), content.total_bytes
        return read, ended, response.closed, response.connection is None


@pytest.mark.parametrize(
    ("way", "target"),
    [
        (way, target)
        for way in WHOLE
        for target in ("/lines", "/lines?chunked")
        # Who reads no further than the last byte may have seen the mark behind it, or not; without us, too.
        if (way, target) != ("readexactly", "/lines?chunked")
    ],
)
def test_reading_all_of_it(sent: Sent, far: AsyncServer, way: str, target: str) -> None:
    """Every method gives what it gives without us, and the record has all of it, once."""
    bare = asyncio.run(_saw(far, target, WHOLE[way]))
    sent.start("aiohttp")

    assert asyncio.run(_saw(far, target, WHOLE[way])) == bare

    assert bare[0] in (LINES, LINES.decode(), LINES.decode().strip())
    exchange = sent.exchange
    assert exchange.response.body.content == LINES.decode()
    assert exchange.response.body.size == len(LINES)
    assert exchange.incomplete is None


@pytest.mark.parametrize("way", EARLY)
def test_reading_some_of_it(sent: Sent, far: AsyncServer, way: str) -> None:
    """What the app leaves unread is not read for it; the record says so, and has what was read."""
    take, count = EARLY[way]
    sent.start("aiohttp")

    read = asyncio.run(_saw(far, "/gated", take))[0]

    assert read == LINES[:count]
    exchange = sent.exchange
    assert exchange.response.body.size == count
    assert exchange.response.status == 200
    assert exchange.incomplete == "unread_response"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # aiohttp says: unclosed
@pytest.mark.parametrize("let_go", ["release", "close", "drop"])
def test_ways_to_let_go(sent: Sent, far: AsyncServer, let_go: str) -> None:
    """Released, closed, or merely forgotten: the exchange ends there."""
    sent.start("aiohttp")

    async def ask() -> None:
        async with ClientSession() as session:
            response: ClientResponse | None = await session.get(f"{far.url}/gated")
            assert response is not None
            assert await response.content.readexactly(33) == FIRST
            if let_go != "drop":
                getattr(response, let_go)()
                with pytest.raises(aiohttp.ClientConnectionError, match="Connection closed"):
                    await response.content.read()
        response = None
        while not sent.exchanges:  # the connection has to know that it is closed
            await asyncio.sleep(0.01)
            gc.collect()

    asyncio.run(ask())
    assert sent.exchange.response.body.size == 33
    assert sent.exchange.incomplete == "unread_response"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # aiohttp says: unclosed
def test_nothing_of_ours_keeps_a_response(sent: Sent, far: AsyncServer) -> None:
    """A response that the app has let go of goes with its connection, as without us."""
    sent.start("aiohttp")

    async def ask() -> None:
        async with ClientSession() as session:
            response: ClientResponse | None = await session.get(f"{far.url}/gated")
            known = weakref.ref(response)
            response = None
        while known() is not None:
            await asyncio.sleep(0.01)
            gc.collect()

    asyncio.run(asyncio.wait_for(ask(), 20))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("decompresses", [True, False])
def test_content_codings(sent: Sent, far: AsyncServer, coding: str, decompresses: bool) -> None:
    """The app gets a body unpacked or packed, as it wants it; the record has it readable either way."""
    packed = _packed(coding)
    sent.start("aiohttp")

    async def ask() -> bytes:
        async with ClientSession(auto_decompress=decompresses) as session:
            target = f"{far.url}/lines?coding={coding}&packed={packed.hex()}"
            async with session.get(target) as response:
                return await response.read()

    assert asyncio.run(ask()) == (LINES if decompresses else packed)
    assert sent.exchange.response.body.content == LINES.decode()


def test_the_call_may_say_it_otherwise(sent: Sent, far: AsyncServer) -> None:
    """`auto_decompress` of one call beats that of its session; a coding aiohttp does not know stays."""
    packed = _packed("gzip")
    sent.start("aiohttp")

    async def ask() -> bytes:
        async with ClientSession() as session:
            target = f"{far.url}/lines?coding=gzip&packed={packed.hex()}"
            async with session.get(target, auto_decompress=False) as response:
                first = await response.read()
            async with session.get(f"{far.url}/lines?coding=strange") as response:
                assert await response.read() == LINES
            return first

    assert asyncio.run(ask()) == packed
    known, unknown = sent.exchanges
    assert known.response.body.content == LINES.decode()
    assert unknown.response.body.withheld == "content-coding"


def _packed(coding: str) -> bytes:
    if coding == "br":
        import brotli

        return bytes(brotli.compress(LINES))
    if coding == "zstd":
        from backports import zstd

        return bytes(zstd.compress(LINES))
    bits = 31 if coding == "gzip" else 15
    packer = zlib.compressobj(wbits=bits)
    return packer.compress(LINES) + packer.flush()


def test_a_body_that_comes_after_a_read_was_cancelled(sent: Sent, far: AsyncServer) -> None:
    """A read that is given up is not the end: the app may go on, and the record has all of it."""
    sent.start("aiohttp")

    async def ask() -> bytes:
        async with ClientSession() as session, session.get(f"{far.url}/gated") as response:
            first = await response.content.readexactly(500)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(response.content.read(1), 0.05)
            far.open_gate()
            return first + await response.content.read()

    assert asyncio.run(ask()) == LINES
    assert sent.exchange.response.body.content == LINES.decode()
    assert sent.exchange.incomplete is None


@pytest.mark.parametrize("way", ["content.read(n)", "readany", "iter_chunks", "read"])
def test_an_end_that_comes_while_the_last_bytes_are_taken(sent: Sent, way: str) -> None:
    """Taking bytes may make the parser go on, to the end even: none is lost."""
    sent.start("aiohttp")
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n"
    answer += b"%x\r\n%b\r\n0\r\n\r\n" % (len(LINES), LINES)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def ask() -> Any:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with server, ClientSession() as session, session.get(url, read_bufsize=64) as response:
            return await WHOLE[way](response)

    assert asyncio.run(ask()) == LINES
    assert sent.exchange.response.body.content == LINES.decode()
    assert sent.exchange.incomplete is None


def test_what_the_app_may_hang_on_a_stream(sent: Sent, far: AsyncServer) -> None:
    """`on_eof` and `wait_eof` come when they would, and the stream holds back as it does."""
    sent.start("aiohttp")

    async def ask() -> None:
        async with ClientSession() as session, session.get(f"{far.url}/gated", read_bufsize=64) as response:
            told: list[str] = []
            response.content.on_eof(lambda: told.append("eof"))
            assert await response.content.readexactly(10) == LINES[:10]
            assert response.content.get_read_buffer_limits() == (64, 128)
            assert told == []
            far.open_gate()
            assert await response.content.read() == LINES[10:]
            await response.content.wait_eof()
            assert told == ["eof"]
            assert await response.content.read() == b""

    asyncio.run(ask())
    assert sent.exchange.response.body.content == LINES.decode()


def test_the_reader_is_itself_again(sent: Sent, far: AsyncServer) -> None:
    """After the last byte nothing of ours is left on it."""
    gc.collect()
    before = dict(aiohttp_streams._TEES)
    sent.start("aiohttp")

    async def ask() -> None:
        async with ClientSession() as session:
            for path in ("/lines", "/reset"):
                response = await session.get(far.url + path)
                far.open_gate()
                reader = response.content
                try:
                    await response.read()
                except aiohttp.ClientPayloadError:
                    assert path == "/reset"
                assert type(reader) is StreamReader

    asyncio.run(ask())
    assert before == aiohttp_streams._TEES
    assert len(sent.exchanges) == 2


def test_connections_are_used_again_as_before(sent: Sent, far: AsyncServer) -> None:
    """Ten answers, some of them unread although they have come whole, over one connection."""

    async def ask() -> int:
        before = far.connections
        async with ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            for number in range(10):
                async with session.get(f"{far.url}/lines") as response:
                    if number % 2:
                        await response.read()
                    else:
                        await response.content.wait_eof()
        return far.connections - before

    bare = asyncio.run(ask())
    sent.start("aiohttp")

    assert asyncio.run(ask()) == bare == 1
    assert [each.incomplete for each in sent.exchanges] == ["unread_response", None] * 5
