"""Requests of traces that are not sampled, where nothing is to be kept of them."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from wsgiref.simple_server import make_server
from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest
import uvicorn
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult

import spantap
from asgi_client import Message, call, responding, scope
from one_process import Quiet
from spantap.export.memory import MemorySink

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{CALLER}-00", "baggage": "tenant=acme"}


class Traced:
    """A provider of the app's own, its exporter, and what the app saw of its context."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # The app's spans are its own to export, so that of ours no destination is left.
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=ParentBased(ALWAYS_ON), shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.saw: list[tuple[str, str, object]] = []
        self.handle: spantap.Handle | None = None

    def start(self, **settings: Any) -> spantap.Handle:
        self.handle = spantap.configure(**{"tracer_provider": self.provider, **settings})
        return self.handle

    def work(self) -> None:
        """What an app does: a span of its own, beneath what is current."""
        context = trace.get_current_span().get_span_context()
        ids = format(context.trace_id, "032x"), format(context.span_id, "016x")
        self.saw.append((*ids, baggage.get_baggage("tenant")))
        with self.provider.get_tracer("app").start_as_current_span("beneath"):
            pass


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traced]:
    made = Traced(monkeypatch)
    yield made
    if made.handle is not None:
        made.handle.shutdown(1)


def wsgi_app(traced: Traced) -> Any:
    class Streaming:
        def __iter__(self) -> Iterator[bytes]:
            for piece in (b"one ", b"two"):
                traced.work()
                yield piece

        def close(self) -> None:
            traced.work()

    def app(environ: Any, start_response: Any) -> Any:
        traced.work()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Streaming()

    return app


def asgi_app(traced: Traced) -> Any:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        traced.work()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one ", b"two"):
            traced.work()
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})
        traced.work()

    return app


def served_by_wsgiref(app: Any) -> int:
    server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def served_by_uvicorn(app: Any) -> int:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    threading.Thread(target=server.run, args=([listening],), daemon=True).start()
    port: int = listening.getsockname()[1]
    return port


def ask(port: int, path: str) -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=HEADERS)
    with urllib.request.urlopen(request, timeout=60) as response:
        body: bytes = response.read()
    return body


@pytest.mark.parametrize(
    ("make", "serve"),
    [
        pytest.param(wsgi_app, served_by_wsgiref, id="wsgi"),
        pytest.param(asgi_app, served_by_uvicorn, id="asgi"),
    ],
)
@pytest.mark.parametrize("path", ["/a", "/health"])
def test_what_is_beneath_it_stays_in_its_trace(traced: Traced, make: Any, serve: Any, path: str) -> None:
    """Spans begun while the app runs, streams or closes are in its trace; none is a new, sampled root."""
    store = [MemorySink()] if path == "/health" else None  # excluded by default: nothing for the store
    handle = traced.start(**({} if store is None else {"destinations": store}))

    assert ask(serve(spantap.instrument_app(make(traced))), path) == b"one two"
    assert handle.flush(5)

    while len(traced.saw) < 4:  # the server closes after the client has its answer
        threading.Event().wait(0.01)
    assert {(each[0], each[2]) for each in traced.saw} == {(TRACE, "acme")}
    assert len({each[1] for each in traced.saw}) == 1
    assert traced.saw[0][1] != CALLER
    assert traced.exporter.get_finished_spans() == ()
    assert store is None or store[0].read() == []
    assert handle.stats().not_kept == {"unsampled" if store is None else "not_selected": 1}


def test_a_response_keeps_its_kind(traced: Traced) -> None:
    """A list, a sized iterable, a file wrapper: the server sees what it would see without us."""
    traced.start()
    closed = []

    class Sized:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"abc"])

        def __len__(self) -> int:
            return 1

        def close(self) -> None:
            closed.append(True)

    answers: dict[str, Any] = {
        "/list": [b"abc"],
        "/sized": Sized(),
        "/plain": iter([b"abc"]),
        "/file": FileWrapper(io.BytesIO(b"abc")),
    }

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return answers[environ["PATH_INFO"]]

    tapped = spantap.instrument_app(app)
    results = {}
    for path in answers:
        environ: dict[str, Any] = {"PATH_INFO": path, "HTTP_TRACEPARENT": HEADERS["traceparent"]}
        setup_testing_defaults(environ)
        environ["wsgi.file_wrapper"] = FileWrapper
        results[path] = tapped(environ, lambda *_: lambda data: None)

    assert results["/list"] is answers["/list"]
    assert results["/file"] is answers["/file"]
    answers["/file"].close()
    assert len(results["/sized"]) == 1
    assert b"".join(results["/sized"]) == b"abc"
    results["/sized"].close()
    assert closed == [True]
    assert not hasattr(results["/plain"], "__len__")
    assert b"".join(results["/plain"]) == b"abc"
    results["/plain"].close()


def test_an_exception_goes_its_way(traced: Traced) -> None:
    """What the app raises reaches the server unchanged, and the context is as it was."""
    traced.start()

    async def failing(scope: Message, receive: Any, send: Any) -> None:
        raise ValueError("as asked")

    with pytest.raises(ValueError, match="as asked"):
        call(spantap.instrument_app(failing), scope("GET", "/a", HEADERS.items()))

    assert not trace.get_current_span().get_span_context().is_valid


def test_an_app_called_within_a_request_does_not_speak_for_it(traced: Traced) -> None:
    """`current()` in an unsampled request within a captured one is nobody's, not the outer one's."""
    # A sampled request is looked at, with its bodies on the app's span; the inner one is not.
    traced.start()

    async def naming(scope: Message, receive: Any, send: Any) -> None:
        spantap.current().user("inner")
        await responding(b"{}")(scope, receive, send)

    inner = spantap.instrument_app(naming)

    async def calling(scope_: Message, receive: Any, send: Any) -> None:
        spantap.current().user("outer")
        await asyncio.to_thread(call, inner, scope("GET", "/inner", HEADERS.items()))
        await responding(b"{}")(scope_, receive, send)

    call(spantap.instrument_app(calling), scope("GET", "/outer"))

    spans = traced.exporter.get_finished_spans()
    assert [(span.attributes or {})["user.id"] for span in spans] == ["outer"]


class Curious(Sampler):
    """A sampler that decides by the path, and looks at everything."""

    def __init__(self) -> None:
        self.saw: list[dict[str, Any]] = []

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        links: Sequence[Any] | None = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        assert isinstance(attributes, Mapping)
        assert attributes
        assert "url.path" in attributes
        assert attributes.get("nothing", 7) == 7
        assert len(attributes) == len(list(attributes))
        self.saw.append(dict(attributes))
        kept = attributes["url.path"] == "/kept"
        return SamplingResult(Decision.RECORD_AND_SAMPLE if kept else Decision.DROP, attributes)

    def get_description(self) -> str:
        return "Curious"


def test_a_sampler_sees_all_that_is_known(traced: Traced) -> None:
    """The attributes handed to a sampler are whole and clean, and those it keeps are on the span."""
    sampler = Curious()
    traced.provider.sampler = sampler
    traced.start()
    app = spantap.instrument_app(responding(b"{}"))
    headers = [("user-agent", "probe/1.0")]

    call(app, scope("GET", "/kept", headers))
    call(app, scope("BREW", "/dropped/sk_live_4eC39HqLyjWDarjtT1zdp7dc", headers))

    known = {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/kept",
        "server.address": "127.0.0.1",
        "server.port": 8000,
        "client.address": "127.0.0.1",
        "client.port": 50000,
        "network.protocol.version": "1.1",
        "user_agent.original": "probe/1.0",
    }
    assert sampler.saw[0] == known
    assert sampler.saw[1].keys() == known.keys() | {"http.request.method_original"}
    assert "sk_live" not in str(sampler.saw)
    (span,) = traced.exporter.get_finished_spans()
    assert known.items() <= dict(span.attributes or {}).items()
