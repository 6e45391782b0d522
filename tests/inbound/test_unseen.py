"""What an app might do with a request that would show it that we are there."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import io
import pickle
import weakref
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_current_span
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

import spantap
from asgi_client import Message, call, responding, scope
from spantap.export.memory import MemorySink
from spantap.model import Exchange

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


class Captured:
    """A capture into memory."""

    def __init__(self) -> None:
        self.memory = MemorySink()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.handle = spantap.configure(destinations=[self.memory], tracer_provider=self.provider)

    def only(self) -> Exchange:
        assert self.handle.flush(5)
        (exchange,) = self.memory.read()
        return exchange


@pytest.fixture
def captured() -> Iterator[Captured]:
    made = Captured()
    yield made
    made.handle.shutdown(1)


def environ(body: Any = b"", **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"wsgi.input": body if hasattr(body, "read") else io.BytesIO(body)}
    if isinstance(body, bytes):
        made["CONTENT_LENGTH"] = str(len(body))
    setup_testing_defaults(made)
    return {**made, **changes}


def serve(app: Any, request: dict[str, Any]) -> tuple[list[Any], list[bytes]]:
    """What a WSGI server gets: the headers it was given, and the chunks."""
    started: list[Any] = []

    def start_response(status: str, headers: Iterable[Any], exc_info: Any = None) -> Any:
        started.extend(headers)
        return lambda data: None

    body = app(request, start_response)
    try:
        return started, list(body)
    finally:
        if hasattr(body, "close"):
            body.close()


def test_headers_given_as_an_iterator_reach_the_server(captured: Captured) -> None:
    """A WSGI app may hand its headers over as anything that can be read once."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", iter([("Content-Type", "text/plain"), ("X-Note", "1")]))
        return [b"x"]

    headers, _ = serve(spantap.instrument_app(app), environ())

    assert headers == [("Content-Type", "text/plain"), ("X-Note", "1")]
    assert captured.only().response.headers["x-note"] == ("1",)


def test_a_scope_whose_headers_can_be_read_once_reaches_the_app(captured: Captured) -> None:
    """ASGI says iterable; whoever reads it first must leave it for the app."""
    seen: list[Any] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await responding(b"{}")(scope, receive, send)

    request = scope(headers=[("x-note", "1")])
    request["headers"] = iter(request["headers"])
    call(spantap.instrument_app(app), request)

    assert seen == [(b"x-note", b"1")]
    assert captured.only().request.headers["x-note"] == ("1",)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_scope_can_be_copied_and_pickled(captured: Captured, duplicate: Any) -> None:
    """Middlewares copy scopes, task queues pickle them."""
    copies: list[Any] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        copies.append(duplicate(scope))
        await responding(b"{}")(scope, receive, send)

    call(spantap.instrument_app(app), scope(path="/copied"))

    assert copies[0]["path"] == "/copied"
    assert captured.only().response.status == 200


def test_what_an_app_makes_current_while_it_streams_stays_current(captured: Captured) -> None:
    """A span or baggage begun between chunks of a WSGI response is there at the next chunk."""
    tracer = captured.provider.get_tracer("app")
    seen: list[Any] = []

    def stream() -> Iterator[bytes]:
        with tracer.start_as_current_span("streaming") as span:
            token = context.attach(baggage.set_baggage("shop", "7"))
            for _ in range(3):
                seen.append((get_current_span() is span, baggage.get_baggage("shop")))
                yield b"x"
            context.detach(token)

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return stream()

    before = context.get_current()
    _, chunks = serve(spantap.instrument_app(app), environ())

    assert chunks == [b"x"] * 3
    assert seen == [(True, "7")] * 3
    assert context.get_current() == before


def test_a_coroutine_closed_from_elsewhere_ends_quietly(
    captured: Captured, caplog: pytest.LogCaptureFixture
) -> None:
    """Servers may close a hanging request from a context that is not its own."""

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()

    async def never() -> Message:
        await asyncio.Future()
        raise AssertionError

    async def serve_and_close() -> None:
        request = spantap.instrument_app(app)(scope(), never, None)
        contextvars.copy_context().run(request.send, None)
        request.close()

    asyncio.run(serve_and_close())

    assert captured.only().incomplete == "cancelled"
    assert "another" not in caplog.text
    assert "detach" not in caplog.text


class _Guard:
    """Refuses whatever has no key."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and b"x-key" not in dict(scope["headers"]):
            await PlainTextResponse("no", 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class Lazy(Starlette):
    """Adds its middleware when the first request comes."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.middleware_stack is None:
            self.add_middleware(_Guard)
        await super().__call__(scope, receive, send)


def test_an_app_that_configures_itself_late_keeps_its_middleware(captured: Captured) -> None:
    """An access check added at the first request still checks."""

    def index(request: Request) -> JSONResponse:
        return JSONResponse({})

    app = spantap.instrument_app(Lazy(routes=[Route("/", index)]))

    (start, _) = call(app, scope())

    assert start["status"] == 403
    assert captured.only().response.status == 403


@pytest.mark.parametrize(
    ("mounted", "path", "route"),
    [
        ("/reset/{token}", f"/reset/{JWT}/new", "/reset/{token}/new"),
        ("/number/{number:int}", "/number/05/new", "/{mount}/new"),
        ("/plain", "/plain/new", "/plain/new"),
    ],
)
def test_a_route_is_a_template_even_under_a_mount(
    captured: Captured, mounted: str, path: str, route: str
) -> None:
    """What a mount's parameters matched is in no route and no span name."""

    def new(request: Request) -> JSONResponse:
        return JSONResponse({})

    app = spantap.instrument_app(Starlette(routes=[Mount(mounted, routes=[Route("/new", new)])]))

    call(app, scope(path=path))

    assert captured.only().route == route


def test_the_input_is_what_the_server_gave(captured: Captured) -> None:
    """`next`, `with` and `readinto` work on the input as they do without us, and only then."""
    taken: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        stream = environ["wsgi.input"]
        with stream as entered:
            taken.extend([next(entered), *entered])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x"]

    serve(spantap.instrument_app(app), environ(b"one\ntwo\n", CONTENT_TYPE="text/plain"))

    assert taken == [b"one\n", b"two\n"]
    assert captured.only().request.body.content == "one\ntwo\n"


def test_an_input_without_extras_offers_none(captured: Captured) -> None:
    """Frameworks look at what the input can do; it cannot do more than it did."""

    class Bare:
        def read(self, size: int = -1) -> bytes:
            return b""

    offered: list[bool] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        names = ("readinto", "__next__", "__enter__", "__exit__")
        offered.extend(hasattr(environ["wsgi.input"], name) for name in names)
        start_response("200 OK", [])
        return [b"x"]

    serve(spantap.instrument_app(app), environ(Bare()))

    assert offered == [False] * 4


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_request_is_free_as_soon_as_it_is_over(captured: Captured, kind: str) -> None:
    """We leave no cycles: what hangs on a request goes with it, and the collector has no work with us."""

    class Thing:
        pass

    def wsgi(request: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [request["wsgi.input"].read()]

    app = spantap.instrument_app(responding(b"{}") if kind == "asgi" else wsgi)
    gc.disable()
    try:
        for _ in range(2):  # what the first one leaves is made once: the provider, the exporter
            thing = Thing()
            gone = weakref.ref(thing)
            if kind == "asgi":
                call(app, {**scope("POST", "/a"), "thing": thing}, b"{}")
            else:
                serve(app, environ(b"{}", thing=thing))
            del thing
        assert gone() is None
    finally:
        gc.enable()


def test_a_scope_made_by_hand_is_left_alone(captured: Captured, caplog: pytest.LogCaptureFixture) -> None:
    """A scope without headers, which no server makes, reaches the app as it is, and nothing is said of it."""
    request = scope()
    del request["headers"]
    before = dict(request)

    call(spantap.instrument_app(responding(b"{}")), request)

    assert request == before
    assert caplog.messages == []
