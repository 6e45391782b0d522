"""aiohttp and OpenTelemetry: whose span a request has, in which trace it is, and when nothing is kept."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession, StreamReader
from aiohttp.connector import BaseConnector
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind

import spantap
from outbound.aiohttp_server import AsyncServer, spans_told
from outbound.conftest import Sent
from spantap.outbound import aiohttp as door

OWNERS = (ClientSession, aiohttp.ClientRequest, aiohttp.ClientResponse, BaseConnector, StreamReader)


@pytest.fixture
def far() -> Iterator[AsyncServer]:
    """A server to send requests to."""
    with AsyncServer() as server:
        yield server


@contextmanager
def contrib(provider: Any) -> Iterator[None]:
    """OpenTelemetry's own instrumentation of aiohttp, for a while."""
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        yield
    finally:
        instrumentor.uninstrument()


def post(url: str, **arguments: Any) -> Any:
    async def posting() -> Any:
        async with ClientSession() as session, session.post(url, **arguments) as response:
            return await response.json()

    return asyncio.run(posting())


def provider_of(sent: Sent) -> Any:
    assert sent.handle is not None
    return sent.handle.settings.tracer_provider


@pytest.mark.parametrize("first", ["contrib", "ours"])
def test_beside_contrib(sent: Sent, far: AsyncServer, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever came first, there is one span for a call, theirs, and the exchange is on it."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    if first == "ours":
        sent.start("aiohttp", theirs=True)
        with contrib(provider_of(sent)):
            assert post(f"{far.url}/echo", json={"password": "s3cret"})["got"] == 22
    else:
        provider = TracerProvider(shutdown_on_exit=False)
        with contrib(provider):
            from opentelemetry.sdk.trace.export import SimpleSpanProcessor

            provider.add_span_processor(SimpleSpanProcessor(sent.exporter))
            sent.start("aiohttp", tracer_provider=provider)
            assert post(f"{far.url}/echo", json={"password": "s3cret"})["got"] == 22

    (span,) = sent.spans
    exchange = sent.exchange
    assert span.kind is SpanKind.CLIENT
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "opentelemetry.instrumentation.aiohttp_client"
    assert span.context is not None
    assert exchange.span_id == f"{span.context.span_id:016x}"
    assert far.asked[0].headers["traceparent"].split("-")[2] == exchange.span_id
    assert (span.attributes or {})["http.request.body.content"] == '{"password": "[REDACTED]"}'
    assert exchange.request.body.content == '{"password": "[REDACTED]"}'
    assert exchange.response.body.content == '{"got": 22, "password": "[REDACTED]"}'  # after the span's end
    assert exchange.incomplete is None


def test_redirects_beside_contrib(sent: Sent, far: AsyncServer) -> None:
    """Its one span is that of the first hop; the others are beneath it."""
    sent.start("aiohttp", theirs=True)

    with contrib(provider_of(sent)):
        post(f"{far.url}/redirect?to=/echo", data=b"x")

    first, second = sent.exchanges
    assert len(sent.spans) == 2
    assert second.parent_span_id == first.span_id
    assert second.trace_id == first.trace_id
    assert spans_told(far.asked) == [
        first.span_id,
        second.span_id,
    ]


def test_a_failure_beside_contrib(sent: Sent, far: AsyncServer) -> None:
    """Its span and our record say the same."""
    sent.start("aiohttp", theirs=True)

    with contrib(provider_of(sent)), pytest.raises(aiohttp.ServerDisconnectedError):
        post(f"{far.url}/short", data=b"x")

    (span,) = sent.spans
    assert not span.status.is_ok
    assert sent.exchange.error is not None
    assert sent.exchange.error.type == "aiohttp.client_exceptions.ServerDisconnectedError"


@pytest.mark.parametrize("beside", [False, True])
def test_traces_that_are_not_sampled(sent: Sent, far: AsyncServer, beside: bool) -> None:
    """The store still has them, with the ids that the other server was told."""
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    sent.start("aiohttp", tracer_provider=provider, capture_unsampled="all")

    if beside:
        with contrib(provider):
            post(f"{far.url}/echo", data=b"x")
    else:
        post(f"{far.url}/echo", data=b"x")

    _, trace_id, span_id, flags = far.asked[0].headers["traceparent"].split("-")
    assert not int(flags, 16) & 1
    assert (sent.exchange.trace_id, sent.exchange.span_id) == (trace_id, span_id)
    assert sent.exchange.parent_span_id is None


@pytest.mark.parametrize("quiet", [suppress_instrumentation, suppress_http_instrumentation])
def test_suppressed(sent: Sent, far: AsyncServer, quiet: Any) -> None:
    """Where OpenTelemetry's instrumentations are told to be quiet, ours is: no record, no header."""
    sent.start("aiohttp")
    quietly: AbstractContextManager[None] = quiet()

    with quietly:
        post(f"{far.url}/echo", data=b"x")

    assert sent.exchanges == []
    assert "traceparent" not in far.asked[0].headers


def test_excluded_urls(sent: Sent, far: AsyncServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's variable for this client is honoured."""
    monkeypatch.setenv("OTEL_PYTHON_AIOHTTP_CLIENT_EXCLUDED_URLS", "quiet")
    sent.start("aiohttp")

    post(f"{far.url}/echo?quiet", data=b"x")
    post(f"{far.url}/echo?loud", data=b"x")

    assert sent.exchange.request.query == "loud"
    assert "traceparent" not in far.asked[0].headers


def test_the_context_of_the_app(sent: Sent, far: AsyncServer) -> None:
    """A span of the app's is the parent, also of requests sent at once, and current again afterwards."""
    sent.start("aiohttp", theirs=True)
    tracer = trace.get_tracer("shop", tracer_provider=provider_of(sent))
    inside: list[Any] = []

    async def body() -> Any:
        inside.append(trace.get_current_span().get_span_context().span_id)
        yield b"x"

    async def asking() -> None:
        with tracer.start_as_current_span("work"):
            before = otel_context.get_current()
            async with ClientSession() as session:

                async def one() -> None:
                    async with session.post(f"{far.url}/echo", data=body()) as response:
                        assert otel_context.get_current() is before
                        await response.read()

                await asyncio.gather(*(one() for _ in range(5)))
            assert otel_context.get_current() is before

    asyncio.run(asking())

    exchanges = sent.exchanges
    assert len({each.span_id for each in exchanges}) == 5
    assert {f"{each:016x}" for each in inside} == {each.span_id for each in exchanges}
    (work,) = (each for each in sent.spans if each.name == "work")
    assert work.context is not None
    assert {each.parent_span_id for each in exchanges} == {f"{work.context.span_id:016x}"}


def test_hosts_that_are_not_captured(sent: Sent, far: AsyncServer) -> None:
    """Nothing is kept of them, but they are still told of the trace."""
    sent.start("aiohttp", exclude_outgoing_hosts=["127.0.0.1"])

    assert post(f"{far.url}/echo", data=b"x")["got"] == 1

    assert sent.exchanges == []
    assert "traceparent" in far.asked[0].headers


def test_switching_off_restores_everything(sent: Sent, far: AsyncServer) -> None:
    """Afterwards every function is the object it was, and a response on its way is still finished."""
    before = [dict(vars(each)) for each in OWNERS]

    async def asking() -> None:
        async with ClientSession() as session, session.get(f"{far.url}/gated") as response:
            spantap.uninstrument_clients("aiohttp")
            far.open_gate()
            await response.read()

    sent.start("aiohttp")
    assert [dict(vars(each)) for each in OWNERS] != before
    asyncio.run(asking())

    for owner, names in zip(OWNERS, before, strict=True):
        assert all(vars(owner)[name] is value for name, value in names.items())
        assert vars(owner).keys() == names.keys()
    assert sent.exchange.response.body.size == 870
    assert post(f"{far.url}/echo", data=b"x")["got"] == 1
    assert len(sent.exchanges) == 1


def test_an_aiohttp_that_is_made_otherwise(
    sent: Sent, far: AsyncServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a function we stand on is missing, the client is left alone, and one line says so."""
    monkeypatch.setitem(door._NEEDED, StreamReader, ("_read_some",))
    before = [dict(vars(each)) for each in OWNERS]

    with caplog.at_level(logging.WARNING, "spantap"):
        sent.start("aiohttp")

    assert [dict(vars(each)) for each in OWNERS] == before
    (line,) = caplog.messages
    assert line.endswith(" has no StreamReader._read_some: what it sends is not captured")
    assert post(f"{far.url}/echo", data=b"x")["got"] == 1


def test_our_own_failure(sent: Sent, far: AsyncServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours never reaches the app."""
    sent.start("aiohttp")

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("ours")

    for name in ("_observe", "_begun", "tee_writer", "_headers", "tee_reader"):
        with monkeypatch.context() as patched:
            patched.setattr(door, name, broken)
            assert post(f"{far.url}/echo", data=b"x")["got"] == 1


@pytest.mark.parametrize(
    ("environment", "kept", "traced"),
    [
        ({}, 1, True),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "aiohttp-client"}, 0, False),
    ],
)
def test_without_code(
    far: AsyncServer, tmp_path: Path, environment: dict[str, str], kept: int, traced: bool
) -> None:
    """Under opentelemetry-instrument what an app sends is captured, unless that is switched off."""
    program = f"""
import asyncio, aiohttp
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.post('{far.url}/echo', json={{'n': 1}}) as response:
            print(await response.json())
asyncio.run(main())
"""
    command = [str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable, "-c", program]
    store = tmp_path / "kept.jsonl"

    said = subprocess.run(
        command,
        env={
            **os.environ,
            "OTEL_PYTHON_DISTRO": "spantap",
            "OTEL_PYTHON_SPANTAP_JSONL_PATH": str(store),
            **environment,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert said.stdout == "{'got': 8, 'password': 's3cret-of-theirs'}\n"
    records = [json.loads(line) for line in store.read_text().splitlines()] if store.exists() else []
    assert [record["request"]["body"]["content"] for record in records] == ['{"n": 1}'] * kept
    assert ("traceparent" in far.asked[0].headers) is traced
