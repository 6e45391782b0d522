"""httpx and httpx2: requests that fail, or are given up, fail as without us, and the record says how."""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path
from typing import Any

import anyio
import hypercorn.asyncio
import pytest
from hypercorn.config import Config

from certificates import Authority
from outbound.conftest import Sent
from outbound.far_server import FarServer
from outbound.httpx_ways import WAYS, Way, in_all_ways
from outbound.raw_server import RawServer, Step, reset

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n"


def failing(way: Way, url: str, **options: Any) -> tuple[str, str]:
    """What is raised: its class and text."""

    async def scene(client: Any) -> tuple[str, str]:
        with pytest.raises(way.module.TransportError) as raised:
            await way.call(client.get, f"{url}/x?password=s3cret")
        assert raised.value.request.url.path == "/x"
        assert "traceparent" not in raised.value.request.headers
        return type(raised.value).__name__, str(raised.value)

    found: tuple[str, str] = way.play(scene, **options)
    return found


def same_with_capture(sent: Sent, way: Way, url: str, **options: Any) -> str:
    """Fail without and with capture; the kind of failure, which the record has, too."""
    before = failing(way, url, **options)
    sent.start()

    assert failing(way, url, **options) == before

    error = sent.exchange.error
    assert error is not None
    assert (error.type, error.message) == (f"{way.name}.{before[0]}", before[1] or None)
    assert "s3cret" not in repr(sent.exchange)
    return before[0]


@in_all_ways
@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nowhere.invalid"], ids=["refused", "name"])
def test_nobody_there(sent: Sent, way: Way, url: str) -> None:
    """Refused, or a name that nobody has: there is no answer."""
    assert same_with_capture(sent, way, url) == "ConnectError"
    assert sent.exchange.response.status is None


@in_all_ways
def test_a_time_limit(sent: Sent, way: Way) -> None:
    """The other server says nothing for longer than the app wants to wait."""
    with RawServer() as server:
        assert same_with_capture(sent, way, server.url, timeout=0.2) == "ReadTimeout"


@in_all_ways
@pytest.mark.parametrize(
    ("steps", "kind", "size"),
    [
        ((reset,), "ReadError", 0),
        ((b"HTTP/1.1 2",), "RemoteProtocolError", 0),
        ((_HEAD + b"01234",), "RemoteProtocolError", 5),
        ((b"not HTTP\r\n\r\n",), "RemoteProtocolError", 0),
    ],
    ids=["reset", "in-the-head", "in-the-body", "nonsense"],
)
def test_breaking_off(sent: Sent, way: Way, steps: tuple[Step, ...], kind: str, size: int) -> None:
    """The other server breaks off, before or in its answer: what had come is kept."""
    with RawServer(*steps) as server:
        assert same_with_capture(sent, way, server.url) == kind
    assert sent.exchange.response.body.size == size
    assert sent.exchange.response.status == (200 if size else None)


@in_all_ways
def test_a_reset_in_the_body(sent: Sent, way: Way) -> None:
    """A reset while the app reads in pieces: it has got what came before."""
    seen = threading.Event()
    sent.start()

    async def scene(client: Any, url: str) -> list[bytes]:
        response = await way.call(client.send, client.build_request("GET", url), stream=True)
        chunks = way.chunks(response)
        got = [await anext(chunks)]
        seen.set()
        with pytest.raises(way.module.ReadError):
            await anext(chunks)
        await way.close(response)
        return got

    with RawServer(_HEAD + b"01234", seen, reset) as server:
        assert way.play(scene, server.url) == [b"01234"]

    exchange = sent.exchange
    assert (exchange.response.status, exchange.response.body.size) == (200, 5)
    assert exchange.error is not None
    assert exchange.error.type == f"{way.name}.ReadError"


@in_all_ways
def test_a_body_that_fails(sent: Sent, far: FarServer, way: Way) -> None:
    """What the app's own generator raises is what the app gets."""
    sent.start()

    async def failing_later() -> Any:
        yield b"some"
        raise LookupError("of the app's own")

    def failing_now() -> Any:
        yield b"some"
        raise LookupError("of the app's own")

    async def scene(client: Any) -> None:
        body = failing_later() if way.loop else failing_now()
        with pytest.raises(LookupError, match="of the app's own"):
            await way.call(client.post, far.url, content=body)

    way.play(scene)

    exchange = sent.exchange
    assert exchange.request.body.size == len(b"some")
    assert exchange.error is not None
    assert exchange.error.type == "LookupError"


@pytest.mark.parametrize("way", [way for way in WAYS if way.loop], ids=str)
@pytest.mark.parametrize("head", [False, True], ids=["before-the-head", "in-the-body"])
def test_cancelled(sent: Sent, way: Way, head: bool) -> None:
    """A task that is cancelled while it waits is cancelled, and the record says so; the client goes on."""
    sent.start()

    async def scene(client: Any, server: RawServer) -> None:
        reading = anyio.Event()

        async def reads() -> None:
            response = await way.call(client.send, client.build_request("GET", server.url), stream=True)
            async for _ in way.chunks(response):
                reading.set()

        async with anyio.create_task_group() as group:
            group.start_soon(reads)
            if head:
                await reading.wait()
            else:
                await anyio.to_thread.run_sync(server.asked.wait)
            group.cancel_scope.cancel()

    steps: tuple[Step, ...] = (_HEAD + b"01234", threading.Event()) if head else (threading.Event(),)
    with RawServer(*steps) as server:
        way.play(scene, server)

    exchange = sent.exchange
    assert (exchange.incomplete, exchange.error) == ("cancelled", None)
    assert exchange.response.status == (200 if head else None)
    assert exchange.response.body.size == (5 if head else 0)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        event = await receive()
        body, more = body + event["body"], event["more_body"]
    headers = [(b"content-type", b"application/json"), (b"x-version", scope["http_version"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def secure(tmp_path: Path) -> Any:
    """A server for HTTP/2 over TLS: its port, and its authority."""
    authority = Authority(tmp_path)
    public, private = authority.issue("127.0.0.1")
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.certfile, config.keyfile = str(public), str(private)
    config.accesslog = config.errorlog = None
    sockets = config.create_sockets()
    sockets.secure_sockets[0].listen()  # who connects before it serves waits
    config.create_sockets = lambda: sockets  # type: ignore[method-assign]
    loop = asyncio.new_event_loop()
    over = asyncio.Event()
    serving = hypercorn.asyncio.serve(echo, config, shutdown_trigger=over.wait)
    thread = threading.Thread(target=loop.run_until_complete, args=(serving,), daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{sockets.secure_sockets[0].getsockname()[1]}", authority
    loop.call_soon_threadsafe(over.set)
    thread.join(60)
    loop.close()


@in_all_ways
def test_http_2(sent: Sent, way: Way, secure: Any) -> None:
    """Over HTTP/2 as over HTTP/1.1, and the record says which."""
    url, authority = secure
    sent.start()

    async def scene(client: Any) -> Any:
        body = way.streamed(b'{"password":', b'"s3cret"}')
        return await way.call(
            client.post, f"{url}/x", content=body, headers={"Content-Type": "application/json"}
        )

    trusting = ssl.create_default_context(cafile=authority.certificate)
    response = way.play(scene, http2=True, verify=trusting)

    assert (response.json(), response.headers["x-version"]) == ({"password": "s3cret"}, "2")
    exchange = sent.exchange
    assert (exchange.request.http_version, exchange.request.scheme) == ("2", "https")
    assert exchange.request.body.content == exchange.response.body.content == '{"password":"[REDACTED]"}'


@in_all_ways
def test_a_certificate_nobody_trusts(sent: Sent, way: Way, secure: Any) -> None:
    """A handshake that fails is a failure of the request."""
    assert same_with_capture(sent, way, secure[0], verify=ssl.create_default_context()) == "ConnectError"
