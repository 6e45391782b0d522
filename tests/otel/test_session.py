from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode

import spantap
from asgi_client import Message, call, responding, scope
from spantap.export.memory import MemorySink
from spantap.export.outcome import TryLaterError
from spantap.model import Exchange
from spantap.otel import processor as processor_module

JSON = [("content-type", "application/json"), ("host", "shop")]


class Capture:
    """A capture on a tracer provider of the app's own, and what the app's own exporter sees."""

    def __init__(self) -> None:
        self.memory = MemorySink()
        self.exporter = InMemorySpanExporter()
        self.provider: Any = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.handle: spantap.Handle | None = None

    def start(self, **settings: Any) -> spantap.Handle:
        settings = {"tracer_provider": self.provider, "destinations": [self.memory], **settings}
        self.handle = spantap.configure(**settings)
        return self.handle

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @property
    def exchanges(self) -> list[Exchange]:
        assert self.handle is not None
        assert self.handle.flush(5)
        return self.memory.read()


@pytest.fixture
def capture() -> Iterator[Capture]:
    made = Capture()
    yield made
    if made.handle is not None:
        made.handle.shutdown(1)


@pytest.mark.setting("tracer_provider")
def test_the_live_span_is_enriched_and_clean(capture: Capture) -> None:
    """An app with its own OpenTelemetry sees clean, portable bodies on its own spans."""
    capture.start()
    app = spantap.instrument_app(responding(b'{"token":"s3cret-token","list":"' + b"x" * 5000 + b'"}'))

    call(app, scope("POST", "/login", JSON, "api_key=s3cret-key"), b'{"password":"s3cret-pass"}')

    (span,) = capture.spans
    attributes = span.attributes or {}
    assert span.kind is SpanKind.SERVER
    assert attributes["http.request.body.content"] == '{"password":"[REDACTED]"}'
    response = attributes["http.response.body.content"]
    assert isinstance(response, str)
    assert response.startswith('{"token":"[REDACTED]"')
    assert len(response) == 2048
    assert attributes["spantap.response.body.truncated"] is True
    assert "s3cret" not in span.to_json()
    (exchange,) = capture.exchanges
    assert len(str(exchange.response.body.content)) > 5000


@pytest.mark.setting("live_bodies")
def test_live_bodies_can_be_switched_off(capture: Capture) -> None:
    """With LIVE_BODIES off the app's own span carries metadata only; our record is whole."""
    capture.start(live_bodies=False)

    call(spantap.instrument_app(responding(b'{"a":1}')), scope("POST", "/a", JSON), b'{"b":2}')

    (span,) = capture.spans
    assert not [name for name in span.attributes or {} if "body" in name or "header" in name]
    assert capture.exchanges[0].request.body.content == '{"b":2}'


def outer_server(app: Any, provider: TracerProvider, path: str, *, ends_early: bool = False) -> Any:
    """Somebody else's instrumentation around an app."""

    async def traced(scope: Message, receive: Any, send: Any) -> None:
        tracer = provider.get_tracer("somebody")
        attributes = {"http.request.method": scope["method"], "url.path": path}
        span = tracer.start_span("theirs", kind=SpanKind.SERVER, attributes=attributes)

        async def their_send(message: Message) -> None:
            if ends_early and message["type"] == "http.response.start":
                span.end()
            await send(message)
            if not ends_early and not message.get("more_body") and message["type"] == "http.response.body":
                span.end()

        with trace.use_span(span, end_on_exit=False):
            await app(scope, receive, their_send)

    return traced


def test_attaches_to_the_span_of_this_request(capture: Capture) -> None:
    """A SERVER span somebody began for this request carries the exchange; there is no second one."""
    capture.start()
    app = outer_server(spantap.instrument_app(responding(b'{"a":1}')), capture.provider, "/a")

    call(app, scope("POST", "/a", JSON), b'{"b":2}')

    (span,) = capture.spans
    assert span.name == "theirs"
    assert (span.attributes or {})["http.response.body.content"] == '{"a":1}'
    (exchange,) = capture.exchanges
    assert exchange.span_id == f"{span.context.span_id:016x}"
    assert exchange.response.status == 200


def test_a_span_of_another_request_is_a_parent_at_most(capture: Capture) -> None:
    """A SERVER span that was begun for something else stays as it is and becomes the parent."""
    capture.start()
    app = outer_server(spantap.instrument_app(responding(b"{}")), capture.provider, "/other")

    call(app, scope("GET", "/a"))

    ours, theirs = sorted(capture.spans, key=lambda span: span.name)
    assert ours.parent is not None
    assert ours.parent.span_id == theirs.context.span_id
    assert "http.response.status_code" not in (theirs.attributes or {})
    assert capture.exchanges[0].span_id == f"{ours.context.span_id:016x}"


def test_an_app_called_within_a_request_has_its_own_span(capture: Capture) -> None:
    """Two captured apps, one calling the other in process on the same path: two exchanges, not mixed."""
    capture.start()
    inner = spantap.instrument_app(responding(b'{"from":"inner"}'))

    async def calling(scope_: Message, receive: Any, send: Any) -> None:
        async def ignore(message: Message) -> None:
            pass

        await inner(scope("GET", "/same"), receive, ignore)
        await responding(b'{"from":"outer"}')(scope_, receive, send)

    call(spantap.instrument_app(calling), scope("GET", "/same"))

    outer, within = capture.exchanges
    assert (outer.response.body.content, within.response.body.content) == (
        '{"from":"outer"}',
        '{"from":"inner"}',
    )
    assert within.parent_span_id == outer.span_id
    assert within.trace_id == outer.trace_id


def test_a_span_that_ends_before_the_body_is_joined_with_it(capture: Capture) -> None:
    """When somebody ends their span at the headers, the record still shows the whole body, once."""
    capture.start()
    app = outer_server(
        spantap.instrument_app(responding(b'{"a":1}')), capture.provider, "/a", ends_early=True
    )

    call(app, scope("POST", "/a", JSON), b'{"b":2}')

    (exchange,) = capture.exchanges
    assert exchange.response.body.content == '{"a":1}'
    assert exchange.incomplete is None
    assert len(capture.spans) == 1


def test_a_body_that_never_ends_is_emitted_incomplete(
    capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A span that ended long ago does not wait for its body for ever: the record says so."""
    monkeypatch.setattr(processor_module, "_PARKED_SECONDS", 0.05)
    handle = capture.start()
    halted = 0

    async def halting(scope_: Message, receive: Any, send: Any) -> None:
        nonlocal halted
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
        )
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        for _ in range(2):  # what has begun to pass since is waited for once more
            await asyncio.sleep(0.06)
            assert handle.flush(5)
        halted = len(capture.memory.read())
        await send({"type": "http.response.body", "body": b" and ended"})

    app = outer_server(spantap.instrument_app(halting), capture.provider, "/sse", ends_early=True)
    call(app, scope("GET", "/sse"))

    assert halted == 1
    (exchange,) = capture.exchanges
    assert exchange.incomplete == "timeout"
    assert exchange.response.body.size == 5


def test_unsampled_exchanges_reach_our_stores_only(capture: Capture) -> None:
    """A trace nobody samples leaves a record with its ids, and no span anywhere."""
    capture.provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    capture.provider.add_span_processor(SimpleSpanProcessor(capture.exporter))
    capture.start()
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

    sent = call(spantap.instrument_app(responding(b"{}")), scope("GET", "/a", [("traceparent", parent)]))

    assert sent[0]["status"] == 200
    assert capture.spans == ()
    (exchange,) = capture.exchanges
    assert exchange.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert exchange.parent_span_id == "00f067aa0ba902b7"
    assert exchange.sampled is False


@pytest.mark.setting("capture_unsampled")
def test_unsampled_exchanges_can_be_left_alone(capture: Capture) -> None:
    """CAPTURE_UNSAMPLED=none keeps nothing of them and counts why; keep() overrules it."""
    capture.provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    handle = capture.start(capture_unsampled="none")

    async def keeping(scope_: Message, receive: Any, send: Any) -> None:
        spantap.current().keep()
        await responding(b"{}")(scope_, receive, send)

    call(spantap.instrument_app(responding(b"{}")), scope("GET", "/a"))
    call(spantap.instrument_app(keeping), scope("GET", "/kept"))

    assert [each.request.path for each in capture.exchanges] == ["/kept"]
    assert handle.stats().not_kept == {"unsampled": 1}


def test_skip_keeps_the_span_but_not_the_exchange(capture: Capture) -> None:
    """An app that says skip() leaves no record; the plain span is still there."""
    handle = capture.start()

    async def skipping(scope_: Message, receive: Any, send: Any) -> None:
        spantap.current().skip()
        await responding(b'{"secret-ish":1}')(scope_, receive, send)

    call(spantap.instrument_app(skipping), scope("GET", "/a"))

    assert capture.exchanges == []
    assert handle.stats().not_kept == {"skipped": 1}
    (span,) = capture.spans
    assert (span.attributes or {})["http.response.status_code"] == 200
    assert "http.response.body.content" not in (span.attributes or {})


def test_large_bodies_are_finished_elsewhere(capture: Capture) -> None:
    """With bodies beyond 64 KiB the request does not wait for redaction, and nothing is lost."""
    capture.start(preset="full")
    body = b'{"password":"s3cret","fill":"' + b"y" * 60_000 + b'"}'

    sent = call(spantap.instrument_app(responding(body)), scope("POST", "/a", JSON), body)

    assert sent[1]["body"] == body
    (exchange,) = capture.exchanges
    for half in (exchange.request, exchange.response):
        assert str(half.body.content).startswith('{"password":"[REDACTED]","fill":"yyy')
        assert half.body.size == len(body)


def test_an_exception_is_recorded_clean_and_raised_unchanged(capture: Capture) -> None:
    """The app's exception reaches the server as it was; span and record tell of it without the secret."""
    capture.start()
    raised = ValueError("cannot log in with s3cret-pass")

    async def failing(scope_: Message, receive: Any, send: Any) -> None:
        await receive()
        raise raised

    with pytest.raises(ValueError) as caught:
        call(spantap.instrument_app(failing), scope("POST", "/a", JSON), b'{"password":"s3cret-pass"}')

    assert caught.value is raised
    (exchange,) = capture.exchanges
    assert exchange.error is not None
    assert exchange.error.type == "ValueError"
    assert exchange.error.message == "cannot log in with [REDACTED]"
    (span,) = capture.spans
    assert span.status.status_code is StatusCode.ERROR
    assert span.events[0].name == "exception"
    assert "s3cret" not in span.to_json()


def test_current_is_empty_outside_and_harmless_when_late(capture: Capture) -> None:
    """What the app says after the end changes nothing and raises nothing."""
    capture.start()
    kept: list[spantap.Current] = []

    async def view(scope_: Message, receive: Any, send: Any) -> None:
        kept.append(
            spantap.current().user(7, email="a@b.c").company("c").device("d").session("s").metric("m", 2)
        )
        await responding(b"{}")(scope_, receive, send)

    spantap.current().user("nobody")
    call(spantap.instrument_app(view), scope("GET", "/a"))
    kept[0].user("too late").metadata(x=1)

    (exchange,) = capture.exchanges
    who = exchange.identity
    assert (who.user, who.email, who.company, who.device, who.session) == ("7", "a@b.c", "c", "d", "s")
    assert exchange.metrics == {"m": 2.0}
    assert exchange.metadata == {}


def test_nothing_happens_when_tracing_is_switched_off(capture: Capture) -> None:
    """With a tracer that makes no spans (OTEL_SDK_DISABLED) the app runs as if we were not there."""
    capture.provider = NoOpTracerProvider()
    capture.start()

    sent = call(spantap.instrument_app(responding(b'{"a":1}')), scope("GET", "/a"))

    assert sent[1]["body"] == b'{"a":1}'
    assert capture.exchanges == []


def test_the_limits_of_the_apps_provider_are_respected(capture: Capture) -> None:
    """On a provider with a small attribute limit the app's span keeps method, path and status."""
    capture.provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=20), shutdown_on_exit=False)
    capture.provider.add_span_processor(SimpleSpanProcessor(capture.exporter))
    capture.start()

    call(
        spantap.instrument_app(responding(b"{}")),
        scope("GET", "/a", [(f"x-{number}", "v") for number in range(30)]),
    )

    (span,) = capture.spans
    kept = span.attributes or {}
    assert kept["http.request.method"] == "GET"
    assert kept["url.path"] == "/a"
    assert kept["http.response.status_code"] == 200
    assert kept["spantap.request.headers.dropped"]


@pytest.mark.setting("destinations")
def test_the_same_destination_twice_is_one(capture: Capture) -> None:
    """A destination given twice gets each exchange once."""
    handle = capture.start(destinations=[capture.memory, capture.memory])

    call(spantap.instrument_app(responding(b"{}")), scope("GET", "/a"))

    assert len(capture.exchanges) == 1
    assert list(handle.stats().destinations) == ["memory"]


def test_a_failing_destination_hurts_neither_app_nor_others(capture: Capture) -> None:
    """One destination raises, the other gets its exchange, the client its answer; what waits is counted."""

    class Broken:
        name = "broken"
        target = "nowhere"

        def write(self, exchanges: Any, /) -> None:
            raise OSError(28, "disk full")

        def close(self) -> None:
            raise OSError("still full")

    handle = capture.start(destinations=[Broken(), capture.memory])

    sent = call(spantap.instrument_app(responding(b"{}")), scope("GET", "/a"))

    assert sent[1]["body"] == b"{}"
    assert not handle.flush(0.5)
    assert len(capture.memory.read()) == 1
    broken = handle.stats().destinations["broken"]
    assert (broken.queued, broken.dropped, broken.failing) == (1, {}, "disk full")


@pytest.mark.setting("queue_max_bytes")
def test_memory_is_bounded_by_the_budget(capture: Capture) -> None:
    """When the byte budget is spent, what waits longest loses its bodies, then goes; all of it counted."""

    class Stuck(MemorySink):
        name = "stuck"

        def write(self, exchanges: Any, /) -> None:
            raise TryLaterError("not now")

    handle = capture.start(destinations=[Stuck(), capture.memory], queue_max_bytes=64 * 1024)
    app = spantap.instrument_app(responding(b'{"x":"' + b"z" * 10_000 + b'"}'))

    for number in range(200):
        assert call(app, scope("GET", f"/{number}"))[0]["status"] == 200
        if number % 4 == 0:
            while handle.stats().destinations["memory"].queued:  # the one that works keeps up
                assert not handle.flush(0.05)

    handle.flush(0.5)
    stats = handle.stats()
    assert stats.queued_bytes <= 64 * 1024
    stuck, memory = stats.destinations["stuck"], stats.destinations["memory"]
    assert stuck.captured == 200 == stuck.queued + sum(stuck.dropped.values())
    assert stuck.queued >= 20  # the bodies of 6 would have filled it
    assert stuck.lightened["bodies"] >= 100
    assert set(stuck.dropped) == {"budget"}
    # A destination that takes nothing does not cost the others theirs.
    assert (memory.captured, memory.dropped) == (200, {})
    assert [each.request.path for each in capture.memory.read(3)] == ["/199", "/198", "/197"]


def test_a_secret_in_the_path_is_on_no_span(capture: Capture) -> None:
    """A token in the path is masked from the start, also on spans whose exchange is not kept."""
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
    capture.start(exclude_urls=["/static/*"])
    app = spantap.instrument_app(responding(b"{}"))

    call(app, scope("GET", f"/reset/{token}"))
    call(app, scope("GET", f"/static/{token}", query="api_key=s3cret-key"))

    assert len(capture.spans) == 2
    for span in capture.spans:
        assert "eyJ" not in span.to_json()
        assert "s3cret" not in span.to_json()
    assert "eyJ" not in repr(capture.exchanges)
