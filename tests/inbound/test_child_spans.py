"""Who is behind a request, on the spans beneath its own."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spantap
from over_the_wire import ask, served
from receivers.otlp_http import OTLPReceiver, attributes
from spantap.export.memory import MemorySink


def view() -> str:
    tracer = trace.get_tracer("app")
    with tracer.start_as_current_span("before"):
        pass
    spantap.current().user("ada", email="ada@shop.example").company("acme")
    with tracer.start_as_current_span("after"), tracer.start_as_current_span("deeper"):
        pass
    spantap.current().user("bob").session("AKIAIOSFODNN7EXAMPLE")
    with tracer.start_as_current_span("changed"):
        pass
    with tracer.start_as_current_span("elsewhere", context=trace.set_span_in_context(trace.INVALID_SPAN)):
        pass
    spantap.current().skip()
    with tracer.start_as_current_span("skipped"):
        pass
    return "ok"


def flask() -> Any:
    app = Flask(__name__)
    app.add_url_rule("/", "view", view)
    return app


def fastapi() -> Any:
    app = FastAPI()
    app.get("/")(view)
    return app


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Plays one request to an app with a provider of its own; its spans by name, as it exports them."""
    handles: list[spantap.Handle] = []

    def play(make: Any, **settings: Any) -> dict[str, Mapping[str, Any]]:
        exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
        handle = spantap.configure(destinations=[MemorySink()], tracer_provider=provider, **settings)
        handles.append(handle)
        with served(spantap.instrument_app(make()), wsgi=make is flask) as port:
            assert ask(port, "/").split(b" ")[1] == b"200"
            handle.tap.wait_for_open(30)
        return {each.name: attributes_of(each) for each in exporter.get_finished_spans()}

    yield play
    for each in handles:
        each.shutdown(1)


def attributes_of(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


@pytest.mark.parametrize("make", [flask, fastapi])
def test_what_the_app_has_said_is_on_spans_that_begin_then(make: Any, spans: Any) -> None:
    """Spans of the trace that begin later say it, clean; earlier ones, other traces, skipped ones not."""
    found = spans(make)

    ada = {"user.id": "ada", "user.email": "ada@shop.example", "spantap.company.id": "acme"}
    assert found["before"] == found["elsewhere"] == found["skipped"] == {}
    assert found["after"] == found["deeper"] == ada
    assert found["changed"] == {**ada, "user.id": "bob", "session.id": "[REDACTED]"}


def test_it_is_hashed_there_too(spans: Any) -> None:
    """Who is hashed in the record is hashed on every span."""
    found = spans(flask, hash_key="k", hash=["user", "email"])

    assert "user.id" not in found["after"]
    assert found["after"]["user.hash"] == hmac.new(b"k", b"ada", hashlib.sha256).hexdigest()
    assert found["after"]["user.email"] != "ada@shop.example"
    assert "ada" not in str(found["deeper"].values())


@pytest.mark.parametrize(
    "settings",
    [
        {"mask": lambda exchange: exchange},
        {"identify_user": lambda exchange: "other"},
        {"policies": {"otlp": {"fields": ["-identity"]}}},
        {"exclude_urls": ["/"]},
    ],
    ids=["mask", "identify_user", "policy", "not captured"],
)
def test_what_may_be_taken_back_is_not_told_early(settings: dict[str, Any], spans: Any) -> None:
    """With a hook that says otherwise at the end, or a policy without it, no span beneath says who it was."""
    found = spans(flask, **settings)

    assert found["after"] == found["changed"] == {}


@pytest.mark.parametrize("policy", [None, {"otlp": {"fields": ["-identity"]}}])
def test_at_a_collector(policy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own export has it on the spans beneath, unless the policy for it has no identity."""
    provider = TracerProvider(shutdown_on_exit=False)
    with OTLPReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        handle = spantap.configure(policies=policy)
        handle.tap.adopt(provider, own=True)
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
        with served(spantap.instrument_app(flask()), wsgi=True) as port:
            ask(port, "/")
            handle.tap.wait_for_open(30)
        handle.flush(30)
        handle.shutdown(5)
        found = {each.name: attributes(each) for each in receiver.spans()}

    assert ("user.id" in found["after"]) is (policy is None)
