"""What sampling keeps, of real apps on every door."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from fastapi import FastAPI
from flask import Flask
from flask import Response as FlaskResponse
from flask import request as flask_request
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import spantap
from inbound.sampled import ROWS, Row, answer, as_json, check, play
from spantap import configuration
from spantap.export.memory import MemorySink

TESTS = Path(__file__).parent.parent
OTHERS = ("/fail", "/keep", "/skip")


def starlette() -> Any:
    async def orders(request: Request) -> PlainTextResponse:
        said = answer(request.url.path, request.headers.get("x-user"), request.headers.get("x-company"))
        return PlainTextResponse(said)

    return Starlette(
        routes=[Route("/orders/{id}", orders, name="orders"), *(Route(each, orders) for each in OTHERS)]
    )


def fastapi() -> Any:
    app = FastAPI()

    def orders(request: Request) -> PlainTextResponse:
        said = answer(request.url.path, request.headers.get("x-user"), request.headers.get("x-company"))
        return PlainTextResponse(said)

    app.get("/orders/{id}", name="orders")(orders)
    for each in OTHERS:
        app.get(each)(orders)
    return app


def flask() -> Any:
    app = Flask(__name__)

    def orders(id: int = 0) -> FlaskResponse:  # noqa: A002
        headers = flask_request.headers
        said = answer(flask_request.path, headers.get("x-user"), headers.get("x-company"))
        return FlaskResponse(said, mimetype="text/plain")

    app.add_url_rule("/orders/<int:id>", "orders", orders)
    for each in OTHERS:
        app.add_url_rule(each, each, orders)
    return app


def asgi() -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        said = answer(scope["path"], headers.get("x-user"), headers.get("x-company"))
        status = 404 if scope["path"] == "/nowhere" else 200
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]}
        )
        await send({"type": "http.response.body", "body": said.encode()})

    return app


def wsgi() -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        said = answer(environ["PATH_INFO"], environ.get("HTTP_X_USER"), environ.get("HTTP_X_COMPANY"))
        status = "404 Not Found" if environ["PATH_INFO"] == "/nowhere" else "200 OK"
        start_response(status, [("Content-Type", "text/plain")])
        return [said.encode()]

    return app


def rows_of(door: str) -> list[Row]:
    return [row for row in ROWS if not row.only or door in row.only]


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    yield
    if configuration._handle is not None:
        configuration._handle.shutdown(1)


@pytest.mark.setting("capture_sample_rate", "capture_rates", "capture_always_on")
@pytest.mark.parametrize("make", [starlette, fastapi, flask, asgi, wsgi])
def test_what_is_kept(make: Callable[[], Any]) -> None:
    """Rates, errors, slow ones, headers and the app decide; weight and reason are recorded; spans go on."""
    rows = rows_of(make.__name__)
    came = play(make(), rows, wsgi=make in (flask, wsgi))

    for row, each in zip(rows, came, strict=True):
        check(row, each)


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_what_is_kept_of_django(kind: str, tmp_path: Path) -> None:
    """The same of a Django project, in a process of its own."""
    rows = rows_of("django")
    done = subprocess.run(
        [sys.executable, TESTS / "inbound" / "sampled.py", kind],
        input=as_json(rows),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for row, came in zip(rows, json.loads(done.stdout), strict=True):
        check(row, came)


class SeededIds(IdGenerator):
    """The same ids each time."""

    def __init__(self) -> None:
        self._random = random.Random(7)

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128)

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64)


def failing_now_and_then(environ: Any, start_response: Any) -> Any:
    """Reads its request; every hundredth fails."""
    environ["wsgi.input"].read(7)
    failed = int(environ["PATH_INFO"][1:]) % 100 == 99
    start_response("500 Oh" if failed else "200 OK", [("Content-Type", "application/json")])
    return [b'{"failed":true,"token":"s3cr3t"}' if failed else b'{"failed": false}']


@pytest.mark.parametrize("upstream", [None, "00"])
def test_one_in_a_hundred_and_every_error(upstream: str | None) -> None:
    """Of 10,000 requests with 100 errors a rate of 1 % keeps all errors, whole, and 1 % of the rest; the
    weights add up; also in traces an upstream has not sampled."""
    memory, ids = MemorySink(), SeededIds()
    handle = spantap.configure(
        destinations=[memory],
        tracer_provider=TracerProvider(id_generator=ids, shutdown_on_exit=False),
        capture_sample_rate=0.01,
    )
    app = spantap.instrument_app(failing_now_and_then)

    for number in range(10_000):
        environ: dict[str, Any] = {
            "PATH_INFO": f"/{number}",
            "REQUEST_METHOD": "POST",
            "CONTENT_LENGTH": "7",
            "CONTENT_TYPE": "application/json",
            "wsgi.input": io.BytesIO(b'{"n":1}'),
        }
        if upstream is not None:
            environ["HTTP_TRACEPARENT"] = f"00-{ids.generate_trace_id():032x}-00f067aa0ba902b7-{upstream}"
        setup_testing_defaults(environ)
        body = app(environ, lambda *_: None)
        assert b"".join(body)
        body.close()

    assert handle.flush(60)
    exchanges = memory.read(limit=10_000)
    errors = [each for each in exchanges if each.capture_reason == "error"]
    rest = [each for each in exchanges if each.capture_reason == "rate"]
    assert len(errors) == 100
    assert {each.request.body.content for each in errors} == {'{"n":1}'}
    assert {each.response.body.content for each in errors} == {'{"failed":true,"token":"[REDACTED]"}'}
    assert abs(len(rest) - 99) <= 30
    assert {each.weight for each in errors} == {1.0}
    assert {each.weight for each in rest} == {100.0}
    assert abs(sum(each.weight for each in exchanges) - 10_000) <= 3_000
    assert handle.stats().not_kept == {"sampled_out": 10_000 - len(exchanges)}


@pytest.mark.parametrize("unsampled", ["own", "none"])
def test_weights_beside_a_head_that_samples(unsampled: str) -> None:
    """Weights add up to what a place would have without a rate, also where the head has the same rate."""
    memory, exporter = MemorySink(), InMemorySpanExporter()
    provider = TracerProvider(
        sampler=TraceIdRatioBased(0.1), id_generator=SeededIds(), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    handle = spantap.configure(
        destinations=[memory],
        tracer_provider=provider,
        capture_sample_rate=0.1,
        capture_unsampled=unsampled,
    )
    app = spantap.instrument_app(wsgi())

    for _ in range(3000):
        environ: dict[str, Any] = {"PATH_INFO": "/orders/7"}
        setup_testing_defaults(environ)
        body = app(environ, lambda *_: None)
        list(body)
        body.close()

    assert handle.flush(60)
    spans = exporter.get_finished_spans()
    written = [dict(each.attributes or {}).get("spantap.weight") for each in spans]
    stored = sum(each.weight for each in memory.read(limit=3000))
    assert abs(len(spans) - 300) < 70
    assert abs(sum(each for each in written if isinstance(each, float)) - len(spans)) < 210
    if unsampled == "own":
        assert abs(stored - 3000) < 660
    else:
        assert abs(stored - len(spans)) < 210
        assert stored > 0


def test_what_is_left_out_is_not_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither redaction nor identity is paid for what sampling leaves out."""
    asked: list[Any] = []
    handle = spantap.configure(destinations=[MemorySink()], capture_sample_rate=0, skip=asked.append)
    for part, name in ((handle.tap.pipeline, "run"), (handle.tap.identifier, "fill")):
        monkeypatch.setattr(type(part), name, lambda *_: pytest.fail("it was cleaned"))

    list(play_one(handle, failing_now_and_then))

    assert handle.stats().not_kept == {"sampled_out": 1}
    assert asked == []


def play_one(handle: spantap.Handle, app: Any) -> Iterator[bytes]:
    environ: dict[str, Any] = {"PATH_INFO": "/1", "HTTP_TRACEPARENT": f"00-{'1' * 32}-{'2' * 16}-00"}
    setup_testing_defaults(environ)
    body = spantap.instrument_app(app)(environ, lambda *_: None)
    yield from body
    body.close()
    assert handle.flush(30)


async def slowly(exchange: spantap.RawExchange) -> str | None:
    return exchange.request.headers.first("x-user")


@pytest.mark.parametrize("hook", [slowly, lambda exchange: exchange.request.headers.first("x-user")])
@pytest.mark.parametrize(
    ("rates", "kept", "asked"),
    [
        ("user:42=1", True, True),
        ("user:7=1", False, True),
        ("path:/2=1", False, False),
        ("content-type:a/b=1", False, False),
    ],
)
def test_hooks_are_asked_who_it_was_only_if_it_matters(
    hook: Any, rates: str, kept: bool, asked: bool
) -> None:
    """A rate by user waits for the hook that names the user; otherwise hooks are not asked in vain."""
    memory, calls = MemorySink(), []

    def identify(exchange: spantap.RawExchange) -> Any:
        calls.append(exchange)
        return hook(exchange)

    handle = spantap.configure(
        destinations=[memory],
        tracer_provider=TracerProvider(shutdown_on_exit=False),
        capture_sample_rate=0,
        capture_rates=rates,
        identify_user=identify,
        mask=lambda exchange: exchange,
    )
    environ: dict[str, Any] = {"PATH_INFO": "/1", "HTTP_X_USER": "42"}
    setup_testing_defaults(environ)
    body = spantap.instrument_app(wsgi())(environ, lambda *_: None)
    list(body)
    body.close()

    assert handle.flush(30)
    assert [(each.identity.user, each.capture_reason) for each in memory.read()] == [("42", "rate")] * kept
    assert bool(calls) is asked
    assert handle.stats().not_kept == ({} if kept else {"sampled_out": 1})


@pytest.mark.parametrize("settings", [{}, {"capture_sample_rate": 1}, {"capture_sample_rate": "1.0"}])
def test_without_sampling_nobody_judges(settings: dict[str, Any]) -> None:
    """Where everything is kept there is nothing to ask, and nothing to pay for."""
    assert spantap.configure(destinations=[MemorySink()], **settings).tap.sampler is None


def test_a_stream_that_fails_late_on_a_span_others_end() -> None:
    """What fails after its status was sent is an error, also where the span is not ours."""
    provider, memory = TracerProvider(shutdown_on_exit=False), MemorySink()
    handle = spantap.configure(destinations=[memory], tracer_provider=provider, capture_sample_rate=0)

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one"
        raise ValueError("as asked")

    tapped = spantap.instrument_app(app)
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    with provider.get_tracer("theirs").start_as_current_span(
        "GET",
        kind=SpanKind.SERVER,
        attributes={"http.request.method": "GET", "url.path": "/"},
    ):
        body = tapped(environ, lambda *_: None)
        with pytest.raises(ValueError, match="as asked"):
            list(body)
        body.close()

    assert handle.flush(30)
    (record,) = memory.read()
    assert (record.capture_reason, record.weight) == ("error", 1.0)
