"""What is selected by how it was answered, of real apps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spantap
from over_the_wire import ask, served
from spantap.export.memory import MemorySink


def shown(number: int = 0) -> str:
    return {0: "all", 1: "one"}[number]


def fastapi() -> Any:
    app = FastAPI()
    app.get("/shown", name="shop:all")(shown)
    app.get("/shown/{number}", name="shop:one")(shown)
    return app


def flask() -> Any:
    app = Flask(__name__)
    app.add_url_rule("/shown", "shop:all", shown)
    app.add_url_rule("/shown/<int:number>", "shop:one", shown)
    return app


class Captured:
    def __init__(self) -> None:
        self.memory, self.exporter = MemorySink(), InMemorySpanExporter()
        self.handle: spantap.Handle | None = None

    def paths(self, make: Any, *requests: Any, **settings: Any) -> list[str]:
        """The paths of the records of some requests."""
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.handle = spantap.configure(destinations=[self.memory], tracer_provider=provider, **settings)
        with served(spantap.instrument_app(make()), wsgi=make is flask) as port:
            for each in requests:
                assert ask(port, *each).startswith(b"HTTP/1.")
            self.handle.tap.wait_for_open(30)
        assert self.handle.flush(30)
        return [each.request.path for each in self.memory.read()[::-1]]


@pytest.fixture
def captured() -> Iterator[Captured]:
    made = Captured()
    yield made
    if made.handle is not None:
        made.handle.shutdown(1)


REQUESTS = (("/shown",), ("/shown/1",), ("/shown/2",), ("/nowhere",), ("/health",))


@pytest.mark.setting("include", "exclude", "default_exclusions")
@pytest.mark.parametrize("make", [fastapi, flask])
@pytest.mark.parametrize(
    ("settings", "paths"),
    [
        ({}, ["/shown", "/shown/1", "/shown/2", "/nowhere"]),
        ({"default_exclusions": False}, ["/shown", "/shown/1", "/shown/2", "/nowhere", "/health"]),
        ({"include": "endpoint:shop:one"}, ["/shown/1", "/shown/2"]),
        ({"include": "endpoint:shop:*,status:200"}, ["/shown", "/shown/1"]),
        ({"include": ["route:/shown/*"], "exclude": "error:KeyError"}, ["/shown/1"]),
        ({"exclude": "status:404,status:5xx"}, ["/shown", "/shown/1"]),
        ({"exclude": "content-type:text/*,content-type:application/json"}, []),
        ({"include": "slower:60000"}, []),
    ],
)
def test_what_is_kept(make: Any, settings: dict[str, Any], paths: list[str], captured: Captured) -> None:
    """Endpoint, route, status, content type, exception and time select; what is left out has its span."""
    assert captured.paths(make, *REQUESTS, **settings) == paths
    assert len(captured.exporter.get_finished_spans()) == len(REQUESTS)


def test_probes_are_left_out(captured: Captured) -> None:
    """A client that calls itself a probe is not captured, whatever it asks for."""
    probe = {"User-Agent": "kube-probe/1.30"}

    assert captured.paths(flask, ("/shown", probe), ("/shown/1", {"User-Agent": "curl"})) == ["/shown/1"]


def test_wrong_rules_are_told_at_the_start() -> None:
    """A rule that is none stops configure, by name."""
    with pytest.raises(spantap.ConfigurationError, match=r"exclude = 'stat:404': .*did you mean status"):
        spantap.configure(exclude="stat:404")
