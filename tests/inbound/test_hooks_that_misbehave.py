"""Hooks that end the process, send requests of their own, or speak too late; facts that are no facts."""

from __future__ import annotations

import asyncio
import base64
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from wsgiref.util import setup_testing_defaults

import httpx
import pytest
import requests
from flask import Flask
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider

import spantap
from asgi_client import call, responding, scope
from spantap.export.memory import MemorySink
from spantap.model import Exchange, Observation
from spantap.policy.identify import as_id


class Panic(BaseException):
    """As an extension in Rust raises."""


class Capture:
    """One of requests that are answered, with settings of the test's own."""

    def __init__(self) -> None:
        self.memory = MemorySink()
        self.handle: spantap.Handle | None = None

    def start(self, **settings: Any) -> spantap.Handle:
        self.handle = spantap.configure(destinations=[self.memory], **settings)
        return self.handle

    @property
    def exchanges(self) -> list[Exchange]:
        assert self.handle is not None
        assert self.handle.flush(20)
        return self.memory.read()


@pytest.fixture
def capture() -> Iterator[Capture]:
    made = Capture()
    yield made
    spantap.uninstrument_clients()
    if made.handle is not None:
        made.handle.shutdown(1)


def leaving(view: object) -> None:
    sys.exit(3)


async def leaving_late(view: object) -> None:
    await asyncio.sleep(0)
    sys.exit(3)


def panicking(view: object) -> None:
    raise Panic("in a hook")


async def panicking_late(view: object) -> None:
    raise Panic("in a hook")


def closing(view: object) -> None:
    raise GeneratorExit


BAD = [leaving, leaving_late, panicking, panicking_late, closing]


def by_asgi(count: int) -> None:
    """So many requests in one event loop, as a server serves them."""
    app = spantap.ASGIMiddleware(responding(b'{"a":1}'))

    async def serve() -> None:
        for number in range(count):
            sent: list[Any] = []

            async def receive() -> Any:
                return {"type": "http.request", "body": b"", "more_body": False}

            async def send(message: Any, sent: list[Any] = sent) -> None:
                sent.append(message)

            await app(scope(path=f"/{number}"), receive, send)
            await asyncio.sleep(0.01)
            assert sent[-1]["body"] == b'{"a":1}'

    asyncio.run(serve())


def by_wsgi(count: int) -> None:
    """The same without an event loop."""

    def answering(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"a":1}']

    app = spantap.WSGIMiddleware(answering)
    for number in range(count):
        environ: dict[str, Any] = {"PATH_INFO": f"/{number}"}
        setup_testing_defaults(environ)
        body: Any = app(environ, lambda status, headers, exc_info=None: lambda data: data)
        assert list(body) == [b'{"a":1}']
        body.close()


@pytest.mark.parametrize("serve", [by_asgi, by_wsgi])
@pytest.mark.parametrize("hook", BAD, ids=lambda hook: hook.__name__)
def test_hooks_that_end_more_than_themselves(
    capture: Capture, hook: Any, serve: Callable[[int], None]
) -> None:
    """Whatever a hook raises, sync or not, the app answers, and every exchange is kept without its word."""
    capture.start(identify_user=hook)
    serve(5)
    assert [each.identity.user for each in capture.exchanges] == [None] * 5


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """The paths that a server was asked for; the first says where it is."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        paths.append(f"http://127.0.0.1:{server.server_port}/tenant")
        yield paths
        server.shutdown()


@pytest.mark.parametrize("name", ["mask", "metadata"])
@pytest.mark.parametrize("how", ["sync", "async"])
def test_hooks_that_send_requests(capture: Capture, asked: list[str], name: str, how: str) -> None:
    """What a hook sends is not captured: it would be asked about its own request, without end."""
    url = asked[0]

    def given(view: Any) -> Any:
        return view if name == "mask" else None

    def sync(view: Any) -> Any:
        if len(asked) < 20:
            requests.get(url, timeout=30)
        return given(view)

    async def awaited(view: Any) -> Any:
        if len(asked) < 20:
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.get(url)
        return given(view)

    capture.start(**{name: sync if how == "sync" else awaited, "hook_timeout": 20})
    spantap.instrument_clients()
    app = spantap.ASGIMiddleware(responding(b'{"a":1}'))

    async def serve() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None: ...

        await app(scope(), receive, send)
        await asyncio.sleep(1)  # as a server that goes on

    asyncio.run(serve())
    assert [each.direction for each in capture.exchanges] == ["inbound"]
    assert asked[1:] == ["/tenant"]


def test_a_loop_ends_whatever_hooks_wait_for(capture: Capture) -> None:
    """Hooks that hang are not waited for one after the other when the app's loop ends."""

    async def hanging(view: object) -> None:
        await asyncio.sleep(60)

    names = ("identify_user", "identify_company", "session_token", "metadata")
    capture.start(**dict.fromkeys(names, hanging), hook_timeout=5)
    app = spantap.ASGIMiddleware(responding(b"{}"))
    begun = time.monotonic()
    call(app, scope(path="/once"))
    assert time.monotonic() - begun < 9  # one after the other took 5 seconds each
    assert [each.request.path for each in capture.exchanges] == ["/once"]


def test_what_names_a_user_is_a_credential(capture: Capture) -> None:
    """A header listed as one that says who it is is masked: hashing the user would be for nothing."""
    token = base64.urlsafe_b64encode(b'{"sub":"ada@example.org","name":"Ada L"}').decode().rstrip("=")
    capture.start(authorization_headers=["x-userinfo"], hash=["user"], hash_key="0123456789abcdef" * 2)
    call(spantap.ASGIMiddleware(responding(b"{}")), scope(headers=[("x-userinfo", token)]))
    (exchange,) = capture.exchanges
    assert exchange.identity.user_hash
    assert exchange.request.headers["x-userinfo"] == ("[REDACTED]",)
    assert token not in repr(exchange)


def test_skipped_twice_is_skipped(capture: Capture) -> None:
    """`skip()` said again when the exchange is over, and not decided yet, does not take it back."""
    capture.start(body_max_bytes=200_000)
    large = b'{"a":"' + b"x" * 100_000 + b'"}'

    async def app(scope: Any, receive: Any, send: Any) -> None:
        secret = scope["path"] == "/secret"
        if secret:
            spantap.current().skip()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": large})
        if secret:
            spantap.current().skip()

    captured = spantap.ASGIMiddleware(app)

    async def serve() -> None:
        async def ignore(message: Any) -> None: ...

        async def receive() -> Any:
            return {"type": "http.request"}

        paths = ["/other"] * 20 + ["/secret"] * 20
        await asyncio.gather(*[captured(scope(path=path), receive, ignore) for path in paths])

    asyncio.run(serve())
    assert [each.request.path for each in capture.exchanges] == ["/other"] * 20


class Unspeakable:
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    "say",
    [
        lambda current: current.metric("items", None),
        lambda current: current.metric("price", "12 EUR"),
        lambda current: current.metric(5, 1),
        lambda current: current.metric("large", 10**400),
        lambda current: current.user(Unspeakable()),
        lambda current: current.user("ada", email=5),
        lambda current: current.company(Unspeakable()).session(Unspeakable()),
    ],
)
def test_facts_that_are_none(capture: Capture, say: Callable[[Any], Any]) -> None:
    """What cannot be noted is reported, not raised: on a request that is not captured nothing would be."""
    capture.start()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        say(spantap.current())
        await responding(b"{}")(scope, receive, send)

    assert call(spantap.ASGIMiddleware(app), scope())[0]["status"] == 200
    assert len(capture.exchanges) == 1


def test_facts_too_large_for_a_number(capture: Capture) -> None:
    """A key of the app's own is taken out of its answer whatever stands under it."""
    app = Flask("x")

    @app.get("/a")
    def answer() -> Any:
        return {"ok": 1, "_facts": {"n": 10**400, "plan": "internal"}}

    capture.start(data_key="_facts")
    spantap.instrument_app(app)
    assert app.test_client().get("/a").get_json() == {"ok": 1}
    (exchange,) = capture.exchanges
    assert exchange.metadata == {"spantap": "metadata withheld: not JSON"}


def test_users_that_nobody_looked_at(capture: Capture) -> None:
    """A lazy user of any kind is not evaluated by us."""
    from django.utils.functional import SimpleLazyObject

    from spantap.inbound import route, said

    class Lazy(SimpleLazyObject):  # type: ignore[type-arg]
        pass

    asked: list[str] = []

    def load() -> Any:
        asked.append("SELECT")
        return SimpleNamespace(pk=7, is_authenticated=True)

    request = SimpleNamespace(user=Lazy(load))
    seen = Observation(method="GET", scheme="http", path="/", query="", start=1)
    said._django(seen, {route._DJANGO: lambda: request}, "x")
    assert asked == []


def test_ids_that_are_no_text() -> None:
    """A primary key may be a UUID."""
    assert as_id(uuid.UUID(int=5)) == "00000000-0000-0000-0000-000000000005"


def test_left_out_beneath_the_span_of_another(capture: Capture) -> None:
    """A request that is not selected is counted once, whoever has begun its span."""
    handle = capture.start(
        exclude_urls="/no", tracer_provider=(provider := TracerProvider(shutdown_on_exit=False))
    )
    app = spantap.ASGIMiddleware(spantap.ASGIMiddleware(responding(b"{}")))
    call(OpenTelemetryMiddleware(app, tracer_provider=provider), scope(path="/no"))
    call(OpenTelemetryMiddleware(app, tracer_provider=provider), scope(path="/yes"))
    assert [each.request.path for each in capture.exchanges] == ["/yes"]
    assert handle.stats().not_kept == {"not_selected": 1}
