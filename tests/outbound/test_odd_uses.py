"""Uses of clients that few apps make: handed-on attributes, mocks, streams read by hand, kept responses."""

from __future__ import annotations

import asyncio
import gc
import http.client
import io
import socket
import threading
import urllib.request
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import aiohttp
import httpx
import pytest
import requests
import urllib3
from opentelemetry import propagate
from opentelemetry.propagators.textmap import TextMapPropagator

import spantap
from outbound.conftest import Sent
from outbound.far_server import Answer, FarServer
from spantap.configuration import current_tap

LINES = b"line 1\nline 2\n"


@pytest.fixture
def url(far: FarServer) -> str:
    far.answers["/lines"] = Answer(LINES, headers={"Content-Type": "text/plain"})
    return f"{far.url}/lines"


def open_sessions() -> int:
    tap = current_tap()
    assert tap is not None
    return len(tap.processor.sessions)


def answer_of(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """The connection's last, as urllib takes it: what is read from stays open."""
    response = connection.getresponse()
    if connection.sock:
        connection.sock.close()
    return response


class HandedOn(http.client.HTTPConnection):
    """Hands on what is set to another connection, as vcrpy's does."""

    real: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.real = http.client.HTTPConnection(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        if self.real is not None:
            setattr(self.real, name, value)
        super().__setattr__(name, value)

    def request(self, *args: Any, **kwargs: Any) -> None:
        self.asked = args, kwargs

    def getresponse(self) -> Any:
        args, kwargs = self.asked
        self.real.request(*args, **kwargs)
        return answer_of(self.real)


class Inside:
    """No connection of `http.client`'s, but it has one."""

    __slots__ = ("inner", "sock")

    def __init__(self, host: str, timeout: Any = None) -> None:
        self.inner = http.client.HTTPConnection(host, timeout=timeout)
        self.sock = None

    def request(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner.request(*args, **kwargs)

    def getresponse(self) -> Any:
        return answer_of(self.inner)

    def set_debuglevel(self, level: int) -> None: ...

    def close(self) -> None:
        self.inner.close()


@pytest.mark.parametrize("connection", [HandedOn, Inside])
def test_connections_around_others(sent: Sent, url: str, connection: Any) -> None:
    """Whatever class a handler of urllib's connects with, the app has its answer, and there is one record."""

    class Handler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(connection, req)

    sent.start()
    with urllib.request.build_opener(Handler).open(url) as response:
        assert response.read() == LINES
    assert sent.exchange.response.status == 200
    assert open_sessions() == 0


def test_mocks_of_coroutine_functions(sent: Sent, url: str) -> None:
    """What is to be awaited is mocked by something that can be."""
    sent.start()

    async def mocked() -> Any:
        with mock.patch("aiohttp.ClientSession._request") as replaced:
            async with aiohttp.ClientSession() as client:
                await client.get(url)
            return replaced

    assert isinstance(asyncio.run(mocked()), mock.AsyncMock)
    assert asyncio.iscoroutinefunction(aiohttp.ClientSession._request)
    assert sent.exchanges == []


def test_kept_responses_keep_no_request(sent: Sent, url: str) -> None:
    """A response of httpx that the app keeps does not keep what was noted of its request."""
    sent.start()
    with httpx.Client() as client:
        response = client.post(url, content=b"y" * 50_000)
    assert response.content == LINES
    assert sent.exchange.request.body.size == 50_000

    gc.collect()
    held = [each for each in gc.get_objects() if type(each).__name__ in ("ClientSession", "Sending")]
    assert [each for each in held if type(each).__module__.startswith("spantap")] == []
    assert response.stream is not None


@pytest.mark.parametrize("kind", ["times out", "is refused"])
def test_failed_requests_leave_no_cycle(sent: Sent, far: FarServer, kind: str) -> None:
    """What an app's frames hold is free as soon as a request of aiohttp's has failed, not when garbage is."""

    class Held:
        pass

    url = far.url if kind == "times out" else "http://127.0.0.1:1/"
    left: list[weakref.ref[Held]] = []

    async def one(client: aiohttp.ClientSession) -> None:
        held = Held()
        left.append(weakref.ref(held))
        timeout = aiohttp.ClientTimeout(total=0.01 if kind == "times out" else 30)
        await client.get(f"{url}/slow", timeout=timeout)

    async def all_of_them() -> None:
        async with aiohttp.ClientSession() as client:
            for _ in range(5):
                with pytest.raises((TimeoutError, aiohttp.ClientError)):
                    await one(client)

    def still_held() -> int:
        left.clear()
        asyncio.run(all_of_them())
        return sum(each() is not None for each in left)

    stalls = threading.Event()
    far.answers["/slow"] = Stalling(stalls)
    gc.collect()
    gc.disable()
    try:
        without = still_held()
        sent.start()
        assert still_held() <= without
    finally:
        gc.enable()
        stalls.set()
    assert len(sent.exchanges) == 5


class Stalling(Answer):
    """An answer that does not come until it may."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self._event = event

    @property
    def status(self) -> int:
        self._event.wait(30)
        return 200

    @status.setter
    def status(self, value: int) -> None: ...


class Raises(TextMapPropagator):
    """A propagator that is broken."""

    @property
    def fields(self) -> set[str]:
        return set()

    def inject(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("broken")

    def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
        return context


async def by_aiohttp(url: str) -> bytes:
    async with aiohttp.ClientSession() as client, client.get(url) as response:
        return await response.read()


WAYS: dict[str, Callable[[str], bytes]] = {
    "aiohttp": lambda url: asyncio.run(by_aiohttp(url)),
    "httpx": lambda url: httpx.get(url).content,
    "requests": lambda url: requests.get(url).content,
    "urllib3": lambda url: urllib3.request("GET", url).data,
    "urllib": lambda url: urllib.request.urlopen(url).read(),
}


@pytest.mark.parametrize("client", WAYS)
def test_propagators_that_raise(sent: Sent, url: str, client: str) -> None:
    """A propagator of the app's that is broken costs it the trace, not its answer, and us no record."""
    sent.start()
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Raises())
    try:
        assert WAYS[client](url) == LINES
    finally:
        propagate.set_global_textmap(before)
    assert sent.exchange.response.body.content == LINES.decode()
    assert open_sessions() == 0


def strided() -> Any:
    return memoryview(b"a1c2e3")[::2]


def test_bodies_in_pieces_of_memory(sent: Sent, far: FarServer, url: str) -> None:
    """A chunk that lies scattered in memory is sent as it is without us, and recorded as it was sent."""
    sent.start()
    urllib3.request("POST", url, body=iter([strided(), b"tail"]))
    assert far.asked[0].body == b"acetail"
    body = sent.exchange.request.body
    assert (body.content, body.size, body.withheld) == ("acetail", 7, None)


def test_bodies_the_client_refuses(sent: Sent, url: str) -> None:
    """A body that `http.client` will not take gives the app its exception, and leaves nothing open."""

    def refused() -> BaseException:
        with pytest.raises(Exception) as raised:
            urllib3.request("POST", url, body=strided(), retries=False)
        return raised.value

    without = refused()
    sent.start()
    assert (type(refused()), str(refused())) == (type(without), str(without))
    assert len(sent.exchanges) == 2
    assert open_sessions() == 0


READING: dict[str, Callable[[Any], Any]] = {
    "lines": list,
    "as a context": lambda stream: [stream.__enter__().readline(), stream.__exit__(None, None, None)],
    "readlines": lambda stream: stream.readlines(),
    "some lines": lambda stream: [*stream.readlines(1), stream.read()],
    "wrapped": lambda stream: io.TextIOWrapper(stream).read(),
}


@pytest.mark.parametrize("way", READING)
def test_streams_read_by_hand(sent: Sent, url: str, way: str) -> None:
    """What a response of urllib's is read from does what it does without us, and what it gives is seen."""

    def read() -> Any:
        response = urllib.request.urlopen(url)
        try:
            return READING[way](response.fp)
        finally:
            response.fp.close()

    without = read()
    sent.start()
    assert read() == without
    body = sent.exchange.response.body
    assert body.content == ("line 1\n" if way == "as a context" else LINES.decode())


@pytest.fixture
def half_answered() -> Iterator[str]:
    """A server that answers with headers, and never with a body."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listening.accept()
                connection.recv(9999)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
                threading.Thread(
                    target=lambda held: over.wait(30) and held.close(), args=(connection,)
                ).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        over.set()


def test_sockets_that_do_not_block(sent: Sent, half_answered: str) -> None:
    """A read of which nothing comes yet gives nothing, as without us."""

    def read() -> Any:
        with urllib.request.urlopen(half_answered) as response:
            response.fp.raw._sock.setblocking(False)
            return response.fp.read(5), response.fp.readinto(bytearray(5))

    without = read()
    sent.start()
    assert read() == without == (None, None)
    assert sent.exchange.incomplete == "unread_response"


KEY = "hunter2-Xy7QpLmZ"
REFUSED: dict[str, Callable[[str], Any]] = {
    "requests": lambda url: requests.get(url, headers={"X-Api-Key": f"{KEY}\n"}),
    "requests, no text": lambda url: requests.get(url, headers={"X-Api-Key": (KEY,)}),  # type: ignore[dict-item]
    "requests, no scheme": lambda url: requests.get(f"user:{KEY}@host.example/x"),
    "httpx": lambda url: httpx.get(url, headers={"X-Api-Key": f"{KEY}\n"}),
    "urllib3": lambda url: urllib3.request("GET", url, headers={"X-Api-Key": f"{KEY}\nx"}),
    "urllib": lambda url: urllib.request.urlopen(
        urllib.request.Request(url, headers={"X-Api-Key": f"{KEY}\nx"})
    ),
}


@pytest.mark.parametrize("client", REFUSED)
def test_secrets_that_clients_refuse(sent: Sent, url: str, client: str) -> None:
    """What a client quotes of a header it refuses is not in the record of the request that is answered."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        REFUSED[client](url)
        return []

    sent.start()
    answering = spantap.instrument_app(app)
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/in",
        "wsgi.url_scheme": "http",
        "SERVER_NAME": "here",
        "SERVER_PORT": "80",
    }
    with pytest.raises(Exception, match=KEY):
        list(answering(environ, lambda status, headers: None))

    exchanges = sent.exchanges
    (inbound,) = [each for each in exchanges if each.direction == "inbound"]
    assert inbound.error is not None
    assert inbound.error.message
    assert KEY not in repr(exchanges)
