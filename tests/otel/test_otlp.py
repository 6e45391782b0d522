from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from exchanges import exchange
from receivers.otlp_grpc import GRPCReceiver, receiving
from receivers.otlp_http import OTLPReceiver
from spantap.codec.attributes import encode
from spantap.export.outcome import TryLaterError
from spantap.otel import otlp


def spans(count: int) -> list[ReadableSpan]:
    attributes = encode(exchange())
    return [
        ReadableSpan(
            "POST /users/{id}",
            context=SpanContext(1, number + 1, False, TraceFlags(1)),
            attributes=attributes,
            start_time=1,
            end_time=2,
        )
        for number in range(count)
    ]


@pytest.fixture
def grpc_receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[GRPCReceiver]:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        yield receiver


def test_over_grpc(grpc_receiver: GRPCReceiver) -> None:
    """A collector that speaks gRPC gets every span whole."""
    delivery = otlp.open_otlp()

    assert delivery.deliver(spans(20)) == {}
    delivery.close()

    (request,) = grpc_receiver.requests
    received = request.resource_spans[0].scope_spans[0].spans
    assert len(received) == 20
    assert {each.key: each.value.string_value for each in received[0].attributes}[
        "http.request.body.content"
    ] == '{"n":1}'


def test_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP with protobuf is what is spoken when nothing else is said; compression as the environment says."""
    with OTLPReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        delivery = otlp.open_otlp()

        assert delivery.deliver(spans(20)) == {}
        delivery.close()

        assert len(receiver.spans()) == 20


@pytest.mark.parametrize("protocol", otlp.PROTOCOLS)
def test_a_dead_collector_is_tried_again(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch for a collector that is not there may be taken later."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    delivery = otlp.open_otlp()

    with pytest.raises(TryLaterError):
        delivery.deliver(spans(1))
    delivery.close()


def test_nothing_is_dialled_unasked() -> None:
    """Without an endpoint in the environment there is none."""
    assert otlp.endpoint({}) is None
    assert otlp.endpoint({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a"}) == "http://a"
    assert otlp.protocol({}) == "http/protobuf"
    assert otlp.protocol({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "GRPC"}) == "grpc"


@pytest.mark.parametrize("protocol", otlp.PROTOCOLS)
def test_a_process_that_ends_at_once_sends_what_it_has(protocol: str) -> None:
    """The exporter is opened as the interpreter ends, when no thread pool can be had any more."""
    code = """if True:
        import spantap
        from wsgiref.util import setup_testing_defaults
        def app(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"x"]
        environ = {}
        setup_testing_defaults(environ)
        response = spantap.instrument_app(app)(environ, lambda status, headers, error=None: print)
        assert b"".join(response) == b"x"
        response.close()
    """
    with OTLPReceiver() as over_http, receiving() as over_grpc:
        endpoint = over_grpc.url if protocol == "grpc" else over_http.url
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={
                **kept,
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert (done.returncode, done.stderr) == (0, "")
    assert len(over_http.spans()) + len(over_grpc.requests) == 1
