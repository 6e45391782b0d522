"""The sampler `spantap`, on real apps and on other people's spans."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

import spantap
from asgi_client import call, responding, scope
from spantap import configuration
from spantap.export.memory import MemorySink
from spantap.otel.sampler import make_sampler

WRITTEN = "0,route:/orders/{id}=1,path:/a*=1,method:PUT=1"


class Traced:
    """A captured app on a provider with our sampler."""

    def __init__(self, written: str) -> None:
        self.exporter, self.memory = InMemorySpanExporter(), MemorySink()
        self.provider = TracerProvider(sampler=make_sampler(written), shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.handle = spantap.configure(tracer_provider=self.provider, destinations=[self.memory])
        self.app = spantap.instrument_app(responding(b"{}"))

    def ask(self, method: str, path: str, **headers: str) -> bool:
        """Whether the trace was sampled; the exchange is stored either way."""
        call(self.app, scope(method, path, headers.items()))
        assert self.handle.flush(10)
        (exchange,) = self.memory.read(limit=1)
        assert exchange.request.path == path
        return exchange.sampled


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    yield
    if configuration._handle is not None:
        configuration._handle.shutdown(1)


@pytest.mark.parametrize(
    ("method", "path", "headers", "sampled"),
    [
        ("GET", "/orders/7", {}, True),
        ("GET", "/orders/7/lines", {}, False),
        ("GET", "/abc", {}, True),
        ("PUT", "/x", {}, True),
        ("GET", "/x", {}, False),
        # A caller decides for its own.
        ("GET", "/x", {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}, True),
        ("GET", "/abc", {"traceparent": f"00-{'1' * 32}-{'2' * 16}-00"}, False),
    ],
)
def test_by_route_path_and_method(method: str, path: str, headers: dict[str, str], sampled: bool) -> None:
    """Rates hold for traces that begin here; what is not sampled is captured all the same."""
    traced = Traced(WRITTEN)
    assert traced.ask(method, path, **headers) is sampled
    assert len(traced.exporter.get_finished_spans()) == sampled


@pytest.mark.parametrize(
    ("attributes", "sampled"),
    [
        ({"url.path": "/abc", "http.request.method": "GET"}, True),
        ({"http.target": "/abc?x=1", "http.method": "GET"}, True),
        ({"http.target": "/x?/abc"}, False),
        ({"http.method": "PUT"}, True),
        ({}, False),
        (None, False),
    ],
)
def test_spans_of_others(attributes: dict[str, str] | None, sampled: bool) -> None:
    """Other instrumentations' first spans go by their own attributes, old names and new."""
    span = Traced(WRITTEN).provider.get_tracer("theirs").start_span("GET", attributes=attributes)
    assert span.get_span_context().trace_flags.sampled is sampled


def test_a_rate_is_the_sdks() -> None:
    """Within a rate the choice is that of the SDK's own sampler, so that services agree."""
    ours, theirs = make_sampler("0.3,limit=1000000"), TraceIdRatioBased(0.3)
    for number in range(2000):
        trace_id = number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128
        found, wanted = (each.should_sample(None, trace_id, "GET") for each in (ours, theirs))
        assert found.decision is wanted.decision


def test_the_limit_holds_for_traces_that_begin() -> None:
    """Of a burst one second's worth is sampled; children and callers' traces are not counted."""
    traced = Traced("limit=3")
    begun = threading.Barrier(4)
    sampled: list[bool] = []
    steps: list[bool] = []

    tracer = traced.provider.get_tracer("app")

    def burst() -> None:
        begun.wait(30)
        for _ in range(20):
            with tracer.start_as_current_span("job") as job, tracer.start_as_current_span("step") as step:
                sampled.append(job.get_span_context().trace_flags.sampled)
                steps.append(step.get_span_context().trace_flags.sampled)

    threads = [threading.Thread(target=burst) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)

    assert len(sampled) == 80
    assert 3 <= sum(sampled) < 80  # the rest of it in the time it takes
    assert sum(steps) == sum(sampled)
    assert traced.ask("GET", "/x", traceparent=f"00-{'1' * 32}-{'2' * 16}-01")


def test_what_is_in_vain_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """TRACE_SAMPLER beside a provider that is not ours is told once."""
    provider: Any = TracerProvider(shutdown_on_exit=False)
    handle = spantap.configure(destinations=[MemorySink()], trace_sampler="0.5")
    handle.tap.adopt(provider, own=False)
    assert [each.getMessage() for each in caplog.records if "TRACE_SAMPLER" in each.getMessage()]
