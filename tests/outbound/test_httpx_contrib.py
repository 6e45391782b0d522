"""httpx and httpx2 with OpenTelemetry's own instrumentation as well: one span, whoever came first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind

import spantap
from outbound.conftest import Sent
from outbound.far_server import Answer, FarServer
from outbound.httpx_ways import WAYS, Way, in_all_ways

Contribs = Callable[[], Any]


@pytest.fixture
def instrumentor(way: Way) -> Iterator[Any]:
    """OpenTelemetry's, for httpx or httpx2."""
    made = (HTTPXClientInstrumentor if way.name == "httpx" else HTTPX2ClientInstrumentor)()
    yield made
    if made.is_instrumented_by_opentelemetry:
        made.uninstrument()


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """What the app exports to."""
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Any:
    """A tracer provider of the app's own."""
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made


in_both_orders = pytest.mark.parametrize("ours_first", [True, False], ids=["ours-first", "theirs-first"])


def both(ours_first: bool, ours: Contribs, theirs: Contribs) -> None:
    for start in (ours, theirs) if ours_first else (theirs, ours):
        start()


@in_both_orders
@in_all_ways
def test_one_span(
    sent: Sent,
    far: FarServer,
    way: Way,
    instrumentor: Any,
    provider: Any,
    exporter: InMemorySpanExporter,
    ours_first: bool,
) -> None:
    """OpenTelemetry's span is the request's: its hooks and metrics go on, the exchange is written on it."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    asked: list[str] = []

    def hook(span: Any, request: Any) -> None:
        asked.append(request.method.decode())

    async def async_hook(span: Any, request: Any) -> None:
        hook(span, request)

    hooks = {"request_hook": hook, "async_request_hook": async_hook}
    far.answers["/a"] = Answer(b"", 307, {"Location": "/b"})
    far.answers["/b"] = Answer(b'{"id":1}', chunks=2)
    both(
        ours_first,
        lambda: sent.start(tracer_provider=provider),
        lambda: instrumentor.instrument(tracer_provider=provider, meter_provider=meters, **hooks),
    )

    async def scene(client: Any) -> Any:
        body = way.streamed(b'{"token":', b'"s3cret"}') if way.loop == "trio" else b'{"token":"s3cret"}'
        return await way.call(client.put, f"{far.url}/b?key=s3cret", content=body)

    async def redirected(client: Any) -> Any:
        return await way.call(client.get, f"{far.url}/a", follow_redirects=True)

    assert way.play(scene).json() == {"id": 1}
    assert way.play(redirected).json() == {"id": 1}

    spans = exporter.get_finished_spans()
    exchanges = sent.exchanges
    assert [span.kind for span in spans] == [SpanKind.CLIENT] * 3
    assert [f"{span.context.span_id:016x}" for span in spans] == [each.span_id for each in exchanges]
    assert [each.headers["traceparent"].split("-")[2] for each in far.asked] == [
        each.span_id for each in exchanges
    ]
    assert [each.request.resends for each in exchanges] == [0, 0, 1]
    assert exchanges[0].request.body.content == '{"token":"[REDACTED]"}'
    assert [each.response.body.content for each in exchanges] == ['{"id":1}', None, '{"id":1}']
    assert {name: values[0] for name, values in exchanges[0].request.headers.items()} == far.asked[0].headers
    assert asked == ["PUT", "GET", "GET"]
    assert reader.get_metrics_data() is not None
    written = spans[0].attributes or {}
    assert written["http.request.body.content"] == '{"token":"[REDACTED]"}'
    assert "s3cret" not in repr({**written, "http.url": None})  # that one is theirs


@in_both_orders
@pytest.mark.parametrize("way", WAYS[:1], ids=str)
def test_on_a_provider_of_ours(
    sent: Sent, far: FarServer, way: Way, instrumentor: Any, ours_first: bool
) -> None:
    """Without a provider of the app's own, OpenTelemetry's instrumentation begins its spans on ours."""
    both(ours_first, sent.start, instrumentor.instrument)

    async def scene(client: Any) -> Any:
        return [await way.call(client.get, far.url) for _ in range(2)]

    assert [each.json() for each in way.play(scene)] == [{}, {}]
    assert [each.span_id for each in sent.exchanges] == [
        asked.headers["traceparent"].split("-")[2] for asked in far.asked
    ]


@in_both_orders
@pytest.mark.parametrize("way", WAYS[:2], ids=str)
def test_unsampled(sent: Sent, far: FarServer, way: Way, instrumentor: Any, ours_first: bool) -> None:
    """A trace that is not sampled is kept once, and goes on as one that is not sampled."""
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    both(
        ours_first,
        lambda: sent.start(tracer_provider=provider),
        lambda: instrumentor.instrument(tracer_provider=provider),
    )

    async def scene(client: Any) -> Any:
        return await way.call(client.get, far.url)

    assert way.play(scene).json() == {}
    exchange = sent.exchange
    carried = far.asked[0].headers["traceparent"].split("-")
    assert carried[1:3] == [exchange.trace_id, exchange.span_id]
    assert not int(carried[3], 16) & 1


@in_all_ways
def test_one_client_that_is_instrumented(
    sent: Sent, far: FarServer, way: Way, instrumentor: Any, provider: Any, exporter: InMemorySpanExporter
) -> None:
    """Where one client alone is instrumented by OpenTelemetry, that one's requests have one span as well."""
    sent.start(tracer_provider=provider)

    async def scene(client: Any) -> Any:
        instrumentor.instrument_client(client, tracer_provider=provider)
        return await way.call(client.get, far.url)

    assert way.play(scene).json() == {}
    (span,) = exporter.get_finished_spans()
    assert sent.exchange.span_id == f"{span.context.span_id:016x}"


@in_all_ways
def test_inside_a_span_of_the_apps(
    sent: Sent, far: FarServer, way: Way, instrumentor: Any, provider: Any, exporter: InMemorySpanExporter
) -> None:
    """A span in force is the parent, as ever, and in force afterwards."""
    both(
        True,
        lambda: sent.start(tracer_provider=provider),
        lambda: instrumentor.instrument(tracer_provider=provider),
    )

    async def scene(client: Any) -> Any:
        with provider.get_tracer("shop").start_as_current_span("work") as work:
            await way.call(client.get, far.url)
            assert trace.get_current_span() is work
            return work

    work = way.play(scene)
    assert sent.exchange.parent_span_id == f"{work.get_span_context().span_id:016x}"
    assert len(exporter.get_finished_spans()) == 2


@in_both_orders
@pytest.mark.parametrize("ours_ends_first", [True, False], ids=["ours-ends", "theirs-ends"])
@in_all_ways
def test_every_order_of_ending(
    sent: Sent, far: FarServer, way: Way, instrumentor: Any, ours_first: bool, ours_ends_first: bool
) -> None:
    """Whoever comes and goes first, in the end every function is the object it was."""
    owner, name = way.transport
    before = vars(owner)[name]
    both(ours_first, lambda: sent.start(way.name), instrumentor.instrument)
    assert vars(owner)[name] is not before

    async def scene(client: Any) -> Any:
        return await way.call(client.get, far.url)

    both(ours_ends_first, lambda: spantap.uninstrument_clients(way.name), instrumentor.uninstrument)
    assert vars(owner)[name] is before
    assert way.play(scene).json() == {}
    spantap.instrument_clients(way.name)
    assert way.play(scene).json() == {}

    assert len(sent.exchanges) == 1
