"""Requests that aiohttp's client sends: their bodies, what repeats them, what fails, and whose span it is."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession, ClientTimeout
from opentelemetry import trace

from certificates import Authority
from outbound.aiohttp_server import AsyncServer, spans_told
from outbound.conftest import Sent

ECHOED = {"got": 0, "password": "s3cret-of-theirs"}


@pytest.fixture
def far() -> Iterator[AsyncServer]:
    """A server to send requests to."""
    with AsyncServer() as server:
        yield server


def ask(method: str, url: str, **arguments: Any) -> Any:
    """One call by a session of its own; what the app reads of the answer."""

    async def asking() -> Any:
        async with ClientSession() as session, session.request(method, url, **arguments) as response:
            return await response.read()

    return asyncio.run(asking())


def test_an_exchange_we_begin(sent: Sent, far: AsyncServer) -> None:
    """Both halves, clean, as they went over the wire; the other server gets what it would have got."""
    sent.start("aiohttp")

    answer = ask("POST", f"{far.url}/echo?api_key=s3cret&n=1", json={"card": "4111111111111111", "n": 2})

    assert json.loads(answer) == {"got": 36, "password": "s3cret-of-theirs"}
    (asked,) = far.asked
    assert json.loads(asked.body) == {"card": "4111111111111111", "n": 2}
    exchange = sent.exchange
    assert exchange.direction == "outbound"
    assert (exchange.request.method, exchange.request.path, exchange.request.query) == (
        *("POST", "/echo"),
        "api_key=REDACTED&n=1",
    )
    assert exchange.request.body.content == '{"card": "[REDACTED]", "n": 2}'
    assert exchange.response.status == 200
    assert exchange.response.body.content == '{"got": 36, "password": "[REDACTED]"}'
    assert exchange.request.http_version == "1.1"
    assert exchange.server.address == "127.0.0.1"
    assert exchange.server.port == int(far.url.rpartition(":")[2])
    assert asked.headers["traceparent"].split("-")[1:3] == [exchange.trace_id, exchange.span_id]
    assert asked.headers == {name: values[0] for name, values in exchange.request.headers.items()}


def test_a_session_that_was_there_before(sent: Sent, far: AsyncServer) -> None:
    """Sessions made before the capture began are captured as well."""

    async def asking() -> None:
        async with ClientSession() as session:
            await (await session.get(f"{far.url}/echo")).read()
            sent.start("aiohttp")
            await (await session.get(f"{far.url}/echo?second")).read()

    asyncio.run(asking())
    assert sent.exchange.request.query == "second"


async def _bytes() -> AsyncIterator[bytes]:
    for piece in (b'{"a":1,', b'"password":', b'"s3cret"}'):
        yield piece
        await asyncio.sleep(0)


def _form() -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("name", "ada")
    form.add_field("password", "s3cret")
    form.add_field("file", b"\x89PNG....", filename="a.png", content_type="image/png")
    return form


PLAIN = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
TEXT = '{"a":1,"password":"s3cret"}'
CLEAN = '{"a":1,"password":"[REDACTED]"}'
BODIES: dict[str, tuple[Callable[[Path], dict[str, Any]], str | None]] = {
    "none": (lambda folder: {}, None),
    "bytes": (lambda folder: {"data": TEXT.encode(), "headers": JSON}, CLEAN),
    "bytearray": (lambda folder: {"data": bytearray(TEXT.encode()), "headers": JSON}, CLEAN),
    "memoryview": (lambda folder: {"data": memoryview(TEXT.encode()), "headers": JSON}, CLEAN),
    "text": (lambda folder: {"data": TEXT, "headers": JSON}, CLEAN),
    "json": (lambda folder: {"json": json.loads(TEXT)}, '{"a": 1, "password": "[REDACTED]"}'),
    "form": (lambda folder: {"data": {"a": "1", "password": "s3cret"}}, "a=1&password=[REDACTED]"),
    "multipart": (lambda folder: {"data": _form()}, "ada"),
    "BytesIO": (lambda folder: {"data": io.BytesIO(TEXT.encode()), "headers": JSON}, CLEAN),
    "StringIO": (lambda folder: {"data": io.StringIO(TEXT), "headers": JSON}, CLEAN),
    "file": (lambda folder: {"data": (folder / "body").open("rb"), "headers": JSON}, CLEAN),
    "generator": (lambda folder: {"data": _bytes(), "headers": JSON}, CLEAN),
    "chunked": (lambda folder: {"data": TEXT.encode(), "chunked": True, "headers": JSON}, CLEAN),
    "packed": (lambda folder: {"data": TEXT.encode(), "compress": "deflate", "headers": JSON}, CLEAN),
    "packed already": (
        lambda folder: {
            "data": zlib.compress(TEXT.encode()),
            "headers": {**JSON, "Content-Encoding": "deflate"},
        },
        CLEAN,
    ),
    "expecting": (lambda folder: {"data": TEXT.encode(), "expect100": True, "headers": JSON}, CLEAN),
    "large": (lambda folder: {"data": b"word " * 60_000, "headers": PLAIN}, "word word"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning:aiohttp")
@pytest.mark.parametrize("kind", BODIES)
def test_bodies(sent: Sent, far: AsyncServer, tmp_path: Path, kind: str) -> None:
    """Whatever a body is made of, it arrives as without us, and is kept as it was sent."""
    (tmp_path / "body").write_text(TEXT)
    make, clean = BODIES[kind]
    bare = ask("POST", f"{far.url}/echo", **make(tmp_path))
    sent.start("aiohttp")

    assert ask("POST", f"{far.url}/echo", **make(tmp_path)) == bare

    without, with_us = far.asked
    if kind != "multipart":  # its boundary is another each time
        assert with_us.body == without.body
    exchange = sent.exchange
    if clean is None:
        assert exchange.request.body.content is None
    else:
        assert clean in (exchange.request.body.content or "")
        assert "s3cret" not in (exchange.request.body.content or "")
    if not kind.startswith("packed"):  # the server has unpacked it
        assert exchange.request.body.size == len(with_us.body)
    assert exchange.incomplete is None
    assert exchange.request.body.truncated is (kind == "large")


def test_a_body_that_is_answered_before_its_end_is_found(sent: Sent, far: AsyncServer) -> None:
    """All bytes that were announced are the whole body, also while a generator goes on."""
    sent.start("aiohttp")

    async def body() -> AsyncIterator[bytes]:
        yield b"four"
        await asyncio.Event().wait()

    answer = ask("POST", f"{far.url}/echo", data=body(), headers={**PLAIN, "Content-Length": "4"})

    assert json.loads(answer)["got"] == 4
    assert sent.exchange.request.body.content == "four"
    assert sent.exchange.request.body.truncated is False


def test_redirects(sent: Sent, far: AsyncServer) -> None:
    """Each hop is an exchange of its own, with its number, beneath what the app was doing."""
    sent.start("aiohttp", theirs=True)

    async def asking() -> Any:
        tracer = trace.get_tracer("shop", tracer_provider=sent.handle.settings.tracer_provider)  # type: ignore[union-attr]
        with tracer.start_as_current_span("work"):
            async with ClientSession() as session:
                target = f"{far.url}/redirect?to=/redirect?status=303%26to=/echo"
                async with session.post(target, json={"n": 1}) as response:
                    return await response.json(), len(response.history)

    assert asyncio.run(asking()) == (ECHOED, 2)

    hops = sent.exchanges
    assert [each.request.resends for each in hops] == [0, 1, 2]
    assert [each.response.status for each in hops] == [307, 303, 200]
    assert [each.request.method for each in hops] == ["POST", "POST", "GET"]
    assert [each.request.body.content for each in hops] == ['{"n": 1}', '{"n": 1}', None]
    assert len({each.trace_id for each in hops}) == 1
    assert len({each.parent_span_id for each in hops}) == 1
    assert spans_told(far.asked) == [each.span_id for each in hops]


def test_a_request_that_is_sent_again(sent: Sent, far: AsyncServer) -> None:
    """A connection that was closed meanwhile: the first try failed, the second is numbered."""
    sent.start("aiohttp")

    async def asking() -> Any:
        async with ClientSession() as session, session.get(f"{far.url}/flaky") as response:
            return await response.json()

    assert asyncio.run(asking()) == {}
    first, second = sent.exchanges
    assert first.error is not None
    assert first.error.type == "aiohttp.client_exceptions.ServerDisconnectedError"
    assert (first.request.resends, second.request.resends) == (0, 1)
    assert second.error is None
    assert spans_told(far.asked) == [
        first.span_id,
        second.span_id,
    ]


FAILING: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "DNS": ("http://nobody.invalid/", dict),
    "refused": ("http://127.0.0.1:1/", dict),
    "TLS": ("TLS", dict),
    "total": ("/never", lambda: {"timeout": ClientTimeout(total=0.3)}),
    "sock_read": ("/never", lambda: {"timeout": ClientTimeout(sock_read=0.3)}),
    "total, in the body": ("/gated", lambda: {"timeout": ClientTimeout(total=0.5)}),
    "sock_read, in the body": ("/gated", lambda: {"timeout": ClientTimeout(sock_read=0.5)}),
    "disconnected": ("/short", lambda: {"data": b"x"}),
    "body": ("/echo", lambda: {"data": _broken()}),
}


async def _broken() -> AsyncIterator[bytes]:
    yield b"some"
    raise ValueError("no more")


@pytest.mark.parametrize("how", FAILING)
def test_failures(sent: Sent, far: AsyncServer, how: str) -> None:
    """The app gets the exception it would get, and the record has its kind."""

    def failing() -> BaseException:
        target, make = FAILING[how]
        url = far.url.replace("http:", "https:") if target == "TLS" else target
        arguments = make()
        method = "POST" if "data" in arguments else "GET"
        with pytest.raises(Exception) as raised:
            ask(method, url if "://" in url else far.url + url, **arguments)
        return raised.value

    bare = failing()
    sent.start("aiohttp")

    error = failing()

    assert (type(error), str(error)) == (type(bare), str(bare))
    exchange = sent.exchanges[-1]
    assert exchange.error is not None
    assert exchange.error.type.rpartition(".")[2] == type(error).__name__
    assert (exchange.response.status == 200) is ("in the body" in how)
    assert exchange.incomplete is None or "in the body" in how


def test_no_connection_in_time(sent: Sent, far: AsyncServer) -> None:
    """What the app is told is what the record says, also where the connector has said something else."""
    sent.start("aiohttp")

    async def asking() -> BaseException:
        connector = aiohttp.TCPConnector(limit=1)
        async with ClientSession(connector=connector) as session, session.get(f"{far.url}/gated"):
            with pytest.raises(asyncio.TimeoutError) as raised:
                await session.get(f"{far.url}/echo", timeout=ClientTimeout(connect=0.1))
            return raised.value

    told = asyncio.run(asking())

    error = sent.exchanges[-1].error
    assert error is not None
    assert error.type == f"{type(told).__module__}.{type(told).__qualname__}"
    assert error.message == str(told)


def test_headers_that_are_none(sent: Sent, far: AsyncServer) -> None:
    """What aiohttp itself refuses to send is refused with its own words."""
    sent.start("aiohttp")

    with pytest.raises(TypeError, match="Cannot serialize non-str key 5"):
        ask("GET", f"{far.url}/echo", headers={"x-count": 5})

    assert sent.exchange.error is not None
    assert sent.exchange.error.type == "TypeError"


def test_a_connection_that_breaks(sent: Sent, far: AsyncServer) -> None:
    """What came before is kept, with what it broke with."""
    sent.start("aiohttp")

    async def asking() -> None:
        async with ClientSession() as session, session.get(f"{far.url}/reset") as response:
            assert len(await response.content.readexactly(500)) == 500
            far.open_gate()
            await response.content.read()

    with pytest.raises(aiohttp.ClientPayloadError):
        asyncio.run(asking())

    exchange = sent.exchange
    assert exchange.response.body.size == 500
    assert exchange.error is not None
    assert exchange.error.type == "aiohttp.client_exceptions.ClientPayloadError"


@pytest.mark.parametrize("where", ["/never", "/gated"])
def test_a_task_that_is_cancelled(sent: Sent, far: AsyncServer, where: str) -> None:
    """It is cancelled as ever, and the record says that it was."""
    sent.start("aiohttp")

    async def asking() -> None:
        async with ClientSession() as session, session.get(far.url + where) as response:
            await response.read()

    async def cancelling() -> None:
        task = asyncio.create_task(asking())
        await asyncio.to_thread(far.arrived.wait, 30)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelling())

    exchange = sent.exchange
    assert exchange.incomplete == "cancelled"
    assert exchange.error is None
    assert exchange.response.status == (None if where == "/never" else 200)


def test_a_websocket_is_left_alone(sent: Sent, far: AsyncServer) -> None:
    """Its handshake is an exchange without bodies; what comes after belongs to the app."""
    sent.start("aiohttp")

    async def asking() -> str:
        async with ClientSession() as session, session.ws_connect(f"{far.url}/websocket") as socket:
            await socket.send_str("abc")
            return str((await socket.receive()).data)

    assert asyncio.run(asking()) == "cba"
    exchange = sent.exchange
    assert exchange.response.status == 101
    assert (exchange.request.body.size, exchange.response.body.size) == (0, 0)
    assert exchange.incomplete is None


@pytest.mark.parametrize(("method", "code"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 404)])
def test_answers_without_a_body_and_errors(sent: Sent, far: AsyncServer, method: str, code: int) -> None:
    """Nothing is waited for where nothing comes; a status from 400 on is an error."""
    sent.start("aiohttp")

    ask(method, f"{far.url}/status?code={code}")

    exchange = sent.exchange
    assert exchange.response.status == code
    assert exchange.incomplete is None
    assert (exchange.error is not None) is (code == 404)


def test_tls(sent: Sent, tmp_path: Path) -> None:
    """Over TLS nothing is different."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("127.0.0.1")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    sent.start("aiohttp")

    with AsyncServer(serving) as far:
        trusting = ssl.create_default_context(cafile=str(authority.certificate))
        assert json.loads(ask("GET", f"{far.url}/echo", ssl=trusting)) == ECHOED

    assert sent.exchange.request.scheme == "https"
