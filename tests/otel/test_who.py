"""What a hash hides is hidden on live spans and on spans of other instrumentations as well."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

import spantap
from asgi_client import call, responding, scope
from spantap.export.memory import MemorySink
from spantap.otel.clean_copy import SpanCleaner
from spantap.policy.redact import Redactor, Tally
from spantap.policy.redact.hashing import Hasher
from spantap.policy.redact.user_rules import parse_rules

LOOPBACK = "8d37cca2670502dd348ca1a1713b34e09a8189104ab7e30e19e954e25d7a89a9"
HASHER = Hasher(lambda: b"s3cr3t", lambda: "k1")


def copied(attributes: dict[str, Any], kind: SpanKind = SpanKind.SERVER, **options: Any) -> dict[str, Any]:
    span = ReadableSpan("GET", attributes=attributes, kind=kind)
    return dict(SpanCleaner(Redactor(hasher=HASHER, **options)).copy(span).attributes or {})


def test_spans_of_others() -> None:
    """Addresses and users on SERVER spans are hashed; on a CLIENT span the address is that of a server."""
    attributes = {"net.peer.ip": "127.0.0.1", "network.peer.address": "127.0.0.1", "user.id": "alice", "n": 1}

    clean = copied(attributes, hashes=["user", "client.address"])

    assert clean["net.peer.ip"] == clean["network.peer.address"] == LOOPBACK
    assert "user.id" not in clean
    assert len(clean["user.hash"]) == 64
    assert (clean["n"], clean["spantap.hash.key_id"]) == (1, "k1")
    assert copied(attributes, SpanKind.CLIENT, hashes=["user", "client.address"]) == attributes
    assert copied(attributes) == attributes


def test_rules_hold_on_spans_of_others() -> None:
    """What other instrumentations write of the URL and of headers obeys the user's rules."""
    attributes = {
        "url.full": "http://a/?q=1&z=2",
        "url.query": "q=1&z=2",
        "user_agent.original": "curl",
        "http.request.header.x_tribe": ("blue",),
    }

    clean = copied(attributes, rules=parse_rules("query q; header user-agent drop; header x-tribe"))

    assert clean == {
        "url.full": "http://a/?q=REDACTED&z=2",
        "url.query": "q=REDACTED&z=2",
        "http.request.header.x_tribe": ("[REDACTED]",),
    }


@pytest.mark.parametrize("live_bodies", [True, False])
def test_live_spans_that_others_export(live_bodies: bool) -> None:
    """On a provider of the app's own, its exporters see the hashes, from the start of the span on."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    handle = spantap.configure(
        destinations=[MemorySink()],
        tracer_provider=provider,
        hash_key="s3cr3t",
        redact_rules="header user-agent",
        live_bodies=live_bodies,
    )
    try:
        answer = responding(b"{}")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            spantap.current().user("alice")
            await answer(scope, receive, send)

        call(spantap.instrument_app(app), scope("GET", "/a", [("user-agent", "curl/8")]))
    finally:
        handle.shutdown(5)

    (span,) = exporter.get_finished_spans()
    attributes = dict(span.attributes or {})
    assert attributes["client.address"] == LOOPBACK
    assert attributes["user_agent.original"] == "[REDACTED]"
    assert len(str(attributes["user.hash"])) == 64
    assert attributes.pop("server.address") == "127.0.0.1"
    assert not [each for each in attributes.values() if each in ("alice", "127.0.0.1", "curl/8")]


def test_an_exchange_that_is_not_kept_hides_the_same() -> None:
    """The plain span of a path that is not captured has the address hashed once, not twice."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    handle = spantap.configure(
        destinations=[MemorySink()], tracer_provider=provider, hash_key="s3cr3t", exclude_urls="/a"
    )
    call(spantap.instrument_app(responding(b"{}")), scope("GET", "/a"))
    handle.shutdown(5)

    (span,) = exporter.get_finished_spans()
    assert (span.attributes or {})["client.address"] == LOOPBACK
    hashes = ["user", "client.address"]
    card = HASHER.hashed("user 612", Tally())  # looks as if a card number were in it
    for digits in (LOOPBACK, card):
        assert copied({"client.address": digits}, hashes=hashes) == {"client.address": digits}


def test_what_an_exception_says_is_not_listed() -> None:
    """In allow-list mode the events and the status of others' spans keep classes and ways, not words."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.raises(ValueError, match="Ada"), provider.get_tracer("t").start_as_current_span("x"):
        raise ValueError("no room for Ada\n  File said Ada\nAda: Ada")

    clean = SpanCleaner(Redactor(allow=True)).copy(exporter.get_finished_spans()[0])

    assert "Ada" not in clean.to_json()
    assert "ValueError" in clean.to_json()
    assert "test_who.py" in str(clean.events[0].attributes)
