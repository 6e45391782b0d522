"""httpx and httpx2: answers that are read in pieces, in part, late or never."""

from __future__ import annotations

import gc
import threading
import warnings
from typing import Any

import anyio
import pytest

from outbound.conftest import Sent
from outbound.far_server import Answer, FarServer
from outbound.httpx_ways import WAYS, Way, in_all_ways
from outbound.raw_server import RawServer

TEXT = b'{"words":"' + b"ten bytes." * 20_000 + b'"}'
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
# httpx leaves generators of its own to the garbage collector, of which trio warns.
_left_to_the_collector = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


async def begun(way: Way, client: Any, url: str) -> Any:
    """An answer of which only the head is there."""
    return await way.call(client.send, client.build_request("GET", url), stream=True)


@in_all_ways
@pytest.mark.parametrize("chunks", [0, 7])
@pytest.mark.parametrize("read", ["iter_raw", "iter_bytes", "iter_text", "iter_lines"])
def test_reading_to_the_end(sent: Sent, far: FarServer, way: Way, read: str, chunks: int) -> None:
    """The app gets the same pieces as without us, and the record has all of them."""
    far.answers["/long"] = Answer(TEXT[:2000], chunks=chunks)

    async def scene(client: Any) -> Any:
        response = await begun(way, client, f"{far.url}/long")
        return [chunk async for chunk in way.chunks(response, read)], response.num_bytes_downloaded

    before = way.play(scene)
    sent.start()

    pieces, downloaded = way.play(scene)

    assert (type(pieces[0])().join(pieces), downloaded) == (type(pieces[0])().join(before[0]), before[1])
    body = sent.exchange.response.body
    assert (body.content, body.size) == (TEXT[:2000].decode(), 2000)
    assert sent.exchange.incomplete is None


@in_all_ways
def test_chunks_pass_as_they_come(sent: Sent, way: Way) -> None:
    """A chunk is the app's before the next one is sent: nothing is read ahead."""
    got_first = threading.Event()
    steps = (
        _HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        got_first,
        b"6\r\nsecond\r\n0\r\n\r\n",
    )
    sent.start()

    async def scene(client: Any, url: str) -> Any:
        response = await begun(way, client, url)
        found = []
        async for chunk in way.chunks(response):
            found.append(chunk)
            got_first.set()
        return found

    with RawServer(*steps) as server:
        assert way.play(scene, server.url) == [b"first", b"second"]
    assert sent.exchange.response.body.content == "firstsecond"


@_left_to_the_collector
@in_all_ways
@pytest.mark.parametrize("read", [False, True], ids=["unread", "in-part"])
def test_closed_early(sent: Sent, far: FarServer, way: Way, read: bool) -> None:
    """What the app has not read is not read for us; what it has read is kept, and that it was not all."""
    far.answers["/long"] = Answer(TEXT, chunks=10)
    sent.start()

    async def scene(client: Any) -> Any:
        response = await begun(way, client, f"{far.url}/long")
        got = b""
        if read:
            chunks = way.chunks(response)
            got = await anext(chunks)
            if way.loop:
                await chunks.aclose()  # type: ignore[attr-defined]
        await way.close(response)
        return got

    got = way.play(scene)

    exchange = sent.exchange
    assert exchange.response.body.size == len(got) < len(TEXT)
    assert (exchange.response.status, exchange.incomplete) == (200, "unread_response")
    assert exchange.error is None


@_left_to_the_collector
@in_all_ways
def test_all_bytes_but_not_the_end(sent: Sent, far: FarServer, way: Way) -> None:
    """Who has read as many bytes as were announced has read it all, though nobody asked for more."""
    far.answers["/short"] = Answer(b"all of it", headers={"Content-Type": "text/plain"})
    sent.start()

    async def scene(client: Any) -> Any:
        response = await begun(way, client, f"{far.url}/short")
        chunks = way.chunks(response)
        got = await anext(chunks)
        if way.loop:
            await chunks.aclose()  # type: ignore[attr-defined]
        await way.close(response)
        return got

    assert way.play(scene) == b"all of it"
    assert (sent.exchange.response.body.content, sent.exchange.incomplete) == ("all of it", None)


@pytest.mark.parametrize("way", [Way(name, "trio") for name in sorted({way.name for way in WAYS})], ids=str)
@pytest.mark.parametrize("close", [False, True], ids=["dropped", "closed"])
def test_generators_end_as_without_us(sent: Sent, far: FarServer, way: Way, close: bool) -> None:
    """There is none of ours that is left to the garbage collector, and httpx's are ended where they were."""
    far.answers["/long"] = Answer(TEXT, chunks=10)

    async def scene(client: Any) -> None:
        response = await begun(way, client, f"{far.url}/long")
        chunks: Any = way.chunks(response)
        await anext(chunks)
        if close:
            await chunks.aclose()
        del chunks
        await way.close(response)
        del response
        gc.collect()
        for _ in range(5):  # trio ends one after the other, in a task of its own
            await anyio.wait_all_tasks_blocked()

    def warned() -> list[str]:
        gc.collect()
        gc.disable()  # not before the scene says so
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                way.play(scene)
        finally:
            gc.enable()
        told = [str(each.message) for each in caught]
        return sorted(each for each in told if each.startswith("Async generator"))

    before = warned()
    sent.start()

    assert warned() == before
    assert sent.exchange.incomplete == "unread_response"


@in_all_ways
def test_dropped(sent: Sent, far: FarServer, way: Way) -> None:
    """An answer that the app lets go of without closing it is over when it goes away, not a timeout later."""
    far.answers["/long"] = Answer(TEXT, chunks=3)
    sent.start()

    async def scene(client: Any) -> None:
        response = await begun(way, client, f"{far.url}/long")
        assert response.status_code == 200
        del response
        gc.collect()
        assert sent.exchange.incomplete == "unread_response"

    way.play(scene)

    assert sent.exchange.response.status == 200


@in_all_ways
@pytest.mark.parametrize("theirs", [False, True], ids=["own-provider", "the-apps"])
def test_read_late(sent: Sent, far: FarServer, way: Way, theirs: bool) -> None:
    """A body read long after the head reaches the record, and another reading fails as without us."""
    far.answers["/long"] = Answer(TEXT[:500])
    sent.start(theirs=theirs)

    async def scene(client: Any) -> Any:
        first, second = [await begun(way, client, f"{far.url}/long") for _ in range(2)]
        assert await way.read(second) == TEXT[:500]
        assert b"".join([chunk async for chunk in way.chunks(first)]) == TEXT[:500]
        with pytest.raises(way.module.StreamConsumed):
            [chunk async for chunk in way.chunks(first)]

    way.play(scene)

    assert [each.response.body.size for each in sent.exchanges] == [500, 500]
    assert [each.incomplete for each in sent.exchanges] == [None, None]
    if theirs:
        assert [(span.attributes or {})["http.response.body.size"] for span in sent.spans] == [500, 500]


@in_all_ways
def test_the_stream_of_a_transport(sent: Sent, far: FarServer, way: Way) -> None:
    """Who calls the transport itself may keep nothing but its stream's iterator."""
    far.answers["/long"] = Answer(TEXT[:500], chunks=5)
    sent.start()

    async def scene(client: Any) -> Any:
        send = getattr(client._transport, way.transport[1])
        request = client.build_request("GET", f"{far.url}/long")
        if way.loop:
            return b"".join([chunk async for chunk in (await send(request)).stream])
        return b"".join(send(request).stream)

    assert way.play(scene) == TEXT[:500]
    assert (sent.exchange.response.body.size, sent.exchange.incomplete) == (500, None)


@in_all_ways
def test_a_long_body_is_cut_in_the_record_alone(sent: Sent, far: FarServer, way: Way) -> None:
    """The app gets every byte of what the record only has the beginning of, both ways."""
    far.answers["/long"] = Answer(TEXT, chunks=50)
    sent.start()

    async def scene(client: Any) -> Any:
        body = way.streamed(*[b"ten bytes." * 1000] * 30)
        plain = {"Content-Type": "text/plain"}
        return await way.call(client.post, f"{far.url}/long", content=body, headers=plain)

    assert way.play(scene).content == TEXT
    assert far.asked[0].body == b"ten bytes." * 30_000
    request, response = sent.exchange.request.body, sent.exchange.response.body
    assert (request.size, response.size) == (300_000, len(TEXT))
    assert (request.truncated, response.truncated) == (True, True)
