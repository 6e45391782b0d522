"""A capture with all clients on, and a server on the other side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spantap
from outbound.far_server import FarServer
from outbound.odd_server import OddServer
from spantap.export.memory import MemorySink
from spantap.model import Exchange


@pytest.fixture
def far() -> Iterator[FarServer]:
    """A server to send requests to."""
    with FarServer() as server:
        yield server


@pytest.fixture
def odd() -> Iterator[OddServer]:
    """A server that answers oddly, or not at all."""
    with OddServer() as server:
        yield server


@pytest.fixture
def pool() -> Iterator[urllib3.PoolManager]:
    """Connections of urllib3 that try nothing again."""
    with urllib3.PoolManager(retries=False, timeout=60) as manager:
        yield manager


class Sent:
    """A capture of what is sent, on a provider of ours, or (`theirs`) of the app's own."""

    def __init__(self) -> None:
        self.memory = MemorySink()
        self.exporter = InMemorySpanExporter()
        self.handle: spantap.Handle | None = None

    def start(self, *clients: str, theirs: bool = False, **settings: Any) -> spantap.Handle:
        """Switch the capture on for these clients, or all."""
        if theirs:
            provider: Any = TracerProvider(shutdown_on_exit=False)
            provider.add_span_processor(SimpleSpanProcessor(self.exporter))
            settings["tracer_provider"] = provider
        self.handle = spantap.configure(destinations=[self.memory], **settings)
        spantap.instrument_clients(*clients)
        return self.handle

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """What the app's own exporter got."""
        return self.exporter.get_finished_spans()

    @property
    def exchanges(self) -> list[Exchange]:
        """What was captured, the first one first."""
        assert self.handle is not None
        assert self.handle.flush(10)
        return sorted(self.memory.read(), key=lambda each: each.timing.start)

    @property
    def exchange(self) -> Exchange:
        """The only one."""
        (one,) = self.exchanges
        return one


@pytest.fixture
def sent() -> Iterator[Sent]:
    """A capture that ends with the test."""
    made = Sent()
    yield made
    spantap.uninstrument_clients()
    if made.handle is not None:
        made.handle.shutdown(1)
