"""How far cleaning reaches beside the exchange itself: spans, settings, our own words."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, TraceFlags, TraceState

import spantap
from asgi_client import Message, call, scope
from spantap.export.memory import MemorySink
from spantap.export.outcome import TryLaterError
from spantap.model import Exchange
from spantap.otel.clean_copy import SpanCleaner
from spantap.otel.otlp_http import OTLPOverHTTP
from spantap.otel.protobuf import encode_spans
from spantap.policy.redact import Redactor

SECRET = "kq7vt9xw2mzr"
PHRASE = "kq7vt9xw2m zr8hp3nj5y"


def test_a_clean_copy_counts_what_the_span_had_lost() -> None:
    """Attributes, events and links beyond the span's limits are counted on the copy, and over OTLP."""
    limits = SpanLimits(
        max_span_attributes=2, max_events=1, max_links=1, max_event_attributes=1, max_link_attributes=1
    )
    provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
    context = SpanContext(1, 2, is_remote=False)
    two = {"password": SECRET, "token": SECRET}
    with provider.get_tracer("t").start_as_current_span(
        "x", links=[Link(context, two), Link(context, two)]
    ) as span:
        span.set_attributes({"a": 1, "b": 2, "c": 3})
        for name in ("first", "second"):
            span.add_event(name, two)
    assert isinstance(span, ReadableSpan)

    copy = SpanCleaner(Redactor()).copy(span)

    request = ExportTraceServiceRequest.FromString(encode_spans([copy]))
    sent = request.resource_spans[0].scope_spans[0].spans[0]
    assert SECRET not in str(sent)
    assert (sent.dropped_attributes_count, sent.dropped_events_count, sent.dropped_links_count) == (1, 1, 1)
    assert (sent.events[0].dropped_attributes_count, sent.links[0].dropped_attributes_count) == (1, 1)


def test_what_describes_the_service_is_clean() -> None:
    """A resource attribute with a sensitive name is masked; a resource without one stays the same object."""
    plain = Resource({"service.name": "shop", "process.pid": 7})
    dirty = Resource(
        {"service.name": "shop", "deploy.api_key": SECRET, "process.command_line": f"x --token {SECRET}"}
    )
    cleaner = SpanCleaner(Redactor())

    for _ in range(2):
        assert cleaner.copy(ReadableSpan("x", resource=plain)).resource is plain
        copy = cleaner.copy(ReadableSpan("x", resource=dirty))
        assert SECRET not in str(dict(copy.resource.attributes))
        assert copy.resource.attributes["service.name"] == "shop"


def test_a_trace_state_is_clean() -> None:
    """What a client puts there is masked; ids, flags and other vendors' entries stay."""
    state = TraceState([("vendor", f"ghp_{SECRET * 3}"), ("other", "1a2b"), ("token", SECRET)])
    context = SpanContext(5, 6, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)

    copy = SpanCleaner(Redactor()).copy(ReadableSpan("x", context=context, links=[Link(context)]))

    for found in (copy.context, copy.links[0].context):
        assert found is not None
        assert SECRET not in str(found.trace_state)
        assert found.trace_state["other"] == "1a2b"
        assert found == SpanContext(
            5, 6, is_remote=True, trace_flags=TraceFlags(1), trace_state=found.trace_state
        )


def captured(error: Exception, request: Message, body: bytes = b"", **settings: Any) -> tuple[Exchange, str]:
    """What is kept of a request whose app raises: the exchange, and what the app's own exporter gets."""
    theirs, memory = InMemorySpanExporter(), MemorySink()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(theirs))
    handle = spantap.configure(destinations=[memory], tracer_provider=provider, **settings)

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        raise error

    try:
        with pytest.raises(type(error)):
            call(spantap.instrument_app(app), request, body)
        assert handle.flush(10)
    finally:
        handle.shutdown(1)
    (span,) = theirs.get_finished_spans()
    events = [dict(event.attributes or {}) for event in span.events]
    return memory.read()[0], str((dict(span.attributes or {}), events, span.status.description))


def test_metadata_says_nothing_of_what_was_said() -> None:
    """With PRESET=metadata an exception's text and traceback, which may quote a body, are not kept."""
    error = ValueError(f"{SECRET} is not allowed")

    exchange, span = captured(error, scope("POST", "/a"), SECRET.encode(), preset="metadata")

    assert exchange.error is not None
    assert (exchange.error.type, exchange.error.message) == ("ValueError", None)
    assert SECRET not in span
    assert "Traceback" not in span


@pytest.mark.parametrize(
    "settings", [{"headers": False}, {"query": False}, {"headers": False, "query": False}]
)
def test_what_is_not_captured_is_not_quoted(settings: dict[str, Any]) -> None:
    """A header or query that is switched off leaves exceptions all the same."""
    error = ValueError(f"no such key: {PHRASE}")
    request = scope("GET", "/a", [("x-api-key", PHRASE)], f"token={PHRASE.replace(' ', '+')}")

    exchange, span = captured(error, request, **settings)

    assert exchange.error is not None
    assert exchange.error.message == "no such key: [REDACTED]"
    assert PHRASE not in span


class Quoting:
    """A sink that quotes what it was given."""

    name = "quoting"
    target = "memory"

    def write(self, exchanges: Sequence[Exchange], /) -> None:
        raise ValueError(f"cannot write {SECRET}")

    def close(self) -> None:
        raise ValueError(SECRET)


def test_our_log_names_classes_never_values(caplog: pytest.LogCaptureFixture) -> None:
    """A destination that fails, and a collector that is down behind a URL with a password."""
    caplog.set_level(logging.DEBUG)
    handle = spantap.configure(destinations=[Quoting()], debug=True)

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    call(spantap.instrument_app(app), scope())
    handle.flush(10)
    handle.shutdown(1)
    exporter = OTLPOverHTTP(
        endpoint=f"http://ann:{SECRET}@127.0.0.1:9/v1/traces", headers={"x-key": SECRET}, timeout=1
    )
    context = SpanContext(5, 6, is_remote=False, trace_flags=TraceFlags(1))
    with pytest.raises(TryLaterError) as failure:
        exporter.deliver([ReadableSpan("x", context=context)])
    exporter.close()

    assert SECRET not in str(failure.value)
    assert "ValueError" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.matrix
def test_mistakes_are_told_without_secrets(tmp_path: Path) -> None:
    """`doctor` and `run` name the settings that are wrong; passwords beside them are not repeated."""
    variables = {
        "OTEL_PYTHON_SPANTAP_BODY_MAX_BYTES": "many",
        "OTEL_PYTHON_SPANTAP_HTTP_TOKENS": SECRET,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://ann:{SECRET}@127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{SECRET}",
        "OTEL_RESOURCE_ATTRIBUTES": f"deploy.api_key={SECRET}",
    }
    (tmp_path / "spantap.toml").write_text(f'api_token = "{SECRET}"\n')
    for wrong in (True, False):
        if not wrong:
            (tmp_path / "spantap.toml").unlink()
            variables = {name: each for name, each in variables.items() if "SPANTAP" not in name}
        for command in (["doctor"], ["doctor", "--json"], ["run", "--", sys.executable, "-c", ""]):
            done = subprocess.run(
                [sys.executable, "-m", "spantap.cli.main", *command],
                cwd=tmp_path,
                env={**{k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}, **variables},
                capture_output=True,
                timeout=120,
                check=False,
            )
            said = done.stdout + done.stderr
            assert SECRET.encode() not in said, said
            assert (done.returncode == 2) == wrong, said
